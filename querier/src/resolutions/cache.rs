//! What blocks hold, found out once for each version of a tenant's catalog.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_catalog::View;
use latewood_model::TenantId;
use parking_lot::Mutex;

use super::Held;

/// Tenants that are remembered at most.
const MAX_TENANTS: usize = 1_024;

/// The newest of each tenant that was asked for.
#[derive(Debug, Default)]
pub(crate) struct HeldByTenant(Mutex<HashMap<TenantId, (u64, Arc<Held>)>>);

impl HeldByTenant {
    /// What the blocks of a view hold.
    pub(crate) fn of(&self, view: &View) -> Arc<Held> {
        if let Some((version, held)) = self.0.lock().get(&view.tenant)
            && *version == view.version
        {
            return Arc::clone(held);
        }
        let held = Arc::new(Held::of(view));
        let mut known = self.0.lock();
        if known.len() >= MAX_TENANTS {
            known.clear();
        }
        known.insert(view.tenant.clone(), (view.version, Arc::clone(&held)));
        held
    }
}
