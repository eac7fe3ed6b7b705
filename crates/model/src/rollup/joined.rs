//! One series out of runs of its windows, as several blocks have them.

use super::float_columns::Pick;
use super::{FloatRollups, HistogramRollup, SeriesRollups};
use crate::{JoinedTimes, TimestampMs};

impl SeriesRollups {
    /// One series out of runs that have the same labels and the same columns, windows ascending in each. Of windows with
    /// the same end the one with more samples stays; with as many, or without counts, that of the run that comes first.
    #[must_use]
    pub fn joined(runs: Vec<Self>) -> Option<Self> {
        Self::joined_sharing(runs, &mut JoinedTimes::default())
    }

    /// As [`SeriesRollups::joined`], for many series one after the other: those that shared times still do.
    #[must_use]
    pub fn joined_sharing(runs: Vec<Self>, times: &mut JoinedTimes) -> Option<Self> {
        let labels = runs.first()?.labels.clone();
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for run in runs {
            floats.extend((!run.floats.is_empty()).then_some(run.floats));
            histograms.extend((!run.histograms.is_empty()).then_some(run.histograms));
        }
        let (floats, histograms) = (joined_floats(floats, times), joined_histograms(histograms));
        Some(Self { labels, floats, histograms })
    }
}

fn joined_floats(mut runs: Vec<FloatRollups>, times: &mut JoinedTimes) -> FloatRollups {
    if let Some(order) =
        one_after_the_other(&runs, |run| (run.ends.first().copied(), run.ends.last().copied()))
    {
        let mut joined = FloatRollups::default();
        let in_order = order.into_iter().filter_map(|run| runs.get_mut(run).map(std::mem::take));
        in_order.for_each(|run| joined.append(run, times));
        return joined;
    }
    let windows = runs.iter().enumerate().flat_map(|(number, run)| {
        let count = |window| run.counts.get(window).copied().unwrap_or_default();
        let ends = run.ends.iter().enumerate();
        ends.map(move |(window, &end)| Window { end, count: count(window), pick: (number, window) })
    });
    let picks = best_of_each(windows.collect());
    FloatRollups::picked(&runs.iter().collect::<Vec<_>>(), &picks)
}

fn joined_histograms(mut runs: Vec<Vec<HistogramRollup>>) -> Vec<HistogramRollup> {
    let ends = |run: &Vec<HistogramRollup>| (run.first().map(|one| one.end), run.last().map(|one| one.end));
    if let Some(order) = one_after_the_other(&runs, ends) {
        let in_order = order.into_iter().filter_map(|run| runs.get_mut(run).map(std::mem::take));
        return in_order
            .reduce(|mut joined, mut run| {
                joined.append(&mut run);
                joined
            })
            .unwrap_or_default();
    }
    let windows = runs.iter().enumerate().flat_map(|(number, run)| {
        let numbered = run.iter().enumerate();
        numbered.map(move |(at, window)| Window { end: window.end, count: window.count, pick: (number, at) })
    });
    let picks = best_of_each(windows.collect());
    picks.into_iter().filter_map(|(run, window)| runs.get(run)?.get(window).cloned()).collect()
}

/// The order in which runs follow each other in time; nothing where two of them overlap.
fn one_after_the_other<R>(
    runs: &[R],
    ends: impl Fn(&R) -> (Option<TimestampMs>, Option<TimestampMs>),
) -> Option<Vec<usize>> {
    let mut order: Vec<_> = runs.iter().map(ends).enumerate().collect();
    order.sort_by_key(|(_, (first, _))| *first);
    order
        .is_sorted_by(|(_, (_, last)), (_, (first, _))| last < first)
        .then(|| order.into_iter().map(|(run, _)| run).collect())
}

/// A window of one of several runs.
struct Window {
    end: TimestampMs,
    count: u64,
    pick: Pick,
}

/// Of windows with the same end the one that stays, ascending.
fn best_of_each(mut windows: Vec<Window>) -> Vec<Pick> {
    windows.sort_by(|a, b| a.end.cmp(&b.end).then(b.count.cmp(&a.count)).then(a.pick.cmp(&b.pick)));
    windows.dedup_by_key(|window| window.end);
    windows.into_iter().map(|window| window.pick).collect()
}
