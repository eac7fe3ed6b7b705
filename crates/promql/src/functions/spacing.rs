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

/// How a counter grew between the first and the last sample of a window.
#[derive(Clone, Copy)]
pub(super) struct Growth {
    /// Where it began.
    pub(super) first: f64,
    /// By how much it grew.
    pub(super) increase: f64,
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
    pub(super) fn of(window: &Window<'_>, (first, last): (i64, i64), gaps: usize, is_rate: bool) -> Self {
        let (to_start, sampled, to_end) = (first - window.start, last - first, window.end - last);
        Self { to_start, sampled, to_end, gaps, is_rate }
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

    /// The place that it follows from.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// By what the change between the first and the last sample is to be multiplied so that it covers the window,
    /// and is per second if that is asked for. `growth` is given for counters.
    pub(super) fn extrapolation(&self, growth: Option<Growth>) -> f64 {
        if let Some(Growth { first, increase }) = growth
            && increase > 0.0
            && first >= 0.0
        {
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
