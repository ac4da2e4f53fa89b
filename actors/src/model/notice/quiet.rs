//! Quiet hours: a stretch of each day, by the clock on the wall.

use jiff::{Timestamp, civil::Time, tz::TimeZone};

use super::super::Urgency;

/// When a target is left alone. What becomes due meanwhile is told afterwards, if it still matters.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietHours {
    /// Their beginning.
    pub from: Time,
    /// Their end, on the next day where it is before the beginning.
    pub to: Time,
    /// The zone of the clock on the wall.
    pub zone: TimeZone,
    /// Questions of this urgency and above are told all the same.
    pub unless: Option<Urgency>,
}

impl QuietHours {
    fn contains(&self, at: Timestamp) -> bool {
        let time = self.zone.to_datetime(at).time();
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }

    /// When the quiet hours end that it is in the middle of; `None` outside of them.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.contains(now) {
            return None;
        }
        let today = self.zone.to_datetime(now).date();
        // Where clocks are set back or forward the end may come twice, or not at all.
        let ends = [Some(today), today.tomorrow().ok()].into_iter().flatten().flat_map(|date| {
            let end = self.zone.to_ambiguous_timestamp(date.to_datetime(self.to));
            [end.earlier().ok(), end.later().ok()]
        });
        let changes = self.zone.following(now).take(2).map(|change| Some(change.timestamp()));
        ends.chain(changes).flatten().filter(|end| *end > now && !self.contains(*end)).min()
    }
}
