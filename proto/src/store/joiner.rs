//! One series out of the runs of its samples that several sources have.

use std::cmp::Ordering;
use std::sync::Arc;

use latewood_model::{
    JoinedTimes, SeriesSamples, StartTimestamps, merge_histograms, preferred, preferred_started,
};

use super::JoinRuns;

/// Joins runs of samples by the tie rule.
#[derive(Debug, Default)]
pub struct SamplesJoiner(JoinedTimes);

impl JoinRuns<SeriesSamples> for SamplesJoiner {
    fn join(&mut self, mut runs: Vec<SeriesSamples>) -> Option<SeriesSamples> {
        runs.sort_by_key(|run| run.timestamps.first().copied().unwrap_or(i64::MAX));
        runs.into_iter().reduce(|joined, run| self.pair(joined, run))
    }
}

impl SamplesJoiner {
    fn pair(&mut self, mut a: SeriesSamples, mut b: SeriesSamples) -> SeriesSamples {
        let histograms = (std::mem::take(&mut a.histograms), std::mem::take(&mut b.histograms));
        let mut joined = self.floats(a, b);
        merge_histograms(histograms.0, histograms.1, &mut joined.histograms);
        joined.resolve_kinds();
        joined
    }

    /// Joins two runs without histograms.
    fn floats(&mut self, mut a: SeriesSamples, b: SeriesSamples) -> SeriesSamples {
        let follows = match (a.timestamps.last(), b.timestamps.first()) {
            (_, None) => return a,
            (None, _) => return b,
            (Some(last), Some(first)) => last < first,
        };
        if follows {
            b.timestamps.first().into_iter().for_each(|&first| a.starts.append(first, &b.starts));
            a.values.extend_from_slice(&b.values);
            a.timestamps = self.0.join(&a.timestamps, &b.timestamps);
            return a;
        }
        let has_starts = !(a.starts.is_empty() && b.starts.is_empty());
        if !has_starts && (Arc::ptr_eq(&a.timestamps, &b.timestamps) || a.timestamps == b.timestamps) {
            for (value, other) in a.values.iter_mut().zip(&b.values) {
                *value = preferred(*value, *other);
            }
            return a;
        }
        interleave(&a, &b)
    }
}

/// Two runs that overlap in time.
fn interleave(a: &SeriesSamples, b: &SeriesSamples) -> SeriesSamples {
    let (mut left, mut right) = (a.samples().peekable(), b.samples().peekable());
    let most = a.values.len() + b.values.len();
    let (mut timestamps, mut values) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let (mut starts, mut left_starts, mut right_starts) =
        (StartTimestamps::none(), a.starts.cursor(), b.starts.cursor());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(x), Some(y)) => x.timestamp.cmp(&y.timestamp),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        let left = from_left.map(|x| (x.timestamp, (x.value, left_starts.at(x.timestamp))));
        let right = from_right.map(|y| (y.timestamp, (y.value, right_starts.at(y.timestamp))));
        let (timestamp, (value, start)) = match (left, right) {
            (Some((at, x)), Some((_, y))) => (at, preferred_started(x, y)),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => break,
        };
        timestamps.push(timestamp);
        values.push(value);
        starts.push(timestamp, start);
    }
    let (labels, timestamps) = (a.labels.clone(), timestamps.into());
    SeriesSamples { labels, timestamps, values, starts, histograms: Vec::new() }
}
