//! What functions make of windows of `anchored` and `smoothed` range selectors. Such windows have samples beyond their
//! bounds: before the start, and behind the end where they are smoothed.

use crate::ast::Extension;
use crate::functions::histograms::{self, HistogramKernel};
use crate::functions::{RangeKernel, Window, counter};

/// The kernels of the functions that take such windows, by name, of floats and with histograms.
const KERNELS: &[(Extension, &str, RangeKernel, HistogramKernel)] = &[
    (
        Extension::Anchored,
        "changes",
        |window, params, ctx| counter::changes(&from_anchor(window)?, params, ctx),
        |window, ctx| histograms::changes(&from_anchor(window)?, ctx),
    ),
    (
        Extension::Anchored,
        "delta",
        |window, _, _| change(window, Change::ANCHORED),
        |window, ctx| histograms::change(window, Change::ANCHORED, ctx),
    ),
    (
        Extension::Anchored,
        "increase",
        |window, _, _| change(window, Change::ANCHORED.of_counter()),
        |window, ctx| histograms::change(window, Change::ANCHORED.of_counter(), ctx),
    ),
    (
        Extension::Anchored,
        "rate",
        |window, _, _| change(window, Change::ANCHORED.of_counter().per_second()),
        |window, ctx| histograms::change(window, Change::ANCHORED.of_counter().per_second(), ctx),
    ),
    (
        Extension::Anchored,
        "resets",
        |window, params, ctx| counter::resets(&from_anchor(window)?, params, ctx),
        |window, ctx| histograms::resets(&from_anchor(window)?, ctx),
    ),
    (
        Extension::Smoothed,
        "delta",
        |window, _, _| change(window, Change::SMOOTHED),
        |window, ctx| histograms::change(window, Change::SMOOTHED, ctx),
    ),
    (
        Extension::Smoothed,
        "increase",
        |window, _, _| change(window, Change::SMOOTHED.of_counter()),
        |window, ctx| histograms::change(window, Change::SMOOTHED.of_counter(), ctx),
    ),
    (
        Extension::Smoothed,
        "rate",
        |window, _, _| change(window, Change::SMOOTHED.of_counter().per_second()),
        |window, ctx| histograms::change(window, Change::SMOOTHED.of_counter().per_second(), ctx),
    ),
];

/// The kernels of a function over such windows, of floats and with histograms.
///
/// # Errors
/// Prometheus's text for a function that does not take them.
pub fn kernels(function: &str, extension: Extension) -> Result<(RangeKernel, HistogramKernel), String> {
    let of_extension = KERNELS.iter().filter(|entry| entry.0 == extension);
    match of_extension.clone().find(|entry| entry.1 == function) {
        Some((_, _, floats, histograms)) => Ok((*floats, *histograms)),
        None => {
            let (name, names) = (extension.as_str(), of_extension.map(|entry| entry.1).collect::<Vec<_>>());
            Err(format!("{name} modifier can only be used with: {} - not with {function}", names.join(", ")))
        }
    }
}

/// Which change over a window is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// Whether the values at the bounds are interpolated.
    pub(super) is_smoothed: bool,
    /// Whether what went before a reset is added.
    pub(super) is_counter: bool,
    /// Whether it is divided by the window's length.
    pub(super) is_rate: bool,
}

impl Change {
    const ANCHORED: Self = Self { is_smoothed: false, is_counter: false, is_rate: false };
    const SMOOTHED: Self = Self { is_smoothed: true, ..Self::ANCHORED };

    const fn of_counter(self) -> Self {
        Self { is_counter: true, ..self }
    }

    const fn per_second(self) -> Self {
        Self { is_rate: true, ..self }
    }
}

/// Which samples bound a window, by their numbers: the last one at or before its start, or else the first one, and
/// the last one. A smoothed window ends with the first one at or behind its end. `None` if no sample lies within.
pub(super) fn bounds(times: &[i64], window: &Window<'_>, is_smoothed: bool) -> Option<(usize, usize)> {
    let mut last = times.len().checked_sub(1)?;
    let inner = times.get(..last)?;
    let first = inner.partition_point(|time| *time <= window.start).saturating_sub(1);
    if is_smoothed {
        last = inner.partition_point(|time| *time < window.end);
    }
    let ends_before = *times.get(last)? <= window.start;
    let begins_behind = is_smoothed && *times.get(first)? > window.end;
    (!ends_before && !begins_behind).then_some((first, last))
}

/// The change between a window's bounds.
fn change(window: &Window<'_>, kind: Change) -> Option<f64> {
    let (first, last) = bounds(window.timestamps, window, kind.is_smoothed)?;
    let samples: Vec<(i64, f64)> = window.samples().take(last + 1).skip(first).collect();
    let (left, right) = values_at_bounds(&samples, (window.start, window.end), kind)?;
    let mut result = right - left;
    if kind.is_counter {
        let is_inside = |time: i64| window.start < time && time < window.end;
        let mut before = left;
        let inner = samples.iter().filter(|(time, _)| is_inside(*time)).map(|(_, value)| *value);
        for value in inner.chain([right]) {
            if value < before {
                result += before;
            }
            before = value;
        }
    }
    Some(if kind.is_rate { result / window.seconds() } else { result })
}

/// The values at the bounds of a window, or of the samples next to them.
fn values_at_bounds(samples: &[(i64, f64)], (start, end): (i64, i64), kind: Change) -> Option<(f64, f64)> {
    let (&(first_time, first), &(last_time, last)) = (samples.first()?, samples.last()?);
    let left = match samples {
        [first, second, ..] if kind.is_smoothed && first_time < start => {
            interpolate(*first, *second, start, kind.is_counter)
        }
        _ => first,
    };
    let right = match samples {
        [.., before, last] if kind.is_smoothed && last_time > end => {
            interpolate(*before, *last, end, kind.is_counter)
        }
        _ => last,
    };
    Some((left, right))
}

/// The value at a time on the line between two samples. A counter that was reset between them began at zero then.
#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
pub fn interpolate(before: (i64, f64), after: (i64, f64), time: i64, is_counter: bool) -> f64 {
    let base = if is_counter && after.1 < before.1 { 0.0 } else { before.1 };
    base + (after.1 - base) * (time - before.0) as f64 / (after.0 - before.0) as f64
}

/// A window without what lies before its anchor, the last sample of either kind at or before its start. `None` if
/// there is nothing behind the start.
fn from_anchor<'a>(window: &Window<'a>) -> Option<Window<'a>> {
    let mut float = window.timestamps.partition_point(|time| *time <= window.start);
    let mut histogram = window.histograms.partition_point(|point| point.timestamp <= window.start);
    if float == window.timestamps.len() && histogram == window.histograms.len() {
        return None;
    }
    let float_anchor = float.checked_sub(1).and_then(|last| window.timestamps.get(last));
    let histogram_anchor =
        histogram.checked_sub(1).and_then(|last| window.histograms.get(last)).map(|point| &point.timestamp);
    if float_anchor >= histogram_anchor {
        float = float.saturating_sub(1);
    } else {
        histogram -= 1;
    }
    Some(Window {
        timestamps: window.timestamps.get(float..)?,
        values: window.values.get(float..)?,
        histograms: window.histograms.get(histogram..)?,
        starts: window.starts.from(float, histogram),
        ..*window
    })
}

/// The samples of an extended range selector by itself: those within its window, and one at each of its bounds.
/// `None` if there is none within.
#[must_use]
pub fn bounded_samples(window: &Window<'_>, extension: Extension) -> Option<Vec<(i64, f64)>> {
    let kind = if extension == Extension::Smoothed { Change::SMOOTHED } else { Change::ANCHORED };
    let (first, last) = bounds(window.timestamps, window, kind.is_smoothed)?;
    let samples: Vec<(i64, f64)> = window.samples().take(last + 1).skip(first).collect();
    let (left, right) = values_at_bounds(&samples, (window.start, window.end), kind)?;
    let inside = samples.into_iter().filter(|(time, _)| window.start < *time && *time < window.end);
    Some([(window.start, left)].into_iter().chain(inside).chain([(window.end, right)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window<'a>(timestamps: &'a [i64], values: &'a [f64]) -> Window<'a> {
        Window { timestamps, values, start: 10_000, end: 20_000, step_time: 20_000, ..Window::default() }
    }

    #[test]
    fn anchors_are_the_last_values_before_the_bounds() {
        let seen = window(&[2_000, 8_000, 12_000, 18_000], &[1.0, 2.0, 5.0, 3.0]);
        assert_eq!(change(&seen, Change::ANCHORED), Some(1.0));
        assert_eq!(change(&seen, Change::ANCHORED.of_counter().per_second()), Some(0.6));
        assert_eq!(change(&window(&[2_000, 8_000], &[1.0, 2.0]), Change::ANCHORED), None);
        assert_eq!(change(&window(&[12_000], &[7.0]), Change::ANCHORED), Some(0.0));
    }

    #[test]
    fn smoothed_bounds_lie_between_their_neighbours() {
        let seen = window(&[5_000, 15_000, 25_000, 30_000], &[0.0, 10.0, 20.0, 99.0]);
        assert_eq!(change(&seen, Change::SMOOTHED), Some(10.0));
        let reset = window(&[5_000, 15_000, 25_000], &[50.0, 10.0, 20.0]);
        assert_eq!(change(&reset, Change::SMOOTHED.of_counter()), Some(10.0));
        assert_eq!(change(&window(&[25_000], &[7.0]), Change::SMOOTHED), None);
    }

    #[test]
    fn a_selector_by_itself_has_samples_at_its_bounds() {
        let seen = window(&[5_000, 15_000, 25_000], &[0.0, 10.0, 20.0]);
        let smoothed = bounded_samples(&seen, Extension::Smoothed);
        assert_eq!(smoothed, Some(vec![(10_000, 5.0), (15_000, 10.0), (20_000, 15.0)]));
        let seen = window(&[5_000, 15_000], &[0.0, 10.0]);
        let anchored = bounded_samples(&seen, Extension::Anchored);
        assert_eq!(anchored, Some(vec![(10_000, 0.0), (15_000, 10.0), (20_000, 10.0)]));
    }
}
