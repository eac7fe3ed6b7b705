//! What blocks hold, found out once for each version of a tenant's catalog.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_catalog::View;
use latewood_model::TenantId;
use latewood_model::dedup::ReplicaLabels;
use parking_lot::Mutex;

use super::Held;

/// Tenants that are remembered at most.
const MAX_TENANTS: usize = 1_024;

/// The newest of each tenant that was asked for.
#[derive(Debug)]
pub(crate) struct HeldByTenant {
    /// The labels that blocks lost which do not say so.
    configured: ReplicaLabels,
    known: Mutex<HashMap<TenantId, (u64, Arc<Held>)>>,
}

impl HeldByTenant {
    /// Knows nothing yet.
    pub(crate) fn new(configured: ReplicaLabels) -> Self {
        Self { configured, known: Mutex::default() }
    }

    /// What the blocks of a view hold.
    pub(crate) fn of(&self, view: &View) -> Arc<Held> {
        if let Some((version, held)) = self.known.lock().get(&view.tenant)
            && *version == view.version
        {
            return Arc::clone(held);
        }
        let held = Arc::new(Held::of(view, &self.configured));
        let mut known = self.known.lock();
        if known.len() >= MAX_TENANTS {
            known.clear();
        }
        known.insert(view.tenant.clone(), (view.version, Arc::clone(&held)));
        held
    }
}
