//! One task per shard that makes entries of what is queued and proposes them.
//!
//! Entries are batched by themselves: while one is being fsynced the next one collects. References are
//! looked up right before proposing, against what is applied; an entry that comes too late, because the
//! generation was frozen or the term changed meanwhile, is answered `Stale` and made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use latewood_base::{ErrorKind, Kinded, Offload, OffloadError, Shutdown};
use latewood_cluster::{ClusterError, Group};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::queue::{Piece, Waiting};
use super::{Built, EntryBuilder, ShardCommand, ShardResponse, ShardState};
use crate::distributor::{RefusedRow, ShardPart};
use crate::head::Head;
use crate::limits::{Admission, ShardLimits};

/// How entries are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProposerConfig {
    /// About how many bytes an entry has at most. Default 1 MiB.
    pub max_entry_bytes: usize,
    /// How many bytes may wait in a shard's queue before writes are refused. Default 64 MiB.
    pub max_queued_bytes: usize,
    /// How many entries of a shard are under way at once. Default 2.
    pub max_inflight_entries: usize,
}

impl Default for ProposerConfig {
    fn default() -> Self {
        Self { max_entry_bytes: 1 << 20, max_queued_bytes: 64 << 20, max_inflight_entries: 2 }
    }
}

impl ProposerConfig {
    /// Checks that the settings can be; the text names the one that cannot.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if !(4096..=64 << 20).contains(&self.max_entry_bytes) {
            return Err("max_entry_bytes must be between 4 KiB and 64 MiB".to_owned());
        }
        if self.max_queued_bytes < self.max_entry_bytes {
            return Err("max_queued_bytes must be at least max_entry_bytes".to_owned());
        }
        if !(1..=64).contains(&self.max_inflight_entries) {
            return Err("max_inflight_entries must be between 1 and 64".to_owned());
        }
        Ok(())
    }
}

/// Why a write was not proposed, or not applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// The queue is full.
    #[error("{waiting} bytes wait to be written (max_queued_bytes is {limit}): retry")]
    Overloaded {
        /// Bytes that wait.
        waiting: usize,
        /// The limit.
        limit: usize,
    },
    /// The shard is stopping.
    #[error("the shard is stopping: retry")]
    Stopping,
    /// This node does not lead the shard.
    #[error("this node does not lead the shard: retry")]
    NotLeader,
    /// The generation or the term changed again and again.
    #[error("the entry came too late {attempts} times in a row: retry")]
    Stale {
        /// How often it was proposed.
        attempts: usize,
    },
    /// The group failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Background work failed.
    #[error(transparent)]
    Offload(#[from] OffloadError),
}

impl ProposeError {
    /// Whether another node leads the shard, or may.
    pub(crate) fn is_about_the_lead(&self) -> bool {
        matches!(self, Self::NotLeader | Self::Cluster(ClusterError::NotLeader { .. }))
    }
}

impl Kinded for ProposeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Overloaded { .. } => ErrorKind::Overloaded,
            Self::Stopping | Self::NotLeader | Self::Stale { .. } => ErrorKind::Unavailable,
            Self::Cluster(error) => error.kind(),
            Self::Offload(error) => error.kind(),
        }
    }
}

/// How often an entry is made anew before its writers are told.
const MAX_ATTEMPTS: usize = 16;
/// Below this many bytes an entry is made on the async runtime.
const INLINE_BYTES: usize = 16 << 10;

/// Hands writes to the shard's proposing task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Proposer {
    queue: mpsc::UnboundedSender<Waiting>,
    /// Bytes in the queue: its bound.
    waiting: Arc<AtomicUsize>,
    config: Arc<ProposerConfig>,
}

impl Proposer {
    /// A proposer and the task behind it, which ends after the shutdown, or when the last handle is dropped,
    /// once all that was queued is done.
    pub(crate) fn new(
        config: ProposerConfig,
        group: Group<ShardState>,
        head: Head,
        limits: ShardLimits,
        offload: Offload,
        shutdown: Shutdown,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let proposer = Self { queue, waiting: Arc::default(), config: Arc::new(config) };
        let task = Task {
            group,
            head,
            limits,
            offload,
            waiting: Arc::clone(&proposer.waiting),
            config: Arc::clone(&proposer.config),
        };
        (proposer, task.run(receiver, shutdown))
    }

    /// Proposes a part; returns when all of it is durable and applied, but for the rows that it answers: of series that
    /// the tenant may not have.
    ///
    /// # Errors
    /// [`ProposeError`]: some of the part may be stored all the same; a retry does no harm.
    pub async fn write(&self, part: &ShardPart) -> Result<Vec<RefusedRow>, ProposeError> {
        let limit = self.config.max_queued_bytes;
        let pieces = Piece::cut(part, self.config.max_entry_bytes);
        let weight: usize = pieces.iter().map(Piece::weight).sum();
        let waiting = self.waiting.fetch_add(weight, Ordering::Relaxed);
        if waiting >= limit {
            self.waiting.fetch_sub(weight, Ordering::Relaxed);
            return Err(ProposeError::Overloaded { waiting, limit });
        }
        let mut answers = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let (done, answer) = oneshot::channel();
            let queued = self.queue.send(Waiting { piece, done });
            queued.map_err(|_| ProposeError::Stopping)?;
            answers.push(answer);
        }
        let mut refused = Vec::new();
        for answer in answers {
            refused.append(&mut answer.await.map_err(|_| ProposeError::Stopping)??);
        }
        // One that was cut is refused once.
        refused.sort_by_key(|refused: &RefusedRow| refused.row);
        refused.dedup_by_key(|refused| refused.row);
        Ok(refused)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Task {
    group: Group<ShardState>,
    head: Head,
    limits: ShardLimits,
    offload: Offload,
    waiting: Arc<AtomicUsize>,
    config: Arc<ProposerConfig>,
}

impl Task {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Waiting>, shutdown: Shutdown) {
        let mut under_way = FuturesUnordered::new();
        let most = self.config.max_inflight_entries.max(1);
        let mut stopping = std::pin::pin!(shutdown.begun());
        loop {
            tokio::select! {
                biased;
                // What is queued is still written; nothing more is taken.
                () = &mut stopping, if !queue.is_closed() => queue.close(),
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                first = queue.recv(), if under_way.len() < most => {
                    let Some(first) = first else { break };
                    let batch = self.gather(first, &mut queue);
                    under_way.push(self.clone().propose_all(batch));
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// What makes the next entry: all that waits, up to the entry's size.
    fn gather(&self, first: Waiting, queue: &mut mpsc::UnboundedReceiver<Waiting>) -> Vec<Waiting> {
        let mut bytes = first.piece.weight();
        let mut batch = vec![first];
        while bytes < self.config.max_entry_bytes
            && let Ok(next) = queue.try_recv()
        {
            bytes += next.piece.weight();
            batch.push(next);
        }
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        batch
    }

    async fn propose_all(self, batch: Vec<Waiting>) {
        let (pieces, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.piece, waiting.done)).unzip();
        let result = self.propose(Arc::new(pieces)).await;
        for (number, answer) in (0..).zip(answers) {
            let of_piece = |all: &Vec<(u32, RefusedRow)>| {
                let own = all.iter().filter(|(piece, _)| *piece == number);
                own.map(|(_, refused)| refused.clone()).collect()
            };
            // A writer that went away needs no answer.
            let _gone = answer.send(result.as_ref().map(of_piece).map_err(Clone::clone));
        }
    }

    /// Proposes what may be stored of the pieces; answers the rest.
    async fn propose(&self, pieces: Arc<Vec<Piece>>) -> Result<Vec<(u32, RefusedRow)>, ProposeError> {
        for _ in 0..MAX_ATTEMPTS {
            let term = self.group.leader_term().ok_or(ProposeError::NotLeader)?;
            // What was admitted counts until the entry is applied, or is not.
            let (Built { entry, refused }, _admission) = self.entry(Arc::clone(&pieces), term).await?;
            if entry.tenants.is_empty() {
                return Ok(refused);
            }
            let (_, response) = self.group.propose(ShardCommand::Write(Arc::new(entry))).await?;
            if response != ShardResponse::Stale {
                return Ok(refused);
            }
        }
        Err(ProposeError::Stale { attempts: MAX_ATTEMPTS })
    }

    async fn entry(
        &self,
        pieces: Arc<Vec<Piece>>,
        term: u64,
    ) -> Result<(Built, Option<Admission>), ProposeError> {
        let bytes: usize = pieces.iter().map(Piece::weight).sum();
        let generation = self.head.open();
        if self.limits.is_behind(&generation) {
            let limits = self.limits.clone();
            self.offload.run(move || limits.catch_up()).await?;
        }
        let mut admission = self.limits.admission(&generation, term);
        let build = move || {
            let mut builder = EntryBuilder::new(&generation, term);
            for piece in pieces.iter() {
                builder.push_piece(piece);
            }
            let built = builder.build_admitted(admission.as_mut());
            (built, admission)
        };
        if bytes <= INLINE_BYTES {
            return Ok(build());
        }
        Ok(self.offload.run(build).await?)
    }
}
