//! How times are written.

use horrorshow::{Render, owned_html};
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};

/// Keep a relative time current in the browser; the functions come with the page's signals.
const TICK: &str = "$_relative(el.dateTime, $_now)";
const TICK_AGO: &str = "$_relative(el.dateTime, $_now, true)";
const TICK_SPAN: &str = "$_span(el.dateTime, $_now)";

/// The moment of rendering and the zone times are shown in.
pub(super) struct Clock {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
}

impl Clock {
    fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// `14:05:09` today, `2026-02-24 14:05` on another day.
    fn short(&self, at: Timestamp) -> String {
        let local = self.local(at);
        let format = if local.date() == self.local(self.now).date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        local.strftime(format).to_string()
    }

    /// `14:05:09`, with date and zone on hovering: where the day stands above.
    pub(super) fn of_day(&self, at: Timestamp) -> impl Render {
        let (iso, short) = (at.to_string(), self.local(at).strftime("%H:%M:%S").to_string());
        let long = self.local(at).strftime("%Y-%m-%d %H:%M:%S%.3f %Z").to_string();
        owned_html! { time(datetime = &iso, title = &long) : &short; }
    }

    /// `Tuesday, 24 February 2026`.
    pub(super) fn day(&self, at: Timestamp) -> String {
        self.local(at).strftime("%A, %-d %B %Y").to_string()
    }

    /// `2026-02-24 14:05:09`.
    pub(super) fn long(&self, at: Timestamp) -> String {
        self.local(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// As a browser's field for date and time has it.
    pub(super) fn field(&self, at: Timestamp) -> String {
        self.local(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// A point in time, with date and zone on hovering.
    pub(super) fn time(&self, at: Timestamp) -> impl Render {
        let (iso, short) = (at.to_string(), self.short(at));
        let long = self.local(at).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        owned_html! { time(datetime = &iso, title = &long) : &short; }
    }

    /// The same for the rows of the log, where each byte counts.
    pub(super) fn bare(&self, at: Timestamp) -> impl Render {
        let (iso, short) = (at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), self.short(at));
        owned_html! { time(datetime = &iso) : &short; }
    }

    /// `in 4 min`, `3 h ago`. The browser goes on counting from there.
    pub(super) fn relative(&self, at: Timestamp) -> impl Render {
        let (iso, words) = (at.to_string(), relative(at.as_second() - self.now.as_second()));
        owned_html! { time(datetime = &iso, data-text = TICK) : &words; }
    }

    /// The same for what has happened: never in the future, even where an agent's clock is ahead.
    pub(super) fn ago(&self, at: Timestamp) -> impl Render {
        let (iso, words) = (at.to_string(), relative((at.as_second() - self.now.as_second()).min(0)));
        owned_html! { time(datetime = &iso, data-text = TICK_AGO) : &words; }
    }

    /// `4 min`: what has lasted so long and still does. The browser goes on counting from there.
    pub(super) fn lasting(&self, so_far: SignedDuration) -> impl Render {
        let began = self.now.checked_sub(so_far).unwrap_or(self.now);
        let (iso, words) = (began.to_string(), span(so_far));
        owned_html! { time(datetime = &iso, data-text = TICK_SPAN) : &words; }
    }
}

/// A length of time in words. The page's function `_span` writes the same.
pub(super) fn span(length: SignedDuration) -> String {
    lasting(length.as_secs().unsigned_abs())
}

/// `seconds` from now in words. The page's function `_relative` writes the same.
fn relative(seconds: i64) -> String {
    let distance = seconds.unsigned_abs();
    if distance < 3 {
        return "now".to_owned();
    }
    let words = lasting(distance);
    if seconds < 0 { format!("{words} ago") } else { format!("in {words}") }
}

/// So many seconds, rounded to what matters.
pub(super) fn lasting(seconds: u64) -> String {
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", rounded(60)),
        5_400..129_600 => format!("{} h", rounded(3_600)),
        _ => format!("{} d", rounded(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_rounded_to_what_matters() {
        let words = [
            (0, "now"),
            (-2, "now"),
            (3, "in 3 s"),
            (-89, "89 s ago"),
            (90, "in 2 min"),
            (-7_000, "2 h ago"),
            (200_000, "in 2 d"),
        ];
        for (seconds, expected) in words {
            assert_eq!(relative(seconds), expected);
        }
        assert!(relative(i64::MIN).ends_with(" d ago"));
    }
}
