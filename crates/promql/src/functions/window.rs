//! What a range function sees of one series at one step.

use crate::HistogramPoint;
use crate::functions::WindowStarts;
use crate::functions::spacing::length_seconds;

/// The samples of one series in `(start, end]`, oldest first, without stale markers: floats, and histograms
/// at other times. All times are
/// milliseconds since the epoch. Windows of extended selectors have samples beyond both bounds: see [`super::extended`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Window<'a> {
    /// When, as many as `values`.
    pub timestamps: &'a [i64],
    /// What.
    pub values: &'a [f64],
    /// Whether it is known that no value is less than the one before it, so that nobody need look for resets.
    pub rises: bool,
    /// The native histograms.
    pub histograms: &'a [HistogramPoint],
    /// Start timestamps of these.
    pub starts: WindowStarts<'a>,
    /// The window's start, exclusive; `offset` and `@` are applied.
    pub start: i64,
    /// The window's end, inclusive; `offset` and `@` are applied.
    pub end: i64,
    /// The step that is evaluated, without `offset` and `@`.
    pub step_time: i64,
}

impl<'a> Window<'a> {
    /// The floats, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = (i64, f64)> + 'a {
        self.timestamps.iter().copied().zip(self.values.iter().copied())
    }

    /// The oldest float.
    #[must_use]
    pub fn first(&self) -> Option<(i64, f64)> {
        Some((*self.timestamps.first()?, *self.values.first()?))
    }

    /// The newest float.
    #[must_use]
    pub fn last(&self) -> Option<(i64, f64)> {
        Some((*self.timestamps.last()?, *self.values.last()?))
    }

    /// The window's length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        length_seconds(self.end - self.start)
    }
}
