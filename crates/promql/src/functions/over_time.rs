//! `avg_over_time` and its kin: one value of all samples of a window.

use crate::annotations::CallContext;
use crate::functions::{KahanSum, Window};

/// `sum_over_time`, compensated.
pub(super) fn sum(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first()?;
    let mut sum = KahanSum::default();
    window.values.iter().for_each(|value| sum.add(*value));
    Some(if sum.sum.is_infinite() { sum.sum } else { sum.value() })
}

/// `avg_over_time`: the compensated sum by the count; from where the sum would overflow on, the incremental mean.
pub(super) fn avg(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    let (first, rest) = window.values.split_first()?;
    let (mut sum, mut count) = (KahanSum::new(*first), 1.0);
    for (index, value) in rest.iter().enumerate() {
        let mut next = sum;
        next.add(*value);
        if next.sum.is_infinite() {
            return Some(incremental_mean(sum, count, &rest[index..]));
        }
        (sum, count) = (next, count + 1.0);
    }
    Some(sum.sum / count + sum.compensation / count)
}

/// Goes on from the sum of `count` values with the mean of `rest` added value by value.
fn incremental_mean(sum: KahanSum, mut count: f64, rest: &[f64]) -> f64 {
    let mut mean = KahanSum { sum: sum.sum / count, compensation: sum.compensation / count };
    for value in rest {
        count += 1.0;
        let share = (count - 1.0) / count;
        mean = KahanSum { sum: share * mean.sum, compensation: share * mean.compensation };
        mean.add(value / count);
    }
    mean.value()
}

/// `min_over_time`: NaN only where all are NaN.
pub(super) fn min(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    pick(window, |value, best| value < best).map(|sample| sample.1)
}

/// `max_over_time`: NaN only where all are NaN.
pub(super) fn max(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    pick(window, |value, best| value > best).map(|sample| sample.1)
}

/// `ts_of_min_over_time`: when the least value was seen last, in seconds.
pub(super) fn time_of_min(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    pick(window, |value, best| value <= best).map(|sample| seconds(sample.0))
}

/// `ts_of_max_over_time`: when the greatest value was seen last, in seconds.
pub(super) fn time_of_max(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    pick(window, |value, best| value >= best).map(|sample| seconds(sample.0))
}

fn pick(window: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> Option<(i64, f64)> {
    window.samples().reduce(
        |best, sample| {
            if better(sample.1, best.1) || best.1.is_nan() { sample } else { best }
        },
    )
}

/// `count_over_time`
#[allow(clippy::cast_precision_loss)] // a window has fewer than 2^53 samples
pub(super) fn count(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first().map(|_| window.values.len() as f64)
}

/// `first_over_time`
pub(super) fn first(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first().map(|sample| sample.1)
}

/// `last_over_time`
pub(super) fn last(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.last().map(|sample| sample.1)
}

/// `ts_of_first_over_time`, in seconds.
pub(super) fn time_of_first(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first().map(|sample| seconds(sample.0))
}

/// `ts_of_last_over_time`, in seconds.
pub(super) fn time_of_last(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.last().map(|sample| seconds(sample.0))
}

/// `present_over_time`
pub(super) fn present(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first().map(|_| 1.0)
}

/// `stdvar_over_time`: Welford's algorithm, compensated.
pub(super) fn stdvar(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first()?;
    let (mut count, mut mean, mut squares) = (0.0, KahanSum::default(), KahanSum::default());
    for value in window.values {
        count += 1.0;
        let delta = value - mean.value();
        mean.add(delta / count);
        squares.add(delta * (value - mean.value()));
    }
    Some(squares.value() / count)
}

/// `stddev_over_time`: the square root of the variance.
pub(super) fn stddev(window: &Window<'_>, params: &[f64], ctx: &mut CallContext) -> Option<f64> {
    stdvar(window, params, ctx).map(f64::sqrt)
}

#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::RangeKernel;

    fn of(kernel: RangeKernel, values: &[f64]) -> Option<f64> {
        let timestamps: Vec<i64> = (1..=values.len() as i64).map(|n| n * 1000).collect();
        let window = Window {
            timestamps: &timestamps,
            values,
            start: 0,
            end: 1_000_000,
            step_time: 0,
            ..Window::default()
        };
        kernel(&window, &[], &mut CallContext::default())
    }

    #[test]
    fn sums_and_means_are_compensated() {
        let values = [1.0, 1e100, 1.0, -1e100];
        assert_eq!(of(sum, &values), Some(2.0));
        assert_eq!(of(avg, &values), Some(0.5));
        assert_eq!(of(sum, &[f64::MAX, f64::MAX]), Some(f64::INFINITY));
    }

    #[test]
    fn means_of_what_overflows_are_right() {
        assert_eq!(of(avg, &[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(of(avg, &[f64::MAX, -f64::MAX]), Some(0.0));
        assert_eq!(of(avg, &[f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert!(of(avg, &[f64::INFINITY, f64::NEG_INFINITY]).is_some_and(f64::is_nan));
    }

    #[test]
    fn extremes_skip_nan_unless_there_is_nothing_else() {
        let values = [f64::NAN, 3.0, 1.0, 3.0, 1.0, f64::NAN];
        assert_eq!((of(min, &values), of(max, &values)), (Some(1.0), Some(3.0)));
        assert_eq!((of(time_of_min, &values), of(time_of_max, &values)), (Some(5.0), Some(4.0)));
        assert!(of(max, &[f64::NAN]).is_some_and(f64::is_nan));
    }

    #[test]
    fn variance_is_that_of_the_population() {
        assert_eq!(of(stdvar, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), Some(4.0));
        assert_eq!(of(stddev, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), Some(2.0));
        assert_eq!(of(stdvar, &[7.0]), Some(0.0));
    }

    #[test]
    fn an_empty_window_has_no_value() {
        let kernels: [RangeKernel; 8] = [sum, avg, min, max, count, last, present, stdvar];
        assert!(kernels.into_iter().all(|kernel| of(kernel, &[]).is_none()));
    }

    #[test]
    fn the_rest_says_what_its_name_says() {
        let values = [4.0, 5.0, 6.0];
        let seen = [count, first, last, present, time_of_first, time_of_last]
            .map(|kernel: RangeKernel| of(kernel, &values));
        assert_eq!(seen, [3.0, 4.0, 6.0, 1.0, 1.0, 3.0].map(Some));
    }
}
