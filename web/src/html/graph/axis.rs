//! The time axis of a timeline: from a round moment before the first span to a round one after the last.

use jiff::Timestamp;
use remora_actors::model::Graph;

use super::super::clock::Clock;

/// Steps that people count in, in seconds.
const STEPS: [i64; 21] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000,
];
/// Steps on one axis: more labels would not fit on a phone.
const TICKS: i64 = 6;
/// The axis is drawn this wide.
const WIDTH: i64 = 1_000;
/// No bar is narrower: it could not be seen.
const NARROWEST: i64 = 3;

/// The axis.
#[derive(Debug)]
pub(super) struct Axis {
    /// Both in milliseconds since 1970.
    from: i64,
    to: i64,
    /// In milliseconds.
    step: i64,
    /// The moment of drawing, where it lies on the axis.
    now: i64,
    live: bool,
}

impl Axis {
    pub(super) fn of(graph: &Graph, clock: &Clock) -> Self {
        let now = clock.now.as_millisecond();
        let spans = || graph.nodes().iter().flat_map(|node| &node.spans);
        let first = spans().map(|span| span.from.as_millisecond()).min().unwrap_or(now).min(now);
        // A clock that is ahead must not push everything else together.
        let ends = spans().map(|span| span.to.map_or(now, Timestamp::as_millisecond).min(now));
        let last = ends.max().unwrap_or(now).max(first + 1_000);
        let offset = i64::from(clock.zone.to_offset(clock.now).seconds()) * 1_000;
        let snapped = |step: i64| {
            let down = |at: i64| (at + offset).div_euclid(step) * step - offset;
            (down(first), down(last - 1) + step)
        };
        let steps = STEPS.iter().map(|step| step * 1_000);
        let fits = |step: &i64| {
            let (from, to) = snapped(*step);
            to - from <= TICKS * step
        };
        let step = steps.clone().find(fits);
        // Longer than any step can divide: the years of a clock that was never set.
        let step = step.unwrap_or_else(|| ((last - first) / (TICKS - 1) / 86_400_000 + 1) * 86_400_000);
        let (from, to) = snapped(step);
        Self { from, to, step, now, live: graph.is_live() }
    }

    fn x(&self, at: i64) -> i64 {
        ((at.clamp(self.from, self.to) - self.from) * WIDTH) / (self.to - self.from).max(1)
    }

    /// Where a bar begins and how wide it is. `None`: it lies beside the axis.
    pub(super) fn bar(&self, from: Timestamp, to: Option<Timestamp>) -> Option<(i64, i64)> {
        let (from, to) = (from.as_millisecond(), to.map_or(self.now, Timestamp::as_millisecond));
        if from >= self.to || to < self.from {
            return None;
        }
        let x = self.x(from).min(WIDTH - NARROWEST);
        Some((x, (self.x(to) - x).max(NARROWEST)))
    }

    /// Where now is, while something goes on.
    pub(super) fn now(&self) -> Option<i64> {
        self.live.then(|| self.x(self.now))
    }

    /// The lines between the steps.
    pub(super) fn grid(&self) -> String {
        (1..(self.to - self.from) / self.step).map(|n| format!("M{} 0v20", self.x(self.from + n * self.step))).collect()
    }

    /// The beginning of each step, for programs and for people.
    pub(super) fn ticks(&self, clock: &Clock) -> Vec<(String, String)> {
        let today = clock.now.to_zoned(clock.zone.clone()).date();
        let tick = |n: i64| {
            let at = Timestamp::from_millisecond(self.from + n * self.step).unwrap_or(clock.now);
            let local = at.to_zoned(clock.zone.clone());
            let format = match self.step {
                86_400_000.. => "%m-%d",
                _ if n == 0 && local.date() != today => "%m-%d %H:%M",
                60_000.. => "%H:%M",
                _ => "%H:%M:%S",
            };
            (at.to_string(), local.strftime(format).to_string())
        };
        (0..(self.to - self.from) / self.step).map(tick).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use remora_actors::model::Event;
    use serde_json::json;

    use super::{super::super::tests::board, *};

    /// The axis of a node that ran from `began` to `ended`, seen at `now`, all in seconds.
    fn axis(began: i64, ended: i64, now: i64) -> Axis {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let event = |action, second| {
            let event = Event::of_agent("a", action, at(second), &[], json!({}));
            Event { graph_id: Some("g".to_owned()), ..event }
        };
        let dashboard = board::fold_as_they_are(vec![event("started", began), event("completed", ended)]);
        Axis::of(dashboard.graphs().get("g").expect("a graph"), &Clock { now: at(now), zone: TimeZone::UTC })
    }

    #[test]
    fn steps_are_round() {
        for (began, ended, step) in [(0, 5, 1), (3, 32, 10), (0, 60, 10), (0, 600, 120), (0, 86_400, 21_600)] {
            let axis = axis(began, ended, ended);
            assert_eq!((axis.step / 1_000, axis.from % axis.step), (step, 0), "{began} to {ended}");
        }
    }

    proptest! {
        #[test]
        fn every_bar_lies_on_the_axis(began in 0..253_000_000_000_i64, ran in 0..10_000_000_i64, late in -1_000..1_000_000_i64) {
            let axis = axis(began, began + ran, (began + ran + late).max(0));
            let ticks = axis.ticks(&board::clock());
            prop_assert!((1..=TICKS as usize).contains(&ticks.len()), "{axis:?}");
            let bar = axis.bar(Timestamp::from_second(began).expect("a time"), None);
            if let Some((x, width)) = bar {
                prop_assert!(x >= 0 && width >= NARROWEST && x + width <= WIDTH + NARROWEST, "{bar:?}");
            }
        }
    }
}
