//! One shard on this node: its log, its head, the task that proposes and the flush.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use latewood_base::{ErrorKind, Offload, Shutdown, Tasks};
use latewood_cluster::{Group, GroupConfig};
use latewood_wal::Journal;

use crate::IngestError;
use crate::distributor::{ShardPart, ShardWriter, WriteOutcome};
use crate::flush::{DiskBudget, FlushError, FlushMetrics, Flusher, FlusherParts, LocalStore};
use crate::head::Head;
use crate::journal::{Proposer, ShardState};
use crate::metadata::MetadataStore;
use crate::service::{IngesterConfig, IngesterDeps};
use crate::store_api::ShardReader;

/// A shard. Takes writes; flushes by itself.
#[derive(Debug)]
pub struct Shard {
    number: u32,
    group: Group<ShardState>,
    head: Head,
    proposer: Proposer,
    flusher: Flusher,
    budget: Arc<DiskBudget>,
}

/// What all shards of a node share.
#[derive(Debug)]
pub(crate) struct ShardContext<'a> {
    pub(crate) config: &'a IngesterConfig,
    pub(crate) deps: &'a IngesterDeps,
    pub(crate) shards: u32,
    pub(crate) journal: Journal,
    pub(crate) metadata: Arc<MetadataStore>,
    pub(crate) budget: Arc<DiskBudget>,
    pub(crate) metrics: FlushMetrics,
    pub(crate) shutdown: Shutdown,
    pub(crate) tasks: Tasks,
}

impl Shard {
    /// Opens the shard: replays its log into the head and opens the local blocks that wait for the bucket.
    pub(crate) async fn open(context: &ShardContext<'_>, number: u32) -> Result<Self, FlushError> {
        let (config, deps) = (context.config, context.deps);
        let local = Self::local(context, &deps.data_dir, number).await?;
        let scanned = local.clone();
        let on_disk = deps.offload.run(move || scanned.scan()).await??;
        let head = Head::new(on_disk);
        let state = ShardState::new(head.clone());
        // Group 0 is left free for the node's own affairs.
        let group = u64::from(number) + 1;
        let group = open_group(group, config.group.clone(), context.journal.clone(), state).await?;
        if head.restore_failed() {
            return Err(FlushError::Checkpoint { shard: number });
        }
        let flusher = Flusher::new(FlusherParts {
            config: config.flush.clone(),
            shard: number,
            shards: context.shards,
            group: group.clone(),
            head: head.clone(),
            local,
            bucket: Arc::clone(&deps.bucket),
            catalogs: Arc::clone(&deps.catalogs),
            metadata: Arc::clone(&context.metadata),
            clock: deps.clock.clone(),
            rng: deps.rng.clone(),
            offload: deps.offload.clone(),
            shutdown: context.shutdown.clone(),
            metrics: context.metrics.clone(),
        });
        flusher.open_local().await?;
        if head.open().number() == 0 {
            flusher.freeze().await?;
        }
        let (proposer, proposing) = Proposer::new(
            config.proposer.clone(),
            group.clone(),
            head.clone(),
            deps.offload.clone(),
            context.shutdown.clone(),
        );
        context.tasks.spawn("propose", proposing);
        Ok(Self { number, group, head, proposer, flusher, budget: Arc::clone(&context.budget) })
    }

    async fn local(
        context: &ShardContext<'_>,
        data_dir: &Path,
        number: u32,
    ) -> Result<LocalStore, FlushError> {
        let (config, deps) = (context.config, context.deps);
        let settings = (config.block.clone(), config.block_reader.clone());
        let offload: Offload = deps.offload.clone();
        let budget = Arc::clone(&context.budget);
        LocalStore::open(data_dir, number, settings, (offload, deps.rng.clone(), budget)).await
    }

    /// Begins to freeze, encode and upload.
    pub(crate) fn start_flushing(&self, tasks: &Tasks) {
        tasks.spawn("encode", self.flusher.clone().run_encoder());
        tasks.spawn("upload", self.flusher.clone().run_uploader());
    }

    /// Freezes what is there; with `wait` returns when it is in the catalog.
    ///
    /// # Errors
    /// The log did not take the freeze, or the ingester stops.
    pub async fn flush(&self, wait: bool) -> Result<(), FlushError> {
        self.flusher.flush(wait).await
    }

    /// The shard's data.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes of writes that wait to be proposed.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.proposer.waiting_bytes() as u64
    }

    /// Bytes of local blocks of all shards.
    #[must_use]
    pub fn unflushed_bytes(&self) -> u64 {
        self.budget.used()
    }

    pub(crate) fn reader(&self) -> ShardReader {
        ShardReader { shard: self.number, group: self.group.clone(), head: self.head.clone() }
    }

    pub(crate) async fn stop(&self) {
        self.group.shutdown().await;
    }

    /// Refuses writes that would go over a budget.
    fn admit(&self) -> Result<(), IngestError> {
        let overloaded = |message: String| {
            Err(IngestError::Shard { shard: self.number, kind: ErrorKind::Overloaded, message })
        };
        let (used, limit) = (self.budget.used(), self.budget.limit());
        if used > limit {
            return overloaded(format!(
                "{used} bytes of blocks wait for the bucket (max_unflushed_bytes is {limit}): look whether \
                 the bucket can be reached; writes are taken again when it has caught up"
            ));
        }
        let ((open, closed), share) = (self.head.memory(), self.flusher.share());
        if (open + closed) as u64 > share.saturating_mul(2) {
            return overloaded(format!(
                "the head holds {} bytes, twice this shard's share of max_head_bytes ({share}): retry",
                open + closed
            ));
        }
        Ok(())
    }
}

/// Boxed: the future of opening a group is large.
async fn open_group(
    id: u64,
    config: GroupConfig,
    journal: Journal,
    state: ShardState,
) -> Result<Group<ShardState>, FlushError> {
    Ok(Box::pin(Group::open(id, config, journal, state)).await?)
}

#[async_trait]
impl ShardWriter for Shard {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        self.admit()?;
        let written = self.proposer.write(&part).await;
        written.map_err(|error| IngestError::shard(self.number, &error))?;
        Ok(WriteOutcome::default())
    }
}
