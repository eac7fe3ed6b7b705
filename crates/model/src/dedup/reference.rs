//! The function as it is defined, letter by letter: slow, and without memory of what came before.

use super::{Arrival, Election, covered_ms, interval};
use crate::TimestampMs;

/// A replica's samples: time and whether it is a stale marker.
pub(super) type Samples = Vec<(TimestampMs, bool)>;

/// The samples that are kept, by time and rank, of those from `from` to before `to`; of the rest nothing is known.
pub(super) fn defined(replicas: &[Samples], from: TimestampMs, to: TimestampMs) -> Vec<(TimestampMs, usize)> {
    let known: Vec<Samples> = replicas
        .iter()
        .map(|samples| samples.iter().copied().filter(|(at, _)| (from..to).contains(at)).collect())
        .collect();
    let mut times: Vec<TimestampMs> = known.iter().flatten().map(|sample| sample.0).collect();
    times.sort_unstable();
    times.dedup();
    times.iter().filter_map(|&at| Some((at, kept(&known, at)?))).collect()
}

/// The same by the streaming function.
pub(super) fn streamed(
    replicas: &[Samples],
    from: TimestampMs,
    to: TimestampMs,
) -> Vec<(TimestampMs, usize)> {
    let mut all: Vec<(TimestampMs, usize, bool)> = Vec::new();
    for (rank, samples) in replicas.iter().enumerate() {
        let known = samples.iter().filter(|(at, _)| (from..to).contains(at));
        all.extend(known.map(|&(at, is_stale)| (at, rank, is_stale)));
    }
    all.sort_unstable();
    let mut election = Election::new(replicas.len());
    let mut out = Vec::new();
    for together in all.chunk_by(|a, b| a.0 == b.0) {
        let arrivals: Vec<Arrival> =
            together.iter().map(|&(_, replica, is_stale)| Arrival { replica, is_stale }).collect();
        let at = together[0].0;
        out.extend(election.take(at, &arrivals).map(|rank| (at, rank)));
    }
    out
}

/// The interval at a sample; none if there is no distance.
fn interval_at(samples: &Samples, at: TimestampMs) -> Option<i64> {
    let window: Vec<_> = samples
        .iter()
        .map(|sample| sample.0)
        .filter(|&time| time > at - interval::WINDOW_MS && time <= at)
        .collect();
    let mut distances: Vec<i64> = window.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_unstable();
    let middle = distances.len().checked_sub(1)? / 2;
    Some(distances[middle].clamp(interval::MIN_MS, interval::MAX_MS))
}

fn owner(replicas: &[Samples], at: TimestampMs) -> Option<usize> {
    let covering = replicas.iter().enumerate().filter_map(|(rank, samples)| {
        let &(newest, is_stale) = samples.iter().rfind(|sample| sample.0 <= at)?;
        let interval = interval_at(samples, newest);
        let covered = covered_ms(interval.unwrap_or(interval::MAX_MS));
        let newcomer_since = interval.is_none().then_some(newest);
        (!is_stale && at < newest + covered).then_some((newcomer_since, rank))
    });
    covering.min().map(|(_, rank)| rank)
}

fn kept(replicas: &[Samples], at: TimestampMs) -> Option<usize> {
    let has = |rank: usize, is_stale: bool| replicas[rank].contains(&(at, is_stale));
    let Some(owner_now) = owner(replicas, at) else {
        let before = owner(replicas, at - 1);
        return (0..replicas.len()).find(|&rank| has(rank, true) && before.is_none_or(|owner| owner == rank));
    };
    let since = at - interval_at(&replicas[owner_now], at).unwrap_or(interval::MAX_MS);
    let close = |rank: usize| {
        let mut recent =
            replicas[rank].iter().filter(|sample| sample.0 > since && sample.0 < at && !sample.1);
        recent.any(|sample| owner(replicas, sample.0) == Some(rank))
    };
    let alone = (0..replicas.len()).filter(|&rank| rank != owner_now).all(|rank| !close(rank));
    (has(owner_now, false) && alone).then_some(owner_now)
}
