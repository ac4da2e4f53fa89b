//! The figures as rows of a table.

use std::fmt;

use crate::statistics::Samples;

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Micros,
    Millis,
    Seconds,
    PerSecond,
    Bytes,
    Kib,
    Mib,
    PercentOfCore,
    Times,
}

/// A figure over all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    samples: Samples,
    unit: Unit,
}

/// Which way is better, what is wanted, and what would be splendid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    at_most: bool,
    target: f64,
    stretch: f64,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    remora: Figure,
    peer: Option<(String, Figure)>,
    /// Remora's figure beside the peer's; `None`: it is looked at alone.
    compared: Option<Figure>,
    goal: Option<Goal>,
    why_missed: Option<&'static str>,
}

impl Figure {
    /// One figure per round.
    pub(crate) fn new(unit: Unit, samples: impl IntoIterator<Item = f64>) -> Self {
        Self { samples: samples.into_iter().collect(), unit }
    }

    fn median(&self) -> f64 {
        self.samples.median()
    }
}

impl Unit {
    fn of(self, number: impl fmt::Display) -> String {
        match self {
            Unit::Micros => format!("{number} µs"),
            Unit::Millis => format!("{number} ms"),
            Unit::Seconds => format!("{number} s"),
            Unit::PerSecond => format!("{number}/s"),
            Unit::Bytes => format!("{number} B"),
            Unit::Kib => format!("{number} KiB"),
            Unit::Mib => format!("{number} MiB"),
            Unit::PercentOfCore => format!("{number} %"),
            Unit::Times => format!("{number} ×"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.unit.of(significant(self.median())))
    }
}

impl Goal {
    /// The less the better.
    pub(crate) const fn at_most(target: f64, stretch: f64) -> Self {
        Self { at_most: true, target, stretch }
    }

    /// The more the better.
    pub(crate) const fn at_least(target: f64, stretch: f64) -> Self {
        Self { at_most: false, target, stretch }
    }

    fn is_met(self, bound: f64, value: f64) -> bool {
        if self.at_most { value <= bound } else { value >= bound }
    }

    fn outcome(self, value: f64) -> &'static str {
        match (self.is_met(self.stretch, value), self.is_met(self.target, value)) {
            (true, _) => "met, stretch too",
            (_, true) => "met",
            _ => "**missed**",
        }
    }
}

impl Row {
    /// A figure of Remora's, which is compared with its goal as it stands.
    pub(crate) fn new(what: impl Into<String>, remora: Figure) -> Self {
        Self { what: what.into(), remora, peer: None, compared: None, goal: None, why_missed: None }
    }

    /// The same figure of a peer's, of which Remora's is so many times as much.
    pub(crate) fn times(self, peer: impl Into<String>, figure: Figure) -> Self {
        let times = self.remora.samples.zip(&figure.samples, |remora, peer| remora / peer);
        Self { compared: Some(Figure { samples: times, unit: Unit::Times }), peer: Some((peer.into(), figure)), ..self }
    }

    /// The same figure of a peer's, over which Remora's lies by so much.
    pub(crate) fn over(self, peer: impl Into<String>, figure: Figure) -> Self {
        let over = self.remora.samples.zip(&figure.samples, |remora, peer| remora - peer);
        Self { compared: Some(Figure { samples: over, ..figure }), peer: Some((peer.into(), figure)), ..self }
    }

    /// What the comparison should come to.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// What Remora's own figure should come to, whatever the peer's is.
    pub(crate) fn goal_alone(self, goal: Goal) -> Self {
        Self { goal: Some(goal), compared: None, ..self }
    }

    /// Why that is out of reach, for as long as it is.
    pub(crate) fn why_missed(self, why: &'static str) -> Self {
        Self { why_missed: Some(why), ..self }
    }

    fn outcome(&self) -> &'static str {
        self.goal.map_or("", |goal| goal.outcome(self.judged().median()))
    }

    fn judged(&self) -> &Figure {
        self.compared.as_ref().unwrap_or(&self.remora)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, remora, peer, compared, goal, .. } = self;
        let peer = peer.as_ref().map_or(String::new(), |(name, figure)| format!("{name}: {figure}"));
        let (low, high) = self.judged().samples.range();
        let compared = compared.as_ref().map_or(String::new(), |compared| format!("{compared} "));
        let compared = format!("{compared}({}..{})", significant(low), significant(high));
        let bound = |pick: fn(Goal) -> f64| {
            goal.map_or(String::new(), |goal| {
                format!("{} {}", if goal.at_most { "≤" } else { "≥" }, self.judged().unit.of(pick(goal)))
            })
        };
        let (target, stretch) = (bound(|goal| goal.target), bound(|goal| goal.stretch));
        write!(f, "| {what} | {remora} | {peer} | {compared} | {target} | {stretch} | {} |", self.outcome())
    }
}

/// The rows as a table in Markdown, and why goals are missed.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| | Remora | beside it | compared (least..most) | target | stretch | |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text += &format!("{row}\n");
    }
    let missed = rows.iter().filter(|row| row.outcome() == "**missed**");
    let reasons: String = missed.filter_map(|row| Some(format!("- {}: {}\n", row.what, row.why_missed?))).collect();
    if !reasons.is_empty() {
        text += &format!("\nMissed, and why:\n\n{reasons}");
    }
    text
}

/// Three digits that mean something, thousands apart.
pub(crate) fn significant(value: f64) -> String {
    let magnitude = value.abs().max(1e-9).log10().floor() as i32;
    let decimals = usize::try_from(2 - magnitude).unwrap_or(0).min(4);
    let unit = 10f64.powi((magnitude - 2).max(0));
    let rounded = if magnitude > 2 { (value / unit).round() * unit } else { value };
    let text = format!("{:.decimals$}", rounded.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if rounded < 0.0 { "-" } else { "" };
    format!("{sign}{grouped}{rest}")
}
