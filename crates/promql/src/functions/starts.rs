//! What start timestamps say of counters: resets that the values do not show, and a zero from which a counter has
//! counted. Prometheus's rules (`promql/functions.go`, 3.14), behind its feature `use-start-timestamps`.
//!
//! Cumulative series keep their start timestamp until they are reset; of deltas each sample starts where the one
//! before it ended. 0 is none; one that is not before its sample is unknown.

use latewood_model::NO_START;

use super::Window;
use super::spacing::{factor, gap, seconds};
use crate::Notice;
use crate::annotations::CallContext;

/// The functions that look at start timestamps.
pub const STARTED: [&str; 5] = ["increase", "irate", "rate", "resets", "start_timestamp"];

/// The start timestamps of a window's samples, as many as those; or nothing, if no sample has any or the query does
/// not look at them.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowStarts<'a> {
    /// Of the floats.
    pub floats: &'a [i64],
    /// Of the histograms.
    pub histograms: &'a [i64],
}

impl<'a> WindowStarts<'a> {
    /// Those from some samples on.
    pub(super) fn from(self, float: usize, histogram: usize) -> Self {
        let rest = |starts: &'a [i64], first| starts.get(first..).unwrap_or_default();
        Self { floats: rest(self.floats, float), histograms: rest(self.histograms, histogram) }
    }
}

/// When a sample was taken, and since when it has been counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    pub(super) time: i64,
    pub(super) start: i64,
}

impl Started {
    /// The sample at a place.
    pub(super) fn at(times: &[i64], starts: &[i64], place: usize) -> Self {
        let time = times.get(place).copied().unwrap_or_default();
        Self { time, start: starts.get(place).copied().unwrap_or(NO_START) }
    }

    /// Whether a counter was reset between a sample and this one.
    pub(super) fn is_reset_after(self, before: Self) -> bool {
        if self.start == NO_START || self.start >= self.time || self.start < before.time {
            return false;
        }
        // A start at the sample before is a delta's, or a cumulative counter's whose start is unknown: then that
        // of the sample before is unknown, too.
        let before_is_known =
            before.start != NO_START && before.start != before.time && before.start <= before.time;
        self.start > before.time || before_is_known
    }

    /// Whether this sample counts again what the one before it counted, or what came before that.
    pub(super) fn overlaps(self, before: Self) -> bool {
        self.start != NO_START && self.start < before.time && self.start != before.start
    }
}

/// Leaves a warning if any sample of a counter overlaps with the one before.
pub(super) fn warn_of_overlap(samples: impl Iterator<Item = Started> + Clone, ctx: &mut CallContext) {
    let pairs = samples.clone().zip(samples.skip(1));
    if pairs.into_iter().any(|(before, sample)| sample.overlaps(before)) {
        ctx.add(&Notice::StartOverlap(ctx.metric_name().to_owned()));
    }
}

/// When a counter was zero, if that lies in the window and before its first sample.
pub(super) fn zero_time(window: &Window<'_>, first_time: i64, starts: &[i64]) -> Option<i64> {
    let first = starts.first().copied().filter(|&start| start != NO_START)?;
    (first > window.start && first < first_time).then_some(first)
}

/// As [`super::spacing::Spacing::extrapolation`], for a counter that was zero at `zero_time`: there is nothing to extrapolate
/// before that.
#[allow(clippy::cast_precision_loss)] // windows have few samples
pub(super) fn extrapolation_from_zero(
    window: &Window<'_>,
    zero_time: i64,
    (first_time, last_time): (i64, i64),
    gaps: usize,
    is_rate: bool,
) -> f64 {
    // A single sample says nothing of how far apart they are.
    let average = if gaps > 0 { seconds(last_time - first_time) / gaps as f64 } else { 0.0 };
    let to_end = gap(seconds(window.end - last_time), average);
    factor(window.end - window.start, seconds(last_time - zero_time), 0.0, to_end, is_rate)
}

/// `start_timestamp` of anything but a selector has no result.
#[must_use]
pub fn start_of_expression(_: f64, _: i64, _: &[f64], _: &mut CallContext) -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_told_from_starts_that_stay_or_are_unknown() {
        let is_reset = |before: (i64, i64), sample: (i64, i64)| {
            let of = |(time, start)| Started { time, start };
            of(sample).is_reset_after(of(before))
        };
        assert!(!is_reset((10, 5), (20, 5)), "the same counter");
        assert!(is_reset((10, 5), (20, 15)), "started between the two");
        assert!(is_reset((10, 5), (20, 10)) && is_reset((10, 9), (20, 10)), "deltas");
        for before in [NO_START, 10, 11] {
            assert!(!is_reset((10, before), (20, 10)), "unknown start {before}");
        }
        assert!(!is_reset((10, 5), (20, NO_START)) && !is_reset((10, 5), (20, 20)), "none, and unknown");
        assert!(!is_reset((10, 5), (20, 21)), "a start after its sample");
    }

    #[test]
    fn samples_that_count_the_same_twice_overlap() {
        let overlaps = |before: (i64, i64), sample: (i64, i64)| {
            let of = |(time, start)| Started { time, start };
            of(sample).overlaps(of(before))
        };
        assert!(overlaps((10, 5), (20, 7)) && overlaps((10, NO_START), (20, 7)));
        assert!(!overlaps((10, 5), (20, 5)) && !overlaps((10, 5), (20, 10)) && !overlaps((10, 5), (20, 0)));
    }
}
