//! The two tasks of a shard that bring closed generations into the bucket.
//!
//! One freezes and encodes, so that memory is freed whatever the bucket does; the other uploads, commits,
//! takes the checkpoint and drops (`delivery`). Replicas that follow encode, take checkpoints and drop as the leader does,
//! and leave the rest to it. Both go by the head's list of generations and keep no state of their
//! own that a crash could lose: every step is found out again from the log, the disk and the catalog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use latewood_base::{Clock, Offload, Rng, Shutdown};
use latewood_blockstore::Publisher;
use latewood_catalog::Catalogs;
use latewood_cluster::Group;
use latewood_objstore::Bucket;
use parking_lot::Mutex;

use super::freeze::{Standing, next_generation, should_freeze};
use super::upload::Uploader;
use super::{DiskBudget, FlushConfig, FlushError, FlushIdentity, FlushMetrics, LocalStore, OwnNumbers};
use crate::head::{Changes, ClosedData, ClosedGeneration, Generation, Head};
use crate::journal::{ShardCommand, ShardResponse, ShardState};
use crate::limits::ShardLimits;
use crate::metadata::MetadataStore;

mod delivery;

use delivery::Delivery;

/// Flushes one shard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Flusher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: FlushConfig,
    place: u32,
    shards: Arc<AtomicU32>,
    group: Group<ShardState>,
    head: Head,
    limits: ShardLimits,
    local: LocalStore,
    budget: Arc<DiskBudget>,
    uploader: Uploader,
    metadata: Arc<MetadataStore>,
    clock: Clock,
    rng: Rng,
    offload: Offload,
    shutdown: Shutdown,
    metrics: FlushMetrics,
    /// Why the newest round of deliveries failed, if it did.
    trouble: Mutex<Option<String>>,
    /// The generation that is being encoded: its files are not to be touched.
    encoding: Mutex<Option<u64>>,
}

/// What a flusher is made of.
#[derive(Debug)]
pub struct FlusherParts {
    /// Settings.
    pub config: FlushConfig,
    /// Under which number it flushes.
    pub identity: FlushIdentity,
    /// Whether that number is its own in the bucket.
    pub numbers: Arc<OwnNumbers>,
    /// The shard's place among those of this node: it decides when its turn to freeze comes.
    pub place: u32,
    /// How many shards of this node share the memory budget.
    pub shards: Arc<AtomicU32>,
    /// The shard's log.
    pub group: Group<ShardState>,
    /// What the log made.
    pub head: Head,
    /// Counts the series of what is frozen.
    pub(crate) limits: ShardLimits,
    /// Where closed generations go first.
    pub local: LocalStore,
    /// Whether the disk has room.
    pub budget: Arc<DiskBudget>,
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
            publisher: Publisher {
                bucket: parts.bucket,
                offload: parts.offload.clone(),
                concurrency: parts.config.upload_concurrency,
            },
            catalogs: parts.catalogs,
            identity: parts.identity,
            numbers: parts.numbers,
            head: parts.head.clone(),
            group: parts.group.clone(),
        };
        Self(Arc::new(Inner {
            config: parts.config,
            place: parts.place,
            shards: parts.shards,
            group: parts.group,
            head: parts.head,
            limits: parts.limits,
            local: parts.local,
            budget: parts.budget,
            uploader,
            metadata: parts.metadata,
            clock: parts.clock,
            rng: parts.rng,
            offload: parts.offload,
            shutdown: parts.shutdown,
            metrics: parts.metrics,
            trouble: Mutex::default(),
            encoding: Mutex::default(),
        }))
    }

    /// Freezes the open generation unless it is empty.
    ///
    /// # Errors
    /// The log did not take it.
    pub async fn freeze(&self) -> Result<(), FlushError> {
        let open = self.0.head.open();
        if open.is_empty() {
            return Ok(());
        }
        self.freeze_to(open.number(), next_generation(open.number(), self.0.clock.now_ms())).await
    }

    /// Whether this node brings the shard's generations into the bucket. A sole voter does even when its disk takes no
    /// more entries: nobody else has them.
    fn delivers(&self) -> bool {
        self.0.group.is_answered_here()
    }

    /// Before anything is served: gives the open generation a number (the first one of a journal has none)
    /// that is greater than those of all generations on disk.
    ///
    /// # Errors
    /// The log did not take it.
    pub async fn begin(&self, newest_on_disk: u64) -> Result<(), FlushError> {
        let open = self.0.head.open().number();
        if open > newest_on_disk {
            return Ok(());
        }
        self.freeze_to(open, next_generation(newest_on_disk, self.0.clock.now_ms())).await
    }

    async fn freeze_to(&self, generation: u64, next: u64) -> Result<(), FlushError> {
        let (_, response) = self.0.group.propose(ShardCommand::Freeze { generation, next }).await?;
        // Somebody else may have frozen it first: that is as good.
        if response == ShardResponse::Frozen {
            tracing::info!(shard = self.shard(), generation, next, "generation frozen");
        }
        Ok(())
    }

    /// Freezes, and with `wait` returns when all that was written before the call is in the catalog. A replica that follows
    /// leaves it to its leader.
    ///
    /// # Errors
    /// The log did not take the freeze, the bucket does not take the blocks in time, or the ingester stops.
    pub async fn flush(&self, wait: bool) -> Result<(), FlushError> {
        if !self.delivers() {
            return Ok(());
        }
        self.freeze().await?;
        let newest = self.0.head.closed().last().map(|closed| closed.number);
        let Some(newest) = newest.filter(|_| wait) else {
            return Ok(());
        };
        let waited_seconds = self.0.config.wait_timeout_seconds;
        let flushed = tokio::time::timeout(Duration::from_secs(waited_seconds), self.flushed(newest)).await;
        flushed.unwrap_or_else(|_| {
            let reason = self.0.trouble.lock().clone();
            let reason = reason.unwrap_or_else(|| "the bucket has not answered yet".to_owned());
            Err(FlushError::NotInBucket { waited_seconds, reason })
        })
    }

    /// Returns when all generations up to this one are in the catalog.
    async fn flushed(&self, newest: u64) -> Result<(), FlushError> {
        let mut changes = self.0.head.changes();
        loop {
            changes.skip();
            let owed = |closed: &ClosedGeneration| closed.number <= newest && !closed.flushed;
            if !self.0.head.closed().iter().any(owed) {
                return Ok(());
            }
            tokio::select! {
                () = changes.changed() => {}
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
            // Those that are flushed too: views from before their commit may still be asked for.
            if matches!(closed.data, ClosedData::OnDisk) {
                self.open(closed.number).await?;
            }
        }
        Ok(())
    }

    async fn open(&self, generation: u64) -> Result<(), FlushError> {
        let local = self.0.local.read(generation).await?;
        self.0.head.moved_to_disk(generation, local);
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
            if let Err(error) = self.lead(&open, for_long).await {
                tracing::warn!(shard = self.shard(), %error, "cannot freeze the generation");
            }
            for closed in self.0.head.closed() {
                match &closed.data {
                    ClosedData::Memory(generation) if !closed.flushed => {
                        self.encode_patiently(generation).await;
                    }
                    // The log has come to a generation that an earlier run wrote.
                    ClosedData::OnDisk => {
                        if let Err(error) = self.open(closed.number).await {
                            let (shard, generation) = (self.shard(), closed.number);
                            tracing::warn!(shard, generation, %error, "cannot open local blocks");
                        }
                    }
                    ClosedData::Memory(_) | ClosedData::Local(_) => {}
                }
            }
        }
    }

    /// What the leader alone decides: the first number, and when a generation ends.
    async fn lead(&self, open: &Generation, for_long: Duration) -> Result<(), FlushError> {
        if self.0.group.leader_term().is_none() {
            return Ok(());
        }
        if open.number() == 0 {
            return self.begin(0).await;
        }
        if should_freeze(&self.standing(open, for_long)) { self.freeze().await } else { Ok(()) }
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
            phase: (self.0.place % self.shards(), self.shards()),
            encoding: self.0.head.closed().iter().any(encoding),
            disk_full: self.0.budget.refusal_of(&self.0.group).is_some(),
        }
    }

    /// This shard's share of the memory for open generations, in bytes.
    #[must_use]
    pub fn share(&self) -> u64 {
        (self.0.config.max_head_bytes / u64::from(self.shards())).max(1)
    }

    /// How many shards this node has.
    fn shards(&self) -> u32 {
        self.0.shards.load(Ordering::Relaxed).max(1)
    }

    async fn encode(&self, generation: &Arc<Generation>) -> Result<(), FlushError> {
        let started = self.0.clock.elapsed();
        let (store, metadata) = (self.0.local.clone(), Arc::clone(&self.0.metadata));
        let (closed, limits) = (Arc::clone(generation), self.0.limits.clone());
        let work = move || {
            limits.catch_up();
            store.write(&closed, &metadata)
        };
        self.0.offload.background().run(work).await??;
        let local = self.0.local.read(generation.number()).await?;
        let took = self.0.clock.elapsed().saturating_sub(started);
        self.0.metrics.encoded(took, generation.samples(), local.bytes());
        self.0.head.moved_to_disk(generation.number(), local);
        Ok(())
    }

    /// Tries until it succeeds or the shutdown begins. An attempt is waited for even then: it writes to a
    /// directory that must be at rest when this process lets go of it.
    async fn encode_patiently(&self, generation: &Arc<Generation>) {
        let mut pause = self.pause();
        while !self.0.shutdown.has_begun() && self.is_owed(generation.number()) {
            *self.0.encoding.lock() = Some(generation.number());
            let encoded = self.encode(generation).await;
            *self.0.encoding.lock() = None;
            let Err(error) = encoded else { return };
            if !self.0.shutdown.has_begun() {
                self.0.metrics.failed();
                tracing::warn!(shard = self.shard(), %error, "cannot encode a generation");
                pause.wait(&self.0).await;
            }
        }
    }

    /// Whether a generation is still to be encoded: one that a leader has flushed meanwhile is not.
    fn is_owed(&self, generation: u64) -> bool {
        let owed = |closed: &ClosedGeneration| closed.number == generation && !closed.flushed;
        self.0.head.closed().iter().any(owed)
    }

    /// Uploads, commits and drops, oldest first, until the shutdown.
    pub async fn run_uploader(self) {
        Delivery::new(self).run().await;
    }

    fn pause(&self) -> Pause {
        Pause(self.0.config.retry_initial_ms)
    }

    /// Waits for a change of the generations or the next look at the clock; false at the shutdown.
    async fn next_turn(&self, changes: &mut Changes) -> bool {
        let pause = Duration::from_millis(self.0.config.check_interval_ms);
        tokio::select! {
            biased;
            () = self.0.shutdown.begun() => false,
            () = changes.changed() => true,
            () = tokio::time::sleep(pause) => true,
        }
    }

    fn shard(&self) -> u32 {
        self.0.uploader.identity.shard
    }
}

/// What passes between attempts, in milliseconds: doubled each time.
#[derive(Debug)]
struct Pause(u64);

impl Pause {
    /// Waits for half to all of it, or for the shutdown.
    async fn wait(&mut self, inner: &Inner) {
        let spread = self.0 / 2 + inner.rng.below(self.0 / 2 + 1);
        self.0 = (self.0 * 2).min(inner.config.retry_max_ms);
        tokio::select! {
            () = inner.shutdown.begun() => {}
            () = tokio::time::sleep(Duration::from_millis(spread)) => {}
        }
    }
}
