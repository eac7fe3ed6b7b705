//! From which version of its catalog on a tenant's newest deletion is seen.

use std::collections::HashMap;

use latewood_model::TenantId;
use parking_lot::Mutex;

/// The most tenants that are remembered.
const MAX_TENANTS: usize = 16_384;

/// The versions of the newest deletions that were committed here. A query that begins after a deletion was answered must
/// not use an older view, whichever querier it is asked of: all queriers ask all ingesters.
#[derive(Debug, Default)]
pub(crate) struct DeletedVersions(Mutex<HashMap<TenantId, u64>>);

impl DeletedVersions {
    /// A deletion was committed.
    pub(super) fn note(&self, tenant: &TenantId, version: u64) {
        let mut versions = self.0.lock();
        if versions.len() >= MAX_TENANTS && !versions.contains_key(tenant) {
            // Queriers have looked at the catalogs since.
            versions.clear();
        }
        let known = versions.entry(tenant.clone()).or_default();
        *known = version.max(*known);
    }

    /// The version that a view must have at least; 0 if any will do.
    pub(crate) fn of(&self, tenant: &TenantId) -> u64 {
        self.0.lock().get(tenant).copied().unwrap_or(0)
    }
}
