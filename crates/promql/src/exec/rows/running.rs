//! Sums, means, and extremes over windows that overlap, by what runs along the series: each sample is looked at once and
//! not once for each window that it lies in.
//!
//! Only where that gives the bits of the kernels of [`crate::functions`]. Sums do while all of them are whole numbers
//! that a double holds exactly: then nothing is ever rounded, in whichever order. Extremes do without NaN and negative
//! zero. Other series, and windows that hardly overlap, are left to the kernels.

use std::collections::VecDeque;

use super::Filled;
use crate::QueryError;
use crate::exec::bounds::{Bounds, StepWindows};
use crate::exec::windows::WindowSeries;

/// Below this, whole numbers and their sums are exact. A sum that has come here may have lost something.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// So often the samples lie in windows at least, on average.
const LEAST_OVERLAP: u64 = 3;

/// Which function.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec) enum Running {
    Sum,
    Mean,
    Least,
    Greatest,
}

impl Running {
    /// By its name.
    pub(super) fn of(function: &str) -> Option<Self> {
        match function {
            "sum_over_time" => Some(Self::Sum),
            "avg_over_time" => Some(Self::Mean),
            "min_over_time" => Some(Self::Least),
            "max_over_time" => Some(Self::Greatest),
            _ => None,
        }
    }

    /// Fills a row; `None` for a series that the kernel must see.
    pub(super) fn fill(
        self,
        windows: &mut StepWindows,
        series: &WindowSeries,
        row: &mut [f64],
    ) -> Result<Option<Filled>, QueryError> {
        let values = series.values.as_slice();
        let bounds = windows.of_shared(&series.timestamps)?;
        let samples: u64 = bounds.iter().map(|(low, high)| (high - low) as u64).sum();
        if samples < LEAST_OVERLAP * values.len() as u64 {
            return Ok(None);
        }
        windows.pace().did(values.len() + row.len())?;
        let filled = match self {
            Self::Sum | Self::Mean => fill_sums(values, &bounds, row, matches!(self, Self::Mean)),
            Self::Least => fill_extremes(values, &bounds, row, |value, best| value < best),
            Self::Greatest => fill_extremes(values, &bounds, row, |value, best| value > best),
        };
        Ok(filled.map(|values| Filled { values, samples }))
    }
}

/// How many values; `None` where sums are not exact.
fn fill_sums(values: &[f64], bounds: &Bounds, row: &mut [f64], is_mean: bool) -> Option<usize> {
    let is_whole = |value: &f64| value.trunc() == *value && !is_negative_zero(*value);
    let magnitude: f64 = values.iter().map(|value| value.abs()).sum();
    // Not true of NaN either.
    if !(magnitude < MAX_EXACT && values.iter().fold(true, |all, value| all & is_whole(value))) {
        return None;
    }
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(values.len() + 1);
    sums.push(0.0);
    sums.extend(values.iter().map(|value| {
        total += value;
        total
    }));
    let mut filled = 0;
    for (target, &(low, high)) in row.iter_mut().zip(bounds.iter()) {
        let Some((before, last)) = sums.get(low).zip(sums.get(high)).filter(|_| low < high) else { continue };
        let sum = last - before;
        *target = if is_mean { sum / (high - low) as f64 } else { sum };
        filled += 1;
    }
    Some(filled)
}

/// How many values; `None` where it matters in which order values are compared.
fn fill_extremes(
    values: &[f64],
    bounds: &Bounds,
    row: &mut [f64],
    better: impl Fn(f64, f64) -> bool,
) -> Option<usize> {
    if values.iter().fold(false, |any, value| any | value.is_nan() | is_negative_zero(*value)) {
        return None;
    }
    // The numbers of samples that are better than all behind them in the window.
    let mut best: VecDeque<usize> = VecDeque::new();
    let (mut next, mut filled) = (0, 0);
    for (target, &(low, high)) in row.iter_mut().zip(bounds.iter()) {
        next = next.max(low);
        for (number, &value) in values.iter().enumerate().take(high).skip(next) {
            while best.back().and_then(|last| values.get(*last)).is_some_and(|last| !better(*last, value)) {
                best.pop_back();
            }
            best.push_back(number);
        }
        next = next.max(high);
        while best.front().is_some_and(|first| *first < low) {
            best.pop_front();
        }
        if let Some(value) = best.front().and_then(|first| values.get(*first)).filter(|_| low < high) {
            *target = *value;
            filled += 1;
        }
    }
    Some(filled)
}

fn is_negative_zero(value: f64) -> bool {
    value.to_bits() == (-0.0_f64).to_bits()
}
