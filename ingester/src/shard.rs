//! One shard on this node: its log, its head, the task that proposes and the flush.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use latewood_base::{ErrorKind, Offload, Shutdown, Tasks};
use latewood_catalog::{Catalogs, View};
use latewood_cluster::{Group, GroupId, Transport};
use latewood_wal::Journal;

use crate::IngestError;
use crate::deletion::{MAX_BYTES, Selected, text_bytes};
use crate::distributor::{ShardPart, ShardWriter, WriteOutcome};
use crate::flush::{
    DiskBudget, FlushError, FlushIdentity, FlushMetrics, Flusher, FlusherParts, LocalShared, LocalStore,
    OpenTables, OwnNumbers,
};
use crate::head::Head;
use crate::journal::{DeletionEntry, Proposer, ShardCommand, ShardState};
use crate::limits::{SeriesLimits, ShardLimits};
use crate::metadata::MetadataStore;
use crate::service::{IngesterConfig, IngesterDeps, Layout};
use crate::shards::Shards;
use crate::store_api::ShardReader;

mod tidying;

/// The most deletions of a tenant that wait for the generations that they mask to be flushed and dropped: each read of
/// these looks at all of them.
const MAX_DELETIONS: usize = 2_000;

/// How long the tasks of a shard may take to end what they have begun.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// Numbers for the log, as people write them.
pub(crate) fn listed<'a, N: ToString + 'a>(numbers: impl IntoIterator<Item = &'a N>) -> String {
    numbers.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

use tidying::Tidying;

/// A shard. Takes writes; flushes by itself.
#[derive(Debug)]
pub struct Shard {
    number: u32,
    offload: Offload,
    catalogs: Arc<Catalogs>,
    identity: FlushIdentity,
    group: Group<ShardState>,
    head: Head,
    proposer: Proposer,
    limits: ShardLimits,
    flusher: Flusher,
    budget: Arc<DiskBudget>,
    tables: Arc<OpenTables>,
    shutdown: Shutdown,
    tasks: Tasks,
    /// Whether the replica has had all that its leader had.
    caught_up: AtomicBool,
}

/// A replica that lacks no more than so many entries has caught up: there are always some under way.
const UNDER_WAY: u64 = 64;

/// The group of the journal that has the log of the shard in a place; group 0 is the cluster's own.
pub(crate) fn group_of(place: u32) -> GroupId {
    u64::from(place) + 1
}

/// What all shards of a node share.
#[derive(Clone, Debug)]
pub(crate) struct ShardContext {
    pub(crate) config: IngesterConfig,
    pub(crate) deps: IngesterDeps,
    pub(crate) layout: Layout,
    /// The way to the other replicas of each shard; without it this node has all there is of it.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) shards: Shards,
    pub(crate) numbers: Arc<OwnNumbers>,
    pub(crate) journal: Journal,
    pub(crate) metadata: Arc<MetadataStore>,
    pub(crate) local: LocalShared,
    pub(crate) limits: Arc<SeriesLimits>,
    pub(crate) metrics: FlushMetrics,
    pub(crate) shutdown: Shutdown,
}

impl ShardContext {
    fn identity(&self, number: u32) -> Result<FlushIdentity, FlushError> {
        let shard = self.layout.claimed.get(number as usize).copied().ok_or(FlushError::Stopping)?;
        Ok(FlushIdentity { journal: self.layout.journal, shard })
    }
}

impl Shard {
    /// Opens the shard: replays its log into the head and opens the local blocks that wait for the bucket. A shard that has
    /// other replicas takes part in its group from then on, and takes writes when it comes to lead.
    pub(crate) async fn open(context: &ShardContext, number: u32) -> Result<Self, FlushError> {
        let (config, deps) = (&context.config, &context.deps);
        let identity = context.identity(number)?;
        let (shutdown, tasks) = (context.shutdown.child(), Tasks::new());
        let shared = LocalShared { shutdown: shutdown.clone(), ..context.local.clone() };
        let local = LocalStore::open(&deps.data_dir, number, identity, shared).await?;
        let survey = local.survey().await?;
        let newest_on_disk = survey.whole.iter().chain(&survey.damaged).max().copied();
        let head = Head::new(survey.whole);
        let state = ShardState::new(head.clone());
        let group = open_group(context, number, state).await?;
        if head.restore_failed() {
            return Err(FlushError::Checkpoint { shard: number });
        }
        let limits = context.limits.at(number, head.clone());
        let flusher = Flusher::new(FlusherParts {
            config: config.flush.clone(),
            identity,
            numbers: Arc::clone(&context.numbers),
            place: number,
            shards: context.shards.count(),
            group: group.clone(),
            head: head.clone(),
            limits: limits.clone(),
            local: local.clone(),
            budget: Arc::clone(&context.local.budget),
            bucket: Arc::clone(&deps.bucket),
            catalogs: Arc::clone(&deps.catalogs),
            metadata: Arc::clone(&context.metadata),
            clock: deps.clock.clone(),
            rng: deps.rng.clone(),
            offload: deps.offload.clone(),
            shutdown: shutdown.clone(),
            metrics: context.metrics.clone(),
        });
        if context.transport.is_none() {
            flusher.begin(newest_on_disk.unwrap_or(0)).await?;
            let tidied = Tidying { local, head: head.clone(), damaged: survey.damaged };
            deps.offload.run(move || tidied.run()).await??;
        }
        flusher.open_local().await?;
        let (proposer, proposing) = Proposer::new(
            config.proposer.clone(),
            group.clone(),
            head.clone(),
            limits.clone(),
            deps.offload.clone(),
            shutdown.clone(),
        );
        tasks.spawn("propose", proposing);
        limits.enter(group.clone());
        let LocalShared { budget, tables, .. } = context.local.clone();
        let (offload, catalogs) = (deps.offload.clone(), Arc::clone(&deps.catalogs));
        Ok(Self {
            number,
            offload,
            catalogs,
            identity,
            group,
            head,
            proposer,
            limits,
            flusher,
            budget,
            tables,
            shutdown,
            tasks,
            caught_up: AtomicBool::new(false),
        })
    }

    /// Begins to freeze, encode and upload.
    pub(crate) fn start_flushing(&self) {
        self.tasks.spawn("encode", self.flusher.clone().run_encoder());
        self.tasks.spawn("upload", self.flusher.clone().run_uploader());
    }

    /// The shard's place.
    pub(crate) fn place(&self) -> u32 {
        self.number
    }

    /// The shard's log.
    pub(crate) fn group(&self) -> &Group<ShardState> {
        &self.group
    }

    /// Whether somebody leads the shard, and this replica has caught up with it since it was opened: until then another one
    /// that stops may leave the shard without a majority.
    pub(crate) fn has_caught_up(&self) -> bool {
        let status = self.group.status();
        let lacks = status.committed.unwrap_or(0).saturating_sub(status.applied.unwrap_or(0));
        let now = status.leader.is_some() && lacks <= UNDER_WAY;
        status.leader.is_some() && (self.caught_up.fetch_or(now, Ordering::Relaxed) || now)
    }

    /// Whether this node takes the shard's writes.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.group.leader_term().is_some()
    }

    /// Whether this node answers for the shard. A sole voter does even when its disk takes no more entries.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.group.is_answered_here()
    }

    /// Freezes what is there; with `wait` returns when it is in the catalog.
    ///
    /// # Errors
    /// The log did not take the freeze, or the ingester stops.
    pub async fn flush(&self, wait: bool) -> Result<(), FlushError> {
        self.flusher.flush(wait).await
    }

    /// Masks what is here of a tenant's series: returns the shard's number in the catalogs and the generation that is
    /// open then, which has nothing that is masked. What the open generation has of it is frozen first.
    ///
    /// # Errors
    /// The log does not take it, or holds too many deletions of the tenant already.
    pub(crate) async fn delete(&self, selected: &Arc<Selected>) -> Result<(u32, u64), IngestError> {
        let barrier = self.group.read_barrier().await;
        barrier.map_err(|error| IngestError::shard(self.number, &error))?;
        let (held, bytes) = self.head.held_deletions(&selected.tenant);
        let more: usize = selected.tombstones().map(text_bytes).sum();
        if held + selected.selections.len() > MAX_DELETIONS || bytes + more > MAX_BYTES {
            let message = format!(
                "{held} deletions of the tenant, of {bytes} bytes, wait for generations to be flushed, and at most \
                 {MAX_DELETIONS} of {MAX_BYTES} bytes may: retry later"
            );
            return Err(IngestError::Shard { shard: self.number, kind: ErrorKind::Overloaded, message });
        }
        let (head, wanted) = (self.head.clone(), Arc::clone(selected));
        let touches_open = move || {
            let mut selections = wanted.selections.iter();
            selections.any(|(one, matchers)| head.open_has(&wanted.tenant, matchers, one.range))
        };
        if self.offload.run(touches_open).await? {
            let frozen = self.flusher.freeze().await;
            frozen.map_err(|error| IngestError::shard(self.number, &error))?;
        }
        let open = self.head.open().number();
        if self.head.has_closed(&selected.tenant) {
            let (tenant, through) = (selected.tenant.clone(), open.saturating_sub(1));
            let tombstones = selected.tombstones().cloned().collect();
            let entry = DeletionEntry { tenant, through, tombstones };
            let logged = self.group.propose(ShardCommand::Delete(Arc::new(entry))).await;
            logged.map_err(|error| IngestError::shard(self.number, &error))?;
        }
        Ok((self.identity.shard, open))
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
        self.budget.blocks()
    }

    /// Bytes of memory of the local blocks of all shards that stay open.
    #[must_use]
    pub fn open_block_bytes(&self) -> u64 {
        self.tables.bytes() as u64
    }

    /// Whether the shard's log takes no more entries, because of the disk.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.group.failure().is_some()
    }

    pub(crate) fn reader(&self) -> ShardReader {
        ShardReader { shard: self.identity.shard, group: self.group.clone(), head: self.head.clone() }
    }

    /// Ends with the shard.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.child()
    }

    /// Ends the shard's tasks, then its part in the group.
    pub(crate) async fn stop(&self) {
        self.shutdown.begin();
        // What was proposed is answered when it is applied, or when another leader's log takes its place. Neither comes to a
        // leader whom the group has let go, or whose group has no majority: its proposals end with the group.
        if tokio::time::timeout(STOP_WAIT, self.tasks.join()).await.is_err() {
            tracing::warn!(shard = self.number, "stops with proposals under way");
        }
        self.group.shutdown().await;
        self.tasks.join().await;
        self.limits.leave();
    }

    /// Refuses writes that would go over a budget.
    fn admit(&self) -> Result<(), IngestError> {
        let overloaded = |message: String| {
            Err(IngestError::Shard { shard: self.number, kind: ErrorKind::Overloaded, message })
        };
        if let Some(reason) = self.budget.refusal_of(&self.group) {
            return overloaded(reason);
        }
        // What is in generation 0 would count as flushed: its leader ends it before anything else.
        if self.head.open().number() == 0 {
            let message = "it is being set up: retry".to_owned();
            return Err(IngestError::Shard { shard: self.number, kind: ErrorKind::Unavailable, message });
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
    context: &ShardContext,
    place: u32,
    state: ShardState,
) -> Result<Group<ShardState>, FlushError> {
    let (id, config, journal) = (group_of(place), context.config.group.clone(), context.journal.clone());
    let Some(transport) = context.transport.clone() else {
        return Ok(Box::pin(Group::open(id, config, journal, state)).await?);
    };
    Ok(Box::pin(Group::start(id, config, journal, transport, Offload::new(1), state)).await?)
}

#[async_trait]
impl ShardWriter for Shard {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        if !self.answers() {
            return Err(IngestError::NotLeader { shard: self.number, leader: self.group.leader() });
        }
        self.admit()?;
        let catalog = self.catalogs.tenant(part.tenant());
        let is_deleted = |view: &View| view.is_deleted();
        // A tenant may have been taken back: nothing else asks for the catalog of one that nobody may write to.
        if catalog.known_view().is_some_and(|view| is_deleted(&view))
            && catalog.view().await.map_or(true, |view| is_deleted(&view))
        {
            return Err(IngestError::TenantDeleted(part.tenant().clone()));
        }
        match self.proposer.write(&part).await {
            Ok(refused) => Ok(WriteOutcome { refused }),
            // It led when the part was queued.
            Err(error) if error.is_about_the_lead() => {
                Err(IngestError::NotLeader { shard: self.number, leader: self.group.leader() })
            }
            Err(error) => Err(IngestError::shard(self.number, &error)),
        }
    }
}
