//! How much of the local disk waits for the bucket.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes on disk of all shards, with their limits. Local blocks are counted as they come and go; the journal
/// and the free space are what the last look at the disk saw.
#[derive(Debug)]
pub struct DiskBudget {
    limit: u64,
    min_free: u64,
    blocks: AtomicU64,
    journal: AtomicU64,
    free: AtomicU64,
}

impl DiskBudget {
    /// Nothing used yet, and room for all.
    #[must_use]
    pub fn new(limit: u64, min_free: u64) -> Self {
        let (blocks, journal, free) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { limit, min_free, blocks, journal, free }
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

    /// Why no write may be taken, if none may.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let (used, limit) = (self.used(), self.limit);
        if used > limit {
            return Some(format!(
                "{used} bytes on disk wait for the bucket (max_unflushed_bytes is {limit}): look whether the \
                 bucket can be reached; writes are taken again when it has caught up"
            ));
        }
        let (free, needed) = (self.free.load(Ordering::Relaxed), self.min_free);
        (free < needed).then(|| {
            format!(
                "the data directory's disk has {free} bytes free (min_free_bytes is {needed}): make room; \
                 writes are taken again at once then"
            )
        })
    }

    /// Notes a look at the disk.
    pub(super) fn note(&self, journal: u64, free: u64) {
        self.journal.store(journal, Ordering::Relaxed);
        self.free.store(free, Ordering::Relaxed);
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

    #[test]
    fn blocks_journal_and_free_space_each_refuse() {
        let budget = DiskBudget::new(100, 50);
        budget.take(60);
        assert_eq!(budget.refusal(), None);
        budget.note(41, 50);
        assert!(budget.refusal().unwrap().contains("max_unflushed_bytes"));
        budget.release(1);
        assert_eq!((budget.used(), budget.refusal()), (100, None));
        budget.note(41, 49);
        assert!(budget.refusal().unwrap().contains("min_free_bytes"));
    }
}
