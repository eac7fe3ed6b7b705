//! How much of the local disk waits for the bucket.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use latewood_cluster::{Group, ReplicatedState};
use parking_lot::RwLock;

/// Bytes on disk of all shards, with their limits. Local blocks are counted as they come and go; the journal
/// and the free space are what the last look at the disk saw.
#[derive(Debug)]
pub struct DiskBudget {
    limit: u64,
    min_free: u64,
    blocks: AtomicU64,
    journal: AtomicU64,
    free: AtomicU64,
    /// Whether the journal waits for room.
    is_full: AtomicBool,
    /// Other nodes that have little room, as they told.
    others_low: RwLock<BTreeSet<u64>>,
}

impl DiskBudget {
    /// Nothing used yet, and room for all.
    #[must_use]
    pub fn new(limit: u64, min_free: u64) -> Self {
        let (blocks, journal, free) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let (is_full, others_low) = (AtomicBool::new(false), RwLock::default());
        Self { limit, min_free, blocks, journal, free, is_full, others_low }
    }

    /// Bytes of local blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Bytes of local blocks, and of the journal's segments but the newest.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.blocks().saturating_add(self.journal.load(Ordering::Relaxed))
    }

    /// Whether the disk has less room than it is to have.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.is_full.load(Ordering::Relaxed) || self.free.load(Ordering::Relaxed) < self.min_free
    }

    /// Whether the disk has well more room than it is to have.
    #[must_use]
    pub fn is_roomy(&self) -> bool {
        let enough = self.min_free.saturating_add(self.min_free / 2);
        !self.is_full.load(Ordering::Relaxed) && self.free.load(Ordering::Relaxed) >= enough
    }

    /// Why this node may take no write to the shard of a group, if it may not.
    #[must_use]
    pub fn refusal_of<S: ReplicatedState>(&self, group: &Group<S>) -> Option<String> {
        self.refusal(group.node(), || group.status().voters.iter().map(|voter| voter.id).collect())
    }

    /// Why a node may take no write to a shard with these voters, if it may not. A single replica whose disk has little room
    /// stops nobody, as long as it is not the one that leads and has next to nothing left.
    #[must_use]
    fn refusal(&self, node: u64, voters: impl FnOnce() -> BTreeSet<u64>) -> Option<String> {
        let (used, limit) = (self.used(), self.limit);
        if used > limit {
            return Some(format!(
                "{used} bytes on disk wait for the bucket (max_unflushed_bytes is {limit}): look whether the \
                 bucket can be reached; writes are taken again when it has caught up"
            ));
        }
        if self.is_full.load(Ordering::Relaxed) {
            return Some(
                "the data directory's disk is full: make room; writes are taken again at once then"
                    .to_owned(),
            );
        }
        let (free, needed) = (self.free.load(Ordering::Relaxed), self.min_free);
        let (is_short, others) = (free < needed, self.others_low.read());
        if !is_short && others.is_empty() {
            return None;
        }
        let voters = voters();
        let low =
            voters.iter().filter(|voter| if **voter == node { is_short } else { others.contains(voter) });
        let low = low.count();
        (free < needed / 2 || 2 * low > voters.len()).then(|| {
            format!(
                "{low} of {} replicas have little room on their disks, the one that leads {free} bytes (min_free_bytes is \
                 {needed}): make room; writes are taken again at once then",
                voters.len()
            )
        })
    }

    /// Notes a look at the disk.
    pub(super) fn note(&self, journal: u64, free: u64, is_full: bool) {
        self.journal.store(journal, Ordering::Relaxed);
        self.free.store(free, Ordering::Relaxed);
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Notes which nodes have little room, as they told.
    pub(crate) fn note_low(&self, nodes: BTreeSet<u64>) {
        if *self.others_low.read() != nodes {
            *self.others_low.write() = nodes;
        }
    }

    pub(super) fn take(&self, bytes: u64) {
        self.blocks.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn release(&self, bytes: u64) {
        self.blocks.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alone.
    fn refusal(budget: &DiskBudget) -> Option<String> {
        budget.refusal(1, || [1].into())
    }

    #[test]
    fn blocks_journal_and_free_space_each_refuse() {
        let budget = DiskBudget::new(100, 50);
        budget.take(60);
        assert_eq!(refusal(&budget), None);
        budget.note(41, 50, false);
        assert!(refusal(&budget).unwrap().contains("max_unflushed_bytes"));
        budget.release(1);
        assert_eq!((budget.used(), refusal(&budget)), (100, None));
        budget.note(41, 49, false);
        assert!(refusal(&budget).unwrap().contains("min_free_bytes"));
        budget.note(41, 100, true);
        assert!(refusal(&budget).unwrap().contains("is full"));
    }

    #[test]
    fn a_majority_that_is_low_refuses_and_a_leader_with_next_to_nothing() {
        let budget = DiskBudget::new(100, 50);
        let refuses = |free: u64, others: &[u64]| {
            budget.note(0, free, false);
            budget.note_low(others.iter().copied().collect());
            budget.refusal(1, || [1, 2, 3].into()).is_some()
        };
        assert!(!refuses(60, &[]) && !refuses(60, &[2]) && !refuses(60, &[1, 9]) && !refuses(30, &[]));
        assert!(refuses(30, &[2]) && refuses(60, &[2, 3]) && refuses(24, &[]));
    }

    #[test]
    fn between_short_and_roomy_it_stays_what_it_was() {
        let budget = DiskBudget::new(100, 50);
        let is = |free: u64, is_full: bool| {
            budget.note(0, free, is_full);
            (budget.is_short(), budget.is_roomy())
        };
        assert_eq!(
            [49, 50, 74, 75].map(|free| is(free, false)),
            [(true, false), (false, false), (false, false), (false, true)]
        );
        assert_eq!(is(75, true), (true, false));
        let unwatched = DiskBudget::new(100, 0);
        unwatched.note(0, 0, false);
        assert_eq!((unwatched.is_short(), unwatched.is_roomy()), (false, true));
    }
}
