//! A closed generation on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_model::TenantId;

use super::{DiskBudget, LocalBlock};

/// The local blocks of a closed generation, one per tenant. Their bytes count against the disk budget
/// until the last reader has let go.
#[derive(Debug)]
pub struct LocalGeneration {
    blocks: BTreeMap<TenantId, Arc<LocalBlock>>,
    bytes: u64,
    budget: Arc<DiskBudget>,
}

impl LocalGeneration {
    pub(super) fn new(blocks: BTreeMap<TenantId, Arc<LocalBlock>>, budget: &Arc<DiskBudget>) -> Self {
        let bytes = blocks.values().map(|block| block.meta().bytes()).sum();
        budget.take(bytes);
        Self { blocks, bytes, budget: Arc::clone(budget) }
    }

    /// A tenant's block.
    #[must_use]
    pub fn block(&self, tenant: &TenantId) -> Option<Arc<LocalBlock>> {
        self.blocks.get(tenant).cloned()
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = (&TenantId, &Arc<LocalBlock>)> {
        self.blocks.iter()
    }

    /// Whether a query still reads one of the blocks.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.blocks.values().any(|block| Arc::strong_count(block) > 1)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for LocalGeneration {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}
