//! What five rounds say together.

/// One figure per round, in the rounds' order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// The round in the middle.
    pub(crate) fn median(&self) -> f64 {
        percentile(&mut self.0.clone(), 50.0)
    }

    /// The least and the greatest round.
    pub(crate) fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &one| (low.min(one), high.max(one)))
    }

    /// Round by round, what `with` makes of this figure and that of another: rounds run side by side, so that what the
    /// machine does meanwhile falls on both.
    pub(crate) fn zip(&self, other: &Self, with: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(&one, &another)| with(one, another)).collect())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// The value below which that part of the values lies; sorts them. Not a number where there are none.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
