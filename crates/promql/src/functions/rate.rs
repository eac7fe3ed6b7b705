//! `rate`, `increase`, `delta`, `irate`, `idelta`.

use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::starts::{Started, extrapolation_from_zero, warn_of_overlap, zero_time};

/// A gap to the window's edge of less than this many average sample distances is extrapolated over.
const EXTRAPOLATION_FACTOR: f64 = 1.1;

/// `rate`: the increase per second.
pub(super) fn rate(window: &Window<'_>, _: &[f64], ctx: &mut CallContext) -> Option<f64> {
    counted(window, true, ctx)
}

/// `increase`: over the window, extrapolated to its edges, counter resets made good.
pub(super) fn increase(window: &Window<'_>, _: &[f64], ctx: &mut CallContext) -> Option<f64> {
    counted(window, false, ctx)
}

/// `delta`: last less first, extrapolated to the window's edges.
pub(super) fn delta(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    extrapolated(window, false, false)
}

/// `irate`: per second between the last two samples.
pub(super) fn irate(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    instant(window, true)
}

/// `idelta`: between the last two samples.
pub(super) fn idelta(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    instant(window, false)
}

/// Milliseconds as seconds.
#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// The increase of a counter.
fn counted(window: &Window<'_>, is_rate: bool, ctx: &mut CallContext) -> Option<f64> {
    match window.starts.floats {
        [] => extrapolated(window, true, is_rate),
        starts => started(window, starts, is_rate, ctx),
    }
}

/// As [`extrapolated`] of a counter, with resets that start timestamps tell of. Where the first one lies in the window
/// the counter was zero then, and a single sample is enough.
fn started(window: &Window<'_>, starts: &[i64], is_rate: bool, ctx: &mut CallContext) -> Option<f64> {
    let gaps = window.values.len().checked_sub(1)?;
    let ((first_time, first), (last_time, last)) = (window.first()?, window.last()?);
    let at = |place| Started::at(window.timestamps, starts, place);
    let is_reset = |place: usize, pair: &[f64]| pair[1] < pair[0] || at(place + 1).is_reset_after(at(place));
    let pairs = window.values.windows(2).enumerate().filter(|(place, pair)| is_reset(*place, pair));
    let increase = pairs.fold(last - first, |sum, (_, pair)| sum + pair[0]);
    warn_of_overlap((0..=gaps).map(at), ctx);
    let times = (first_time, last_time);
    if let Some(zero_time) = zero_time(window, first_time, starts) {
        return Some((increase + first) * extrapolation_from_zero(window, zero_time, times, gaps, is_rate));
    }
    let growth = Some(Growth { first, increase });
    (gaps > 0).then(|| increase * extrapolation(window, times, gaps, growth, is_rate))
}

fn extrapolated(window: &Window<'_>, is_counter: bool, is_rate: bool) -> Option<f64> {
    let gaps = window.values.len().checked_sub(1).filter(|gaps| *gaps > 0)?;
    let ((first_time, first), (last_time, last)) = (window.first()?, window.last()?);
    let mut result = last - first;
    if is_counter && !window.rises {
        let resets = window.values.windows(2).filter(|pair| pair[1] < pair[0]);
        result = resets.fold(result, |sum, pair| sum + pair[0]);
    }
    let growth = is_counter.then_some(Growth { first, increase: result });
    Some(result * extrapolation(window, (first_time, last_time), gaps, growth, is_rate))
}

/// How a counter grew between the first and the last sample of a window.
#[derive(Clone, Copy)]
pub(super) struct Growth {
    /// Where it began.
    pub(super) first: f64,
    /// By how much it grew.
    pub(super) increase: f64,
}

/// By what the change between the first and the last sample is to be multiplied so that it covers the window, and
/// is per second if that is asked for. `growth` is given for counters.
#[allow(clippy::cast_precision_loss)]
pub(super) fn extrapolation(
    window: &Window<'_>,
    (first_time, last_time): (i64, i64),
    gaps: usize,
    growth: Option<Growth>,
    is_rate: bool,
) -> f64 {
    let mut to_start = seconds(first_time - window.start);
    let sampled = seconds(last_time - first_time);
    let average = sampled / gaps as f64;
    let to_end = gap(seconds(window.end - last_time), average);
    to_start = gap(to_start, average);
    if let Some(Growth { first, increase }) = growth
        && increase > 0.0
        && first >= 0.0
    {
        // A counter cannot have been negative: do not extrapolate to before its zero.
        let to_zero = sampled * (first / increase);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    factor(window, sampled, to_start, to_end, is_rate)
}

/// How far to extrapolate towards an edge of the window: up to it, unless a sample should have been seen before.
pub(super) fn gap(to_edge: f64, average: f64) -> f64 {
    if to_edge >= average * EXTRAPOLATION_FACTOR { average / 2.0 } else { to_edge }
}

/// How much longer the time is that is extrapolated to than the sampled one; by the window's length for a rate.
pub(super) fn factor(window: &Window<'_>, sampled: f64, to_start: f64, to_end: f64, is_rate: bool) -> f64 {
    let mut factor = 1.0;
    if sampled != 0.0 {
        factor = (sampled + to_start + to_end) / sampled;
    }
    if is_rate {
        factor /= window.seconds();
    }
    factor
}

/// The change between the last two floats.
pub(super) fn instant(window: &Window<'_>, is_rate: bool) -> Option<f64> {
    let (&[.., before, last], &[.., before_time, last_time]) = (window.values, window.timestamps) else {
        return None;
    };
    let interval = last_time - before_time;
    if interval == 0 {
        return None;
    }
    // After a counter's reset, the last value is the increase. NaN is no reset.
    let place = window.values.len() - 2;
    let at = |place| Started::at(window.timestamps, window.starts.floats, place);
    let is_reset = last < before || at(place + 1).is_reset_after(at(place));
    let change = if is_rate && is_reset { last } else { last - before };
    Some(if is_rate { change / seconds(interval) } else { change })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window<'a>(timestamps: &'a [i64], values: &'a [f64], start: i64, end: i64) -> Window<'a> {
        Window { timestamps, values, start, end, step_time: end, ..Window::default() }
    }

    fn increase_of(window: &Window<'_>) -> Option<f64> {
        increase(window, &[], &mut CallContext::default())
    }

    #[test]
    fn full_windows_are_extrapolated_to_their_edges() {
        // 0, 15, 30, 45 s cover 45 s of (-5, 55]; the edges are 5 and 10 s away, less than 16.5 s.
        let seen = window(&[0, 15_000, 30_000, 45_000], &[10.0, 20.0, 30.0, 40.0], -5_000, 55_000);
        assert_eq!(increase_of(&seen), Some(30.0 * ((45.0 + 5.0 + 10.0) / 45.0)));
        let rate = rate(&seen, &[], &mut CallContext::default());
        assert_eq!(rate, Some(30.0 * ((45.0 + 5.0 + 10.0) / 45.0 / 60.0)));
    }

    #[test]
    fn a_series_that_ends_early_is_extrapolated_by_half_a_gap() {
        let seen = window(&[10_000, 20_000], &[100.0, 110.0], 0, 100_000);
        // The start is 10 s away (below 11 s), the end 80 s: half of 10 s.
        assert_eq!(increase_of(&seen), Some(10.0 * ((10.0 + 10.0 + 5.0) / 10.0)));
    }

    #[test]
    fn counters_are_not_extrapolated_below_zero() {
        let seen = window(&[10_000, 20_000], &[1.0, 11.0], 0, 20_000);
        // Zero was reached 1 s before the first sample, not 10.
        assert_eq!(increase_of(&seen), Some(10.0 * ((10.0 + 1.0 + 0.0) / 10.0)));
        let delta = delta(&seen, &[], &mut CallContext::default());
        assert_eq!(delta, Some(10.0 * ((10.0 + 10.0 + 0.0) / 10.0)));
    }

    #[test]
    fn resets_add_what_was_before_them() {
        let seen = window(&[0, 10_000, 20_000, 30_000], &[5.0, 8.0, 2.0, 4.0], 0, 30_000);
        assert_eq!(increase_of(&seen), Some(7.0));
    }

    #[test]
    fn one_sample_gives_nothing() {
        assert_eq!(increase_of(&window(&[0], &[1.0], -10, 10)), None);
        assert_eq!(increase_of(&window(&[], &[], -10, 10)), None);
        assert_eq!(irate(&window(&[0], &[1.0], -10, 10), &[], &mut CallContext::default()), None);
    }

    #[test]
    fn instant_rates_use_the_last_two() {
        let mut ctx = CallContext::default();
        let seen = window(&[0, 10_000, 15_000], &[0.0, 50.0, 60.0], 0, 20_000);
        assert_eq!(irate(&seen, &[], &mut ctx), Some(2.0));
        assert_eq!(idelta(&seen, &[], &mut ctx), Some(10.0));
        let reset = window(&[10_000, 15_000], &[50.0, 20.0], 0, 20_000);
        assert_eq!(irate(&reset, &[], &mut ctx), Some(4.0));
        assert_eq!(idelta(&reset, &[], &mut ctx), Some(-30.0));
        let same_time = window(&[10_000, 10_000], &[50.0, 20.0], 0, 20_000);
        assert_eq!(irate(&same_time, &[], &mut ctx), None);
    }
}
