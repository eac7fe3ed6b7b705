//! `rate`, `increase`, `delta`, `irate`, `idelta`.

use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::spacing::{Growth, Place, seconds};
use crate::functions::starts::{Started, extrapolation_from_zero, warn_of_overlap, zero_time};

/// `rate`: the increase per second.
pub(super) fn rate(window: &Window<'_>, _: &[f64], ctx: &mut CallContext) -> Option<f64> {
    counted(window, true, ctx)
}

/// `increase`: over the window, extrapolated to its edges, counter resets made good.
pub(super) fn increase(window: &Window<'_>, _: &[f64], ctx: &mut CallContext) -> Option<f64> {
    counted(window, false, ctx)
}

/// `delta`: last less first, extrapolated to the window's edges.
pub(super) fn delta(window: &Window<'_>, _: &[f64], ctx: &mut CallContext) -> Option<f64> {
    extrapolated(window, false, false, ctx)
}

/// `irate`: per second between the last two samples.
pub(super) fn irate(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    instant(window, true)
}

/// `idelta`: between the last two samples.
pub(super) fn idelta(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    instant(window, false)
}

/// The increase of a counter.
fn counted(window: &Window<'_>, is_rate: bool, ctx: &mut CallContext) -> Option<f64> {
    match window.starts.floats {
        [] => extrapolated(window, true, is_rate, ctx),
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
    let place = Place::of(window, times, gaps, is_rate);
    (gaps > 0).then(|| increase * ctx.spacing_at(place).extrapolation(growth))
}

fn extrapolated(window: &Window<'_>, is_counter: bool, is_rate: bool, ctx: &mut CallContext) -> Option<f64> {
    let gaps = window.values.len().checked_sub(1).filter(|gaps| *gaps > 0)?;
    let ((first_time, first), (last_time, last)) = (window.first()?, window.last()?);
    let mut result = last - first;
    if is_counter && !window.rises {
        let resets = window.values.windows(2).filter(|pair| pair[1] < pair[0]);
        result = resets.fold(result, |sum, pair| sum + pair[0]);
    }
    let growth = is_counter.then_some(Growth { first, increase: result });
    let place = Place::of(window, (first_time, last_time), gaps, is_rate);
    Some(result * ctx.spacing_at(place).extrapolation(growth))
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
