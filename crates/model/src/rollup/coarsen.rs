//! From windows to longer ones.

use std::sync::Arc;

use super::compensated::CompensatedSum;
use super::float::{FloatRollup, FloatRollups};
use super::fold::{greater, lesser};
use super::histogram::{Correction, HistogramRollup};
use super::windows::RollupWindows;
use crate::histogram::HistogramTotal;

/// The longer windows of windows.
pub(super) fn floats(finer: &FloatRollups, windows: RollupWindows) -> FloatRollups {
    let finer: Vec<FloatRollup> = finer.iter().collect();
    groups(&finer, windows, |window| window.end).map(|(end, group)| float(end, group)).collect()
}

/// The longer windows of windows of histograms.
pub(super) fn histograms(finer: &[HistogramRollup], windows: RollupWindows) -> Vec<HistogramRollup> {
    let groups = groups(finer, windows, |window| window.end);
    groups.filter_map(|(end, group)| histogram(end, group)).collect()
}

/// What lies in one longer window each, with its end.
fn groups<'a, T>(
    finer: &'a [T],
    windows: RollupWindows,
    end: impl Fn(&T) -> i64 + Copy + 'a,
) -> impl Iterator<Item = (i64, &'a [T])> {
    let same = move |a: &T, b: &T| windows.end_of(end(a)) == windows.end_of(end(b));
    finer.chunk_by(same).filter_map(move |group| Some((windows.end_of(end(group.first()?)), group)))
}

/// One window of some that follow each other, at least one.
fn float(end: i64, group: &[FloatRollup]) -> FloatRollup {
    let mut sum = CompensatedSum::default();
    group.iter().for_each(|window| sum.add(window.sum));
    let joined = group.iter().copied().reduce(|joined, next| FloatRollup {
        count: joined.count.saturating_add(next.count),
        min: lesser(joined.min, next.min),
        max: greater(joined.max, next.max),
        last: next.last,
        last_at: next.last_at,
        correction: joined.correction + border(&joined, &next) + next.correction,
        is_stale: next.is_stale,
        ..joined
    });
    let joined = joined.unwrap_or_else(|| FloatRollup::one(end, end, 0.0));
    FloatRollup { end, sum: sum.value(), ..joined }
}

/// The value before the counter reset between two windows; 0 without one.
fn border(before: &FloatRollup, next: &FloatRollup) -> f64 {
    if next.first < before.last { before.last } else { 0.0 }
}

fn histogram(end: i64, group: &[HistogramRollup]) -> Option<HistogramRollup> {
    let (first, last) = (group.first()?, group.last()?);
    let mut correction = Correction::default();
    let mut before: Option<&HistogramRollup> = None;
    for window in group {
        let resets =
            |before: &&HistogramRollup| window.first.to_float().is_reset_after(&before.last.to_float());
        if let Some(before) = before.filter(resets) {
            correction.add(&before.last.to_float());
        }
        window.correction.iter().for_each(|sum| correction.add(sum));
        before = Some(window);
    }
    let sum = total(group);
    Some(HistogramRollup {
        end,
        count: group.iter().fold(0, |count, window| window.count.saturating_add(count)),
        first_at: first.first_at,
        last_at: last.last_at,
        first: first.first.clone(),
        last: last.last.clone(),
        correction: correction.beside(sum.as_ref()),
        sum: sum.map(|sum| Arc::new(sum.finish())),
        is_stale: last.is_stale,
    })
}

/// The sum of all windows' sums, if all have one and they can be added.
fn total(group: &[HistogramRollup]) -> Option<HistogramTotal> {
    let mut sums = group.iter().map(|window| window.sum.as_deref());
    let mut total = HistogramTotal::new(sums.next()??);
    for sum in sums {
        total.add(sum?).ok()?;
    }
    Some(total)
}
