//! Which local blocks stay open between questions: a block's tables are made at its first question and are as
//! large as its series are many.
//!
//! Invariant: when nobody reads, the weight of what stays open is within the budget.

use std::sync::Arc;

use latewood_block::Block;
use parking_lot::Mutex;

/// The local blocks of all shards that stay open, least recently used first.
#[derive(Debug)]
pub struct OpenTables {
    kept: Mutex<Vec<Arc<Block>>>,
    budget: usize,
}

impl OpenTables {
    /// None open yet; `budget` is in bytes.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self { kept: Mutex::default(), budget }
    }

    /// Bytes of memory of the blocks that stay open.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kept.lock().iter().map(|block| block.weight()).sum()
    }

    /// Keeps a block open, for now.
    pub(super) fn used(&self, block: &Arc<Block>) {
        let mut kept = self.kept.lock();
        kept.retain(|other| !Arc::ptr_eq(other, block));
        kept.push(Arc::clone(block));
    }

    /// Lets go of a block whose files are deleted.
    pub(super) fn forget(&self, block: &Arc<Block>) {
        self.kept.lock().retain(|other| !Arc::ptr_eq(other, block));
    }

    /// Lets go of the least recently used until the rest fit. Blocks grow while they are read: all are weighed.
    pub(super) fn trim(&self) {
        let mut kept = self.kept.lock();
        let mut total: usize = kept.iter().map(|block| block.weight()).sum();
        let enough = kept.iter().take_while(|block| {
            let over = total > self.budget;
            total = if over { total.saturating_sub(block.weight()) } else { total };
            over
        });
        let count = enough.count();
        let closed: Vec<_> = kept.drain(..count).collect();
        // Tables are freed outside the lock.
        drop(kept);
        drop(closed);
    }
}
