//! Tenants that are being deleted: what is held of them goes without being flushed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::Shutdown;
use latewood_catalog::Catalogs;
use latewood_model::TenantId;

use crate::shards::Shards;

/// How often it is looked. Whether a catalog is read for it, `catalog.refresh_seconds` decides.
const INTERVAL: Duration = Duration::from_secs(15);

/// Looks whether tenants that are written to are being deleted. Writes are refused by what is known of a tenant's catalog;
/// this is what keeps it known.
#[derive(Debug)]
pub(crate) struct TenantWatch {
    pub(crate) shards: Shards,
    pub(crate) catalogs: Arc<Catalogs>,
}

impl TenantWatch {
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = shutdown.begun() => return,
                () = self.look() => {}
            }
        }
    }

    /// Freezes what the open generations have of deleted tenants: it is then dropped as what is flushed is.
    pub(crate) async fn look(&self) {
        let shards = self.shards.all();
        let open = shards.iter().flat_map(|shard| shard.head().open().tenants());
        for tenant in open.collect::<BTreeSet<TenantId>>() {
            // What cannot be read now is looked at again.
            let Ok(view) = self.catalogs.tenant(&tenant).view().await else { continue };
            if !view.is_deleted() {
                continue;
            }
            for shard in shards.iter().filter(|shard| shard.head().open().tenant(&tenant).is_some()) {
                if let Err(error) = shard.flush(false).await {
                    tracing::warn!(%tenant, %error, "what is held of a deleted tenant was not frozen");
                }
            }
        }
    }
}
