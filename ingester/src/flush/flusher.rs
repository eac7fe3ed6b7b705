//! The two tasks of a shard that bring closed generations into the bucket.
//!
//! One freezes and encodes, so that memory is freed whatever the bucket does; the other uploads, commits,
//! takes the checkpoint and drops. Both go by the head's list of generations and keep no state of their
//! own that a crash could lose: every step is found out again from the log, the disk and the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Offload, Rng, Shutdown};
use latewood_catalog::Catalogs;
use latewood_cluster::Group;
use latewood_objstore::Bucket;

use super::freeze::{Standing, next_generation, should_freeze};
use super::upload::Uploader;
use super::{FlushConfig, FlushError, FlushMetrics, LocalGeneration, LocalStore};
use crate::head::{ClosedData, ClosedGeneration, Generation, Head};
use crate::journal::{ShardCommand, ShardResponse, ShardState};
use crate::metadata::MetadataStore;

/// Flushes one shard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Flusher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: FlushConfig,
    shards: u32,
    group: Group<ShardState>,
    head: Head,
    local: LocalStore,
    uploader: Uploader,
    metadata: Arc<MetadataStore>,
    clock: Clock,
    rng: Rng,
    offload: Offload,
    shutdown: Shutdown,
    metrics: FlushMetrics,
}

/// What a flusher is made of.
#[derive(Debug)]
pub struct FlusherParts {
    /// Settings.
    pub config: FlushConfig,
    /// The shard's number.
    pub shard: u32,
    /// How many shards share the memory budget.
    pub shards: u32,
    /// The shard's log.
    pub group: Group<ShardState>,
    /// What the log made.
    pub head: Head,
    /// Where closed generations go first.
    pub local: LocalStore,
    /// Where they go then.
    pub bucket: Bucket,
    /// Where they are committed.
    pub catalogs: Arc<Catalogs>,
    /// Type, unit and help for blocks.
    pub metadata: Arc<MetadataStore>,
    /// Decides ages.
    pub clock: Clock,
    /// Spreads retries.
    pub rng: Rng,
    /// Encoding runs here.
    pub offload: Offload,
    /// Ends the tasks.
    pub shutdown: Shutdown,
    /// Counts.
    pub metrics: FlushMetrics,
}

impl Flusher {
    /// A flusher; its tasks are [`Flusher::run_encoder`] and [`Flusher::run_uploader`].
    #[must_use]
    pub fn new(parts: FlusherParts) -> Self {
        let uploader = Uploader {
            bucket: parts.bucket,
            catalogs: parts.catalogs,
            shard: parts.shard,
            concurrency: parts.config.upload_concurrency,
        };
        Self(Arc::new(Inner {
            config: parts.config,
            shards: parts.shards.max(1),
            group: parts.group,
            head: parts.head,
            local: parts.local,
            uploader,
            metadata: parts.metadata,
            clock: parts.clock,
            rng: parts.rng,
            offload: parts.offload,
            shutdown: parts.shutdown,
            metrics: parts.metrics,
        }))
    }

    /// Freezes the open generation unless it is empty (the first one of a journal always, to get a number).
    ///
    /// # Errors
    /// The log did not take it.
    pub async fn freeze(&self) -> Result<(), FlushError> {
        let open = self.0.head.open();
        if open.is_empty() && open.number() > 0 {
            return Ok(());
        }
        let generation = open.number();
        let next = next_generation(generation, self.0.clock.now_ms());
        let (_, response) = self.0.group.propose(ShardCommand::Freeze { generation, next }).await?;
        // Somebody else may have frozen it first: that is as good.
        if response == ShardResponse::Frozen {
            tracing::info!(shard = self.shard(), generation, next, "generation frozen");
        }
        Ok(())
    }

    /// Freezes, and with `wait` returns when all that was written before the call is in the catalog.
    ///
    /// # Errors
    /// The log did not take the freeze, or the ingester stops.
    pub async fn flush(&self, wait: bool) -> Result<(), FlushError> {
        self.freeze().await?;
        let newest = self.0.head.closed().last().map(|closed| closed.number);
        let Some(newest) = newest.filter(|_| wait) else {
            return Ok(());
        };
        let mut changes = self.0.head.changes();
        loop {
            changes.borrow_and_update();
            let owed = |closed: &ClosedGeneration| closed.number <= newest && !closed.flushed;
            if !self.0.head.closed().iter().any(owed) {
                return Ok(());
            }
            tokio::select! {
                changed = changes.changed() => changed.map_err(|_| FlushError::Stopping)?,
                () = self.0.shutdown.begun() => return Err(FlushError::Stopping),
            }
        }
    }

    /// Opens the local blocks that an earlier run finished: before anything is served.
    ///
    /// # Errors
    /// A block cannot be read.
    pub async fn open_local(&self) -> Result<(), FlushError> {
        for closed in self.0.head.closed() {
            if matches!(closed.data, ClosedData::OnDisk) && !closed.flushed {
                let local = self.0.local.read(closed.number).await?;
                self.0.head.moved_to_disk(closed.number, local);
            }
        }
        Ok(())
    }

    /// Freezes by age and memory and encodes what is frozen, until the shutdown.
    pub async fn run_encoder(self) {
        let mut seen = (self.0.head.open().number(), self.0.clock.elapsed());
        let mut changes = self.0.head.changes();
        while self.next_turn(&mut changes).await {
            let open = self.0.head.open();
            if open.number() != seen.0 {
                seen = (open.number(), self.0.clock.elapsed());
            }
            let for_long = self.0.clock.elapsed().saturating_sub(seen.1);
            if should_freeze(&self.standing(&open, for_long))
                && let Err(error) = self.freeze().await
            {
                tracing::warn!(shard = self.shard(), %error, "cannot freeze the generation");
            }
            for closed in self.0.head.closed() {
                if let ClosedData::Memory(generation) = &closed.data
                    && !closed.flushed
                {
                    self.with_retries("encode", || self.encode(generation)).await;
                }
            }
        }
    }

    fn standing(&self, open: &Generation, seen: Duration) -> Standing {
        let encoding = |closed: &ClosedGeneration| matches!(closed.data, ClosedData::Memory(_));
        Standing {
            generation: open.number(),
            now_ms: self.0.clock.now_ms(),
            seen,
            bytes: open.bytes() as u64,
            share: self.share(),
            max_age: Duration::from_secs(self.0.config.max_age_seconds),
            phase: (self.shard(), self.0.shards),
            encoding: self.0.head.closed().iter().any(encoding),
        }
    }

    /// This shard's share of the memory for open generations, in bytes.
    #[must_use]
    pub fn share(&self) -> u64 {
        (self.0.config.max_head_bytes / u64::from(self.0.shards)).max(1)
    }

    async fn encode(&self, generation: &Arc<Generation>) -> Result<(), FlushError> {
        let started = self.0.clock.elapsed();
        let (store, metadata) = (self.0.local.clone(), Arc::clone(&self.0.metadata));
        let closed = Arc::clone(generation);
        self.0.offload.background().run(move || store.write(&closed, &metadata)).await??;
        let local = self.0.local.read(generation.number()).await?;
        let took = self.0.clock.elapsed().saturating_sub(started);
        self.0.metrics.encoded(took, generation.samples(), local.bytes());
        self.0.head.moved_to_disk(generation.number(), local);
        Ok(())
    }

    /// Uploads, commits and drops, oldest first, until the shutdown.
    pub async fn run_uploader(self) {
        let (mut lingering, mut doomed) = (BTreeMap::new(), Vec::new());
        let mut changes = self.0.head.changes();
        while self.next_turn(&mut changes).await {
            for closed in self.0.head.closed() {
                if lingering.contains_key(&closed.number) {
                    continue;
                }
                if !closed.flushed {
                    let ClosedData::Local(local) = &closed.data else {
                        break;
                    };
                    self.with_retries("flush", || self.upload(closed.number, local)).await;
                }
                if !self.0.shutdown.has_begun() {
                    self.with_retries("checkpoint", || self.checkpoint(&closed)).await;
                    lingering.insert(closed.number, self.0.clock.elapsed());
                }
            }
            self.drop_old(&mut lingering, &mut doomed).await;
        }
    }

    async fn upload(&self, generation: u64, local: &LocalGeneration) -> Result<(), FlushError> {
        for (tenant, block) in local.blocks() {
            self.0.uploader.commit(tenant, generation, block).await?;
        }
        self.0.group.propose(ShardCommand::Flushed { generation }).await?;
        self.0.metrics.flushed(local.bytes());
        tracing::info!(shard = self.shard(), generation, bytes = local.bytes(), "generation flushed");
        Ok(())
    }

    async fn checkpoint(&self, closed: &ClosedGeneration) -> Result<(), FlushError> {
        let payload = ShardState::checkpoint(closed.number, closed.next);
        self.0.group.checkpoint(closed.frozen_at, payload.into()).await?;
        Ok(())
    }

    /// Drops generations that lingered long enough, in order, and deletes those that nobody reads any more.
    async fn drop_old(&self, lingering: &mut BTreeMap<u64, Duration>, doomed: &mut Vec<ClosedGeneration>) {
        let linger = Duration::from_secs(self.0.config.linger_seconds);
        while let Some((&generation, &since)) = lingering.first_key_value()
            && self.0.clock.elapsed().saturating_sub(since) >= linger
        {
            lingering.remove(&generation);
            doomed.extend(self.0.head.dropped(generation));
        }
        let (read, unread) = std::mem::take(doomed).into_iter().partition(is_read);
        *doomed = read;
        for generation in unread.into_iter().map(|closed: ClosedGeneration| closed.number) {
            let store = self.0.local.clone();
            let deleted = self.0.offload.run(move || store.delete(generation)).await;
            if let Err(error) = deleted.map_err(FlushError::from).flatten() {
                tracing::warn!(shard = self.shard(), generation, %error, "cannot delete local blocks");
            }
        }
    }

    /// Tries until it succeeds or the shutdown begins.
    async fn with_retries<F>(&self, step: &'static str, mut attempt: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), FlushError>>,
    {
        let mut pause = self.0.config.retry_initial_ms;
        loop {
            let result = tokio::select! {
                biased;
                () = self.0.shutdown.begun() => return,
                result = attempt() => result,
            };
            let Err(error) = result else { return };
            self.0.metrics.failed();
            tracing::warn!(shard = self.shard(), step, pause_ms = pause, %error, "step of the flush failed");
            let spread = pause / 2 + self.0.rng.below(pause / 2 + 1);
            tokio::select! {
                () = self.0.shutdown.begun() => return,
                () = tokio::time::sleep(Duration::from_millis(spread)) => {}
            }
            pause = (pause * 2).min(self.0.config.retry_max_ms);
        }
    }

    /// Waits for a change of the generations or the next look at the clock; false at the shutdown.
    async fn next_turn(&self, changes: &mut tokio::sync::watch::Receiver<u64>) -> bool {
        let pause = Duration::from_millis(self.0.config.check_interval_ms);
        tokio::select! {
            biased;
            () = self.0.shutdown.begun() => false,
            changed = changes.changed() => changed.is_ok(),
            () = tokio::time::sleep(pause) => true,
        }
    }

    fn shard(&self) -> u32 {
        self.0.uploader.shard
    }
}

fn is_read(closed: &ClosedGeneration) -> bool {
    matches!(&closed.data, ClosedData::Local(local) if local.is_read())
}
