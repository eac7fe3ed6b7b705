//! The series of one tenant on one shard that count beside those of the open generation: pure.

use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

type Hashing = foldhash::fast::FixedState;

/// How long after a freeze the series that were frozen stay active without being written: as long as in Mimir
/// (`active_series_metrics_idle_timeout`).
pub(super) const IDLE: Duration = Duration::from_mins(20);

/// The series of a generation that was frozen, by half of their hashes, with their metrics; and how many each metric has.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    series: HashMap<u64, u64, Hashing>,
    metrics: HashMap<u64, u64, Hashing>,
}

impl Frozen {
    /// Adds a series of a metric.
    pub(super) fn insert(&mut self, metric: u64, hash: u64) {
        if self.series.insert(hash, metric).is_none() {
            *self.metrics.entry(metric).or_default() += 1;
        }
    }

    fn remove(&mut self, hash: u64) -> bool {
        let Some(metric) = self.series.remove(&hash) else { return false };
        if let Some(count) = self.metrics.get_mut(&metric) {
            *count = count.saturating_sub(1);
        }
        true
    }

    fn remove_all(&mut self, goes: impl Fn(u64) -> bool) {
        let metrics = &mut self.metrics;
        self.series.retain(|hash, metric| {
            let goes = goes(*hash);
            if goes && let Some(count) = metrics.get_mut(metric) {
                *count = count.saturating_sub(1);
            }
            !goes
        });
    }
}

/// A series in an entry that is under way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    metric: u64,
    /// How many entries that are under way have it.
    holders: u32,
    /// When it was frozen, if it is one that comes back.
    frozen_at: Option<Duration>,
}

/// Counts each active series that the open generation does not have: once, whether it was frozen or is under way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By the times of the freezes; no series is in two.
    frozen: Vec<(Duration, Frozen)>,
    pending: HashMap<u64, Pending, Hashing>,
    /// The term in which it was last held against the open generation.
    term: u64,
}

/// What a series is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts already, and is under way now.
    Known,
    /// It does not count yet.
    New,
}

impl Ledger {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        let frozen: usize = self.frozen.iter().map(|(_, frozen)| frozen.series.len()).sum();
        (frozen + self.pending.len()) as u64
    }

    /// How many of a metric there are.
    pub(super) fn count_of(&self, metric: u64) -> u64 {
        let of = |(_, frozen): &(_, Frozen)| frozen.metrics.get(&metric).copied().unwrap_or(0);
        let frozen: u64 = self.frozen.iter().map(of).sum();
        frozen + self.pending.values().filter(|pending| pending.metric == metric).count() as u64
    }

    /// Whether nothing counts.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// A generation was frozen: its series count as long as they are active. Nothing is under way for the next one yet.
    pub(super) fn freeze(&mut self, frozen: Frozen, now: Duration) {
        for (_, before) in &mut self.frozen {
            before.remove_all(|hash| frozen.series.contains_key(&hash));
        }
        self.pending.retain(|hash, _| !frozen.series.contains_key(hash));
        self.frozen.push((now, frozen));
    }

    /// Forgets what is not active any more.
    pub(super) fn expire(&mut self, now: Duration) {
        self.frozen.retain(|(at, frozen)| !frozen.series.is_empty() && now.saturating_sub(*at) < IDLE);
    }

    /// Takes a series under way that counts already; says of others that they are new.
    pub(super) fn take(&mut self, metric: u64, hash: u64) -> Standing {
        if let Some(pending) = self.pending.get_mut(&hash) {
            pending.holders += 1;
            return Standing::Known;
        }
        let back = self.frozen.iter_mut().find_map(|(at, frozen)| frozen.remove(hash).then_some(*at));
        if back.is_none() {
            return Standing::New;
        }
        self.pending.insert(hash, Pending { metric, holders: 1, frozen_at: back });
        Standing::Known
    }

    /// Takes a series under way that does not count yet.
    pub(super) fn add(&mut self, metric: u64, hash: u64) {
        self.pending.insert(hash, Pending { metric, holders: 1, frozen_at: None });
    }

    /// A series is under way no more: it is in the generation that its entry was made for (`stored`), or as it was before.
    pub(super) fn release(&mut self, hash: u64, stored: bool) {
        let Entry::Occupied(mut place) = self.pending.entry(hash) else { return };
        let pending = place.get_mut();
        pending.holders = pending.holders.saturating_sub(1);
        if pending.holders > 0 && !stored {
            return;
        }
        let Pending { metric, frozen_at, .. } = place.remove();
        let before = self.frozen.iter_mut().find(|(frozen, _)| !stored && Some(*frozen) == frozen_at);
        if let Some((_, frozen)) = before {
            frozen.insert(metric, hash);
        }
    }

    /// Strikes out what the open generation has: what is under way was applied meanwhile, and of a term that has just
    /// begun nobody saw what came back.
    pub(super) fn settle(&mut self, term: u64, has: impl Fn(u64) -> bool) {
        self.pending.retain(|hash, _| !has(*hash));
        if self.term == term {
            return;
        }
        self.term = term;
        for (_, frozen) in &mut self.frozen {
            frozen.remove_all(&has);
        }
    }
}

#[cfg(test)]
mod tests;
