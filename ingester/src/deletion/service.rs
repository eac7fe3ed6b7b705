//! [`DeletionApi`] over the shards of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use latewood_base::{Clock, ErrorKind, Offload, Ulid};
use latewood_catalog::{
    AuditEntry, BlockEntry, CatalogError, Catalogs, Change, TenantCatalog, Tombstone, View,
};
use latewood_model::{TenantId, TimeRange};
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{
    CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse, Selection,
    ShardGeneration,
};
use latewood_proto::store::{StoreError, distinct_shards};

use super::{DeletedVersions, Selected};
use crate::Shard;
use crate::shards::Shards;

/// The most tombstones of a tenant's catalog: every read of its blocks looks at all of them.
const MAX_TOMBSTONES: usize = 10_000;

/// Deletes series in the shards and in the catalogs.
#[derive(Clone, Debug)]
pub struct IngesterDeletion {
    pub(crate) shards: Shards,
    pub(crate) catalogs: Arc<Catalogs>,
    pub(crate) versions: Arc<DeletedVersions>,
    pub(crate) offload: Offload,
    pub(crate) clock: Clock,
}

impl IngesterDeletion {
    /// Expressions may be long.
    async fn selected(&self, tenant: String, sent: Vec<Selection>) -> Result<Arc<Selected>, StoreError> {
        let checked = self.offload.run(move || Selected::new(&tenant, sent)).await;
        let checked = checked.map_err(|error| StoreError::from_kinded(&error))?;
        Ok(Arc::new(checked?))
    }

    /// The shards of these numbers, which must be led here; all that are, if there are none.
    fn asked(&self, wanted: &BTreeSet<u32>) -> Result<Vec<Arc<Shard>>, StoreError> {
        let led = self.shards.all().into_iter().filter(|shard| shard.answers());
        let led: BTreeMap<u32, Arc<Shard>> = led.map(|shard| (shard.reader().shard, shard)).collect();
        let shards: Vec<u32> = wanted.iter().filter(|number| !led.contains_key(number)).copied().collect();
        if !shards.is_empty() {
            return Err(StoreError::NotLeader { shards });
        }
        let is_asked = |number: &u32| wanted.is_empty() || wanted.contains(number);
        Ok(led.into_iter().filter(|(number, _)| is_asked(number)).map(|(_, shard)| shard).collect())
    }

    async fn record(
        &self,
        catalog: &TenantCatalog,
        selected: &Selected,
        by: &str,
    ) -> Result<(), CatalogError> {
        for (id, details) in selected.details() {
            let entry = AuditEntry::new(id, self.clock.now_ms(), "delete_series", by, &details);
            catalog.record(&entry).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl DeletionApi for IngesterDeletion {
    async fn log(&self, request: LogRequest) -> Result<LogResponse, StoreError> {
        let selected = self.selected(request.tenant, request.selections).await?;
        let asked = self.asked(&distinct_shards(&request.shards)?)?;
        let logged = asked.iter().map(|shard| shard.delete(&selected));
        let open = try_join_all(logged).await.map_err(|error| StoreError::from_kinded(&error))?;
        let open = open.into_iter().map(|(shard, generation)| ShardGeneration { shard, generation });
        Ok(LogResponse { open: open.collect() })
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitResponse, StoreError> {
        let selected = self.selected(request.tenant, request.selections).await?;
        let open: BTreeMap<u32, u64> =
            request.open.iter().map(|open| (open.shard, open.generation)).collect();
        let catalog = self.catalogs.tenant(&selected.tenant);
        catalog.refresh(0).await.map_err(|error| StoreError::from_kinded(&error))?;
        // Written first: nothing is deleted that nobody can be found out to have deleted.
        let recorded = self.record(&catalog, &selected, &request.requested_by).await;
        recorded.map_err(|error| StoreError::from_kinded(&error))?;
        let mut is_full = false;
        let committed = catalog.commit_with(|view| {
            let change = Change { add_tombstones: bound(view, &selected, &open), ..Change::default() };
            is_full = view.tombstones.len() + change.add_tombstones.len() > MAX_TOMBSTONES;
            // One that binds nothing is committed all the same: a block whose flush is in doubt can then not take the
            // place in the log before it.
            (!is_full && !change.add_tombstones.is_empty()).then_some(change)
        });
        let view = committed.await.map_err(|error| StoreError::from_kinded(&error))?;
        if is_full {
            let text = format!(
                "{} deletions of the tenant wait for compaction, and at most {MAX_TOMBSTONES} may: retry later",
                view.tombstones.len()
            );
            return Err(StoreError::new(ErrorKind::Overloaded, text));
        }
        self.versions.note(&selected.tenant, view.version);
        let (tenant, version) = (&selected.tenant, view.version);
        tracing::info!(%tenant, version, by = request.requested_by, "series deleted");
        Ok(CommitResponse { version })
    }

    async fn clean(&self, request: CleanRequest) -> Result<CleanResponse, StoreError> {
        let tenant =
            TenantId::new(&request.tenant).map_err(|error| StoreError::new(ErrorKind::Invalid, error))?;
        let catalog = self.catalogs.tenant(&tenant);
        let failed = |error: CatalogError| StoreError::from_kinded(&error);
        let view = catalog.refresh(0).await.map_err(failed)?;
        if !view.tombstones.is_empty() {
            let details = format!("{} deletions", view.tombstones.len());
            let recorded = catalog.record_now("clean_tombstones", &request.requested_by, &details).await;
            recorded.map_err(failed)?;
        }
        let cleaned = catalog.commit_with(|view| {
            let waiting = view.tombstones.keys().filter(|id| !view.apply_now.contains(id));
            let apply_now: Vec<Ulid> = waiting.copied().collect();
            (!apply_now.is_empty()).then(|| Change { apply_now, ..Change::default() })
        });
        let view = cleaned.await.map_err(failed)?;
        Ok(CleanResponse { waiting: view.tombstones.len() as u64 })
    }
}

/// The deletions that a view lacks, each bound to the blocks of the view that have samples from before it.
fn bound(view: &View, selected: &Selected, open: &BTreeMap<u32, u64>) -> Vec<Tombstone> {
    let missing = selected.tombstones().filter(|tombstone| !view.tombstones.contains_key(&tombstone.id));
    let bound = missing.map(|tombstone| {
        let blocks = view.blocks.values();
        let blocks = blocks.filter(|block| !is_later(block, open) && touches(block, tombstone.range));
        Tombstone { blocks: blocks.map(|block| block.id).collect(), ..tombstone.clone() }
    });
    bound.collect()
}

/// Whether a block is the flush of a generation that was opened by, or after, the deletion.
fn is_later(block: &BlockEntry, open: &BTreeMap<u32, u64>) -> bool {
    let from = block.shard.and_then(|shard| open.get(&shard));
    from.zip(block.generation).is_some_and(|(from, generation)| generation >= *from)
}

/// Whether a block has anything of a range. A row of a rollup at `t` is of the samples in `(t - resolution, t]`.
fn touches(block: &BlockEntry, range: TimeRange) -> bool {
    let window = block.resolution.millis().map_or(0, |length| length - 1);
    !range.is_empty()
        && block.samples > 0
        && block.range.overlaps(TimeRange::new(range.start, range.end.saturating_add(window)))
}
