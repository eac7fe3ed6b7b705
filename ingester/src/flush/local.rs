//! The local blocks of a closed generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_model::TenantId;

/// Stub.
#[derive(Debug)]
pub struct LocalBlock;

/// The local blocks of a closed generation, one per tenant.
#[derive(Debug, Default)]
pub struct LocalGeneration {
    blocks: BTreeMap<TenantId, Arc<LocalBlock>>,
}

impl LocalGeneration {
    /// A tenant's block.
    #[must_use]
    pub fn block(&self, tenant: &TenantId) -> Option<Arc<LocalBlock>> {
        self.blocks.get(tenant).cloned()
    }
}
