//! How far `rate` and its like extrapolate.
//!
//! Evenly spaced samples lie alike in most windows of a series, and then all but one of the divisions give what they
//! gave for the window before: a [`Spacing`] keeps them. The bits are those of computing everything anew.

use crate::functions::Window;

/// A gap to the window's edge of less than this many average sample distances is extrapolated over.
const EXTRAPOLATION_FACTOR: f64 = 1.1;

/// Where the samples of a window lie in it, in milliseconds; and what is asked of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the window's start to the first sample.
    to_start: i64,
    /// From the first sample to the last.
    sampled: i64,
    /// From the last sample to the window's end.
    to_end: i64,
    /// Gaps between samples.
    gaps: usize,
    /// Whether the change per second is asked for.
    is_rate: bool,
}

/// What follows from a [`Place`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spacing {
    place: Place,
    sampled: f64,
    to_start: f64,
    to_end: f64,
    factor: f64,
}

/// Keeps the spacing of the window before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpacingMemo(Option<Spacing>);

impl SpacingMemo {
    /// What follows from a place, kept if the samples of the window before lay alike.
    #[inline]
    pub(crate) fn at(&mut self, place: Place) -> Spacing {
        match self.0 {
            Some(known) if known.place == place => known,
            _ => *self.0.insert(Spacing::of(place)),
        }
    }
}

/// How a counter grew between the first and the last sample of a window.
#[derive(Clone, Copy)]
pub(crate) struct Growth {
    /// Where it began.
    pub(crate) first: f64,
    /// By how much it grew.
    pub(crate) increase: f64,
}

impl Growth {
    /// Whether it is certain, without a division, that the counter was zero before the window's start: `to_zero` of
    /// [`Spacing::extrapolation`] is not below `to_start` then, however it is rounded.
    #[inline]
    fn began_before(self, spacing: &Spacing) -> bool {
        // Far more than three roundings can do; and no product may have over- or underflown.
        const MARGIN: f64 = 1.0 + 1e-9;
        let (time, least) = (spacing.sampled * self.first, spacing.to_start * self.increase * MARGIN);
        time >= least && time < f64::INFINITY && least > 1e-290
    }
}

/// Milliseconds as seconds.
#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// How far to extrapolate towards an edge of the window: up to it, unless a sample should have been seen before.
pub(super) fn gap(to_edge: f64, average: f64) -> f64 {
    if to_edge >= average * EXTRAPOLATION_FACTOR { average / 2.0 } else { to_edge }
}

/// How much longer the time is that is extrapolated to than the sampled one; by the window's length for a rate.
pub(super) fn factor(length: i64, sampled: f64, to_start: f64, to_end: f64, is_rate: bool) -> f64 {
    let mut factor = 1.0;
    if sampled != 0.0 {
        factor = (sampled + to_start + to_end) / sampled;
    }
    if is_rate {
        factor /= length_seconds(length);
    }
    factor
}

/// A window's length in seconds; whole seconds and the rest are added as Go's `Duration.Seconds` does.
#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
pub(super) fn length_seconds(length: i64) -> f64 {
    (length / 1000) as f64 + ((length % 1000) * 1_000_000) as f64 / 1e9
}

impl Place {
    /// Of samples whose first and last time is given.
    pub(super) fn of(window: &Window<'_>, times: (i64, i64), gaps: usize, is_rate: bool) -> Self {
        Self::between((window.start, window.end), times, gaps, is_rate)
    }

    /// The same in a window whose start and end are given.
    #[inline]
    pub(crate) fn between(
        (start, end): (i64, i64),
        (first, last): (i64, i64),
        gaps: usize,
        is_rate: bool,
    ) -> Self {
        Self { to_start: first - start, sampled: last - first, to_end: end - last, gaps, is_rate }
    }

    fn length(self) -> i64 {
        self.to_start + self.sampled + self.to_end
    }
}

impl Spacing {
    /// What follows from a place.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn of(place: Place) -> Self {
        let sampled = seconds(place.sampled);
        let average = sampled / place.gaps as f64;
        let (to_start, to_end) = (gap(seconds(place.to_start), average), gap(seconds(place.to_end), average));
        let factor = factor(place.length(), sampled, to_start, to_end, place.is_rate);
        Self { place, sampled, to_start, to_end, factor }
    }

    /// Whether it is what follows from a place.
    pub(crate) fn is_of(&self, place: Place) -> bool {
        self.place == place
    }

    /// By what the change between the first and the last sample is to be multiplied so that it covers the window,
    /// and is per second if that is asked for. `growth` is given for counters.
    #[inline]
    pub(crate) fn extrapolation(&self, growth: Option<Growth>) -> f64 {
        if let Some(growth @ Growth { first, increase }) = growth
            && increase > 0.0
            && first >= 0.0
        {
            if growth.began_before(self) {
                return self.factor;
            }
            // A counter cannot have been negative: do not extrapolate to before its zero.
            let to_zero = self.sampled * (first / increase);
            if to_zero < self.to_start {
                let Place { is_rate, .. } = self.place;
                return factor(self.place.length(), self.sampled, to_zero, self.to_end, is_rate);
            }
        }
        self.factor
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whether a division was saved or not.
        #[test]
        fn counters_go_back_to_their_zero_and_no_further(
            (to_start, sampled, to_end) in (1..40_000_i64, 1..120_000_i64, 0..40_000_i64),
            gaps in 1..20_usize,
            first in prop_oneof![0.0..1e3, 0.0..1e-300, 0.0..f64::MAX],
            increase in prop_oneof![1e-9..1e4, 0.0..1e-300, 0.0..f64::MAX],
            near in prop_oneof![Just(None), (0.9..1.1).prop_map(Some), (-20..20).prop_map(|off| Some(1.0 + f64::from(off) * 1e-10))],
        ) {
            let spacing = Spacing::of(Place { to_start, sampled, to_end, gaps, is_rate: true });
            // Near to where it matters.
            let first = near.map_or(first, |near| near * spacing.to_start * increase / spacing.sampled);
            prop_assume!(increase > 0.0);
            let to_zero = spacing.sampled * (first / increase);
            let expected = match to_zero < spacing.to_start {
                true => factor(to_start + sampled + to_end, spacing.sampled, to_zero, spacing.to_end, true),
                false => spacing.factor,
            };
            let seen = spacing.extrapolation(Some(Growth { first, increase }));
            prop_assert_eq!(seen.to_bits(), expected.to_bits());
        }
    }
}
