//! The removal of what no view needs, tenant by tenant.

use std::sync::Arc;

use latewood_base::{Clock, Ulid};
use latewood_catalog::{
    CatalogError, Catalogs, Change, GarbagePolicy, GarbageReport, TenantCatalog, View, collect_garbage,
};
use latewood_model::TenantId;

use crate::metrics::Metrics;
use crate::{CompactorConfig, expired};

/// Blocks that one commit removes.
const REMOVED_AT_ONCE: usize = 1_000;

/// Collects garbage.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) policy: GarbagePolicy,
    pub(crate) config: CompactorConfig,
    pub(crate) clock: Clock,
    pub(crate) catalogs: Arc<Catalogs>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Collector {
    /// Collects the garbage of every tenant once; one tenant's failure does not keep the others waiting. May be cut short
    /// at any point.
    pub(crate) async fn collect_all(&self, tenants: &[TenantId]) {
        let (mut withheld, mut owed) = (0, 0);
        for tenant in tenants {
            if let Err(error) = self.remove_deleted(&self.catalogs.tenant(tenant)).await {
                self.metrics.failures.inc();
                tracing::warn!(%tenant, %error, "the tenant was not deleted whole; it is tried again");
            }
            match self.expire(&self.catalogs.tenant(tenant)).await {
                Ok(blocks) => owed += blocks,
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%tenant, %error, "retention was not applied; it is tried again");
                }
            }
            match self.collect(&self.catalogs.tenant(tenant)).await {
                Ok(report) => withheld += report.withheld,
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%tenant, %error, "garbage collection failed");
                }
            }
        }
        self.metrics.owed.set(i64::try_from(owed).unwrap_or(i64::MAX));
        self.metrics.withheld.set(i64::try_from(withheld).unwrap_or(i64::MAX));
    }

    /// Removes the blocks of a tenant that is deleted, when the delay has passed: until then it may be kept after all.
    async fn remove_deleted(&self, catalog: &TenantCatalog) -> Result<(), CatalogError> {
        let is_due = |view: &View| {
            let since = view.deleted_since_ms;
            since.is_some_and(|since| self.clock.now_ms().saturating_sub(since) >= self.policy.grace_ms)
        };
        let mut view = catalog.refresh(0).await?;
        while is_due(&view) && !view.blocks.is_empty() {
            view = catalog
                .commit_with(|view| {
                    let remove: Vec<Ulid> = view.blocks.keys().copied().take(REMOVED_AT_ONCE).collect();
                    let goes = is_due(view) && !remove.is_empty();
                    goes.then(|| Change { remove, ..Change::default() })
                })
                .await?;
            tracing::info!(tenant = %catalog.tenant(), left = view.blocks.len(), "removed blocks of a deleted tenant");
        }
        if is_due(&view) {
            // Nobody reads them.
            collect_garbage(catalog, &GarbagePolicy { grace_ms: 0, ..self.policy }).await?;
        }
        Ok(())
    }

    /// Lets go of what has outlived its retention; how many blocks stay because a coarser one is owed.
    async fn expire(&self, catalog: &TenantCatalog) -> Result<usize, CatalogError> {
        let view = catalog.refresh(0).await?;
        let (retention, policy) = (self.config.retention_of(catalog.tenant()), self.config.policy());
        let expired = expired(&view, self.clock.now_ms(), &retention, &policy);
        let (gone, owed) = (expired.blocks.len(), expired.owed.len());
        let Some(change) = expired.change() else { return Ok(owed) };
        match catalog.commit(change).await {
            Ok(_) => {
                self.metrics.expired.inc_by(gone as u64);
                tracing::info!(tenant = %catalog.tenant(), blocks = gone, "blocks have outlived their retention");
            }
            // A compaction was faster: next time.
            Err(error) if error.conflict().is_some() => {}
            Err(error) => return Err(error),
        }
        Ok(owed)
    }

    async fn collect(&self, catalog: &TenantCatalog) -> Result<GarbageReport, CatalogError> {
        let report = collect_garbage(catalog, &self.policy).await?;
        let pruned = catalog.prune().await?;
        self.metrics.runs.inc();
        self.metrics.marked.inc_by(report.marked as u64);
        self.metrics.deleted.inc_by(report.deleted as u64);
        self.metrics.objects.inc_by(report.objects as u64);
        self.metrics.pruned.inc_by(pruned as u64);
        if report.marked + report.deleted + pruned > 0 {
            let GarbageReport { marked, deleted, objects, .. } = report;
            tracing::info!(tenant = %catalog.tenant(), marked, deleted, objects, pruned, "garbage collected");
        }
        if report.withheld > 0 {
            tracing::error!(
                tenant = %catalog.tenant(),
                blocks = report.withheld,
                "the catalog was lost or is not all there: these blocks are older than it and it does not \
                 name them; they are kept, and not queried until the catalog is rebuilt from the blocks"
            );
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use latewood_base::{Clock, Ids, ManualClock, Rng};
    use latewood_catalog::{BlockEntry, CatalogConfig, TenantFate};
    use latewood_model::{Resolution, TimeRange};
    use latewood_objstore::{Bucket, MemoryBucket};

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// A collector over a bucket that dates its objects, at `HOUR_MS`.
    fn fixture() -> (Bucket, Collector, Ids, ManualClock) {
        let (clock, hand) = Clock::manual(HOUR_MS);
        let bucket: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
        let ids = Ids::new(clock.clone(), Rng::seeded(1));
        let catalogs =
            Catalogs::new(Arc::clone(&bucket), clock.clone(), ids.clone(), CatalogConfig::default());
        let collector = Collector {
            policy: GarbagePolicy::default(),
            config: CompactorConfig::default(),
            clock,
            catalogs,
            metrics: Arc::default(),
        };
        (bucket, collector, ids, hand)
    }

    #[tokio::test]
    async fn what_no_commit_names_is_marked_dead_and_deleted_after_the_delay() {
        let (bucket, collector, ids, hand) = fixture();
        let key = format!("anonymous/raw/block={}/index", ids.next());
        bucket.put(&key, Bytes::from_static(b"{}")).await.unwrap();

        collector.collect_all(&[TenantId::anonymous()]).await;
        assert_eq!((collector.metrics.marked.get(), bucket.head(&key).await.is_ok()), (0, true));
        hand.set_ms(49 * HOUR_MS);
        collector.collect_all(&[TenantId::anonymous()]).await;
        assert_eq!((collector.metrics.marked.get(), bucket.head(&key).await.is_ok()), (1, true));
        hand.set_ms(98 * HOUR_MS);
        collector.collect_all(&[TenantId::anonymous()]).await;
        assert_eq!((collector.metrics.deleted.get(), bucket.head(&key).await.is_ok()), (1, false));
        assert_eq!((collector.metrics.failures.get(), collector.metrics.withheld.get()), (0, 0));
    }

    #[tokio::test]
    async fn blocks_without_a_catalog_are_kept_and_counted() {
        let (bucket, collector, ids, hand) = fixture();
        let key = format!("anonymous/raw/block={}/meta.json", ids.next());
        bucket.put(&key, Bytes::from_static(b"{}")).await.unwrap();
        for days in [3, 6, 60] {
            hand.set_ms(days * 24 * HOUR_MS);
            collector.collect_all(&[TenantId::anonymous()]).await;
            assert_eq!((collector.metrics.withheld.get(), collector.metrics.marked.get()), (1, 0));
        }
        assert!(bucket.head(&key).await.is_ok());
    }

    #[tokio::test]
    async fn a_deleted_tenant_goes_after_the_delay_and_may_be_kept_until_then() {
        let (bucket, collector, ids, hand) = fixture();
        let (tenant, fate) = (TenantId::anonymous(), |fate| Change { fate: Some(fate), ..Change::default() });
        let catalog = collector.catalogs.tenant(&tenant);
        let blocks: Vec<_> = (0..3).map(|_| ids.next()).collect();
        let entry = |id: &Ulid| BlockEntry::new(*id, Resolution::Raw, TimeRange::new(0, 1));
        let add = Change { add: blocks.iter().map(entry).collect(), ..Change::default() };
        catalog.commit(add.clone()).await.unwrap();
        let key = |id: &Ulid| format!("anonymous/raw/block={id}/meta.json");
        for id in &blocks {
            bucket.put(&key(id), Bytes::from_static(b"{}")).await.unwrap();
        }
        catalog.commit(fate(TenantFate::Deleted)).await.unwrap();
        let late = Change { add: vec![entry(&ids.next())], ..Change::default() };
        assert!(catalog.commit(late).await.unwrap_err().conflict().is_some(), "nothing is added");
        collector.collect_all(std::slice::from_ref(&tenant)).await;
        assert_eq!(catalog.refresh(0).await.unwrap().blocks.len(), 3);
        catalog.commit(fate(TenantFate::Kept)).await.unwrap();
        hand.set_ms(100 * HOUR_MS);
        collector.collect_all(std::slice::from_ref(&tenant)).await;
        assert_eq!(catalog.refresh(0).await.unwrap().blocks.len(), 3);
        catalog.commit(fate(TenantFate::Deleted)).await.unwrap();
        hand.set_ms(149 * HOUR_MS);
        collector.collect_all(std::slice::from_ref(&tenant)).await;
        assert!(catalog.refresh(0).await.unwrap().blocks.is_empty());
        assert!(
            bucket.head(&key(&blocks[0])).await.is_err() && catalog.block_folders().await.unwrap().is_empty()
        );
        assert_eq!(collector.metrics.failures.get(), 0);
    }
}
