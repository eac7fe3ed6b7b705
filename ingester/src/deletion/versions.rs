//! From which version of its catalog on a tenant's newest deletion is seen.

use std::collections::HashMap;
use std::time::Duration;

use latewood_catalog::TenantCatalog;
use latewood_model::TenantId;
use parking_lot::Mutex;

/// The most tenants that are remembered.
const MAX_TENANTS: usize = 16_384;

/// How long a read waits for the catalog at a tenant's first.
const PATIENCE: Duration = Duration::from_secs(1);

/// The versions of the newest deletions. A query that begins after a deletion was answered must not use an older view,
/// whichever querier it is asked of: all queriers ask all ingesters, and all of these are told. What was committed before this
/// process began is looked up when a tenant is first read.
#[derive(Debug, Default)]
pub(crate) struct DeletedVersions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    newest: HashMap<TenantId, u64>,
    /// Whether catalogs must be read anew for what is not known here.
    doubted: bool,
}

impl DeletedVersions {
    /// A deletion is in this version.
    pub(super) fn note(&self, tenant: &TenantId, version: u64) {
        let versions = &mut self.0.lock().newest;
        if versions.len() >= MAX_TENANTS && !versions.contains_key(tenant) {
            versions.clear();
        }
        let known = versions.entry(tenant.clone()).or_default();
        *known = version.max(*known);
    }

    /// What was told is looked up again: this node may have been away when others were told of more.
    pub(crate) fn doubt(&self) {
        *self.0.lock() = State { newest: HashMap::new(), doubted: true };
    }

    /// The version that a view must have at least; 0 if any will do, and where the bucket does not tell.
    pub(crate) async fn of(&self, catalog: &TenantCatalog) -> u64 {
        let (known, doubted) = {
            let state = self.0.lock();
            (state.newest.get(catalog.tenant()).copied(), state.doubted)
        };
        if let Some(version) = known {
            return version;
        }
        let look = async { if doubted { catalog.refresh(0).await } else { catalog.view().await } };
        let Ok(Ok(view)) = tokio::time::timeout(PATIENCE, look).await else { return 0 };
        // What compaction has applied is gone from the blocks of all views but the oldest.
        let version = if view.tombstones.is_empty() { 0 } else { view.version };
        self.note(catalog.tenant(), version);
        version
    }
}
