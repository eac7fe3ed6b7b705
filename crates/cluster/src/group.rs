//! A handle on one replicated group.

mod answers;
mod checkpoints;
mod hearing;
mod members;
mod proposals;
mod status;

pub use status::{GroupStatus, Role};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::Offload;
use latewood_wal::Journal;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use openraft::{Instant, Raft, RaftMetrics, ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::proposals::PERMIT_BYTES;
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::network::Network;
use crate::transport::{NoTransport, Peer, Transport};
use crate::types::{NodeId, Types, is_sole_voter, position};
use crate::{ClusterError, GroupConfig, GroupId, Position, ReplicatedState};

/// A replicated log with its state machine. Cheap to clone.
pub struct Group<S: ReplicatedState>(Arc<Inner<S>>);

struct Inner<S: ReplicatedState> {
    id: GroupId,
    config: GroupConfig,
    journal: Journal,
    raft: Raft<Types<S>, Machine<S>>,
    log: LogStore<S>,
    machine: Machine<S>,
    /// Where the log is read.
    lane: Offload,
    room: Arc<Semaphore>,
    /// One change of who the members are, or who leads them, at a time: openraft takes a change of members from a leader
    /// that hands over, and must not.
    changes: Arc<tokio::sync::Mutex<()>>,
    /// One checkpoint at a time.
    checkpoints: Arc<tokio::sync::Mutex<()>>,
    /// When a leader was heard last.
    heard: Mutex<Option<tokio::time::Instant>>,
}

impl<S: ReplicatedState> Clone for Group<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ReplicatedState> fmt::Debug for Group<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Group({})", self.0.id)
    }
}

impl<S: ReplicatedState> Group<S> {
    /// Starts a group of which this node is the only voter: as [`Group::start`] does, and returns when this node leads
    /// in a new term.
    ///
    /// # Errors
    /// The journal's content cannot be used, or the group does not lead within `open_timeout_ms`.
    pub async fn open(
        id: GroupId,
        config: GroupConfig,
        journal: Journal,
        state: S,
    ) -> Result<Self, ClusterError> {
        let itself = Peer { id: config.node_id, address: String::new() };
        let group = Self::start(id, config, journal, Arc::new(NoTransport), Offload::new(1), state).await?;
        if !group.form(std::slice::from_ref(&itself)).await? {
            group.0.raft.trigger().elect(false).await.map_err(|error| group.fatal(&error))?;
        }
        group.wait_until_it_leads().await?;
        Ok(group)
    }

    /// Starts this node's replica of the group: restores the last checkpoint and applies the entries after it that are
    /// known to be committed. It takes part from then on; a replica without a log waits for [`Group::form`], or for the
    /// leader of a group that is there. `state` must be empty. The group's own `lane` is where entries are applied; in its
    /// background the log is read.
    ///
    /// # Errors
    /// The journal's content cannot be used.
    pub async fn start(
        id: GroupId,
        config: GroupConfig,
        journal: Journal,
        transport: Arc<dyn Transport>,
        lane: Offload,
        state: S,
    ) -> Result<Self, ClusterError> {
        config.validate()?;
        let stopped = |error: &dyn ToString| ClusterError::Stopped { group: id, reason: error.to_string() };
        let (node, chunk_bytes, replayed) = (config.node_id, config.replay_chunk_bytes, journal.clone());
        let own = lane.clone();
        let replay = move || {
            let (log, checkpoint) = LogStore::open(id, node, replayed, own.background(), chunk_bytes)?;
            let machine = Machine::new(log.clone(), own, state, checkpoint);
            let entries = machine.replay(id)?;
            let applied = machine.applied().map(|log_id| log_id.index);
            tracing::info!(group = id, entries, applied, "replayed the log");
            Ok::<_, ClusterError>((log, machine))
        };
        let (log, machine) = lane.run(replay).await.map_err(|error| stopped(&error))??;
        log.finish_purge(machine.checkpoint_id()).await?;
        let raft_config = Arc::new(raft_config(id, &config)?);
        let patience = Duration::from_millis(config.append_timeout_ms);
        let network = Network { group: id, transport, patience };
        let raft = Raft::new(node, raft_config, network, log.clone(), machine.clone()).await;
        Ok(Self(Arc::new(Inner {
            id,
            journal,
            raft: raft.map_err(|error| stopped(&error))?,
            log,
            machine,
            lane: lane.background(),
            room: Arc::new(Semaphore::new(config.max_inflight_bytes.div_ceil(PERMIT_BYTES))),
            changes: Arc::default(),
            checkpoints: Arc::default(),
            heard: Mutex::default(),
            config,
        })))
    }

    async fn wait_until_it_leads(&self) -> Result<(), ClusterError> {
        let Inner { raft, config, id, .. } = &*self.0;
        let patience = Duration::from_millis(config.open_timeout_ms);
        let led =
            raft.wait(Some(patience)).metrics(|metrics| leading(metrics, config).is_some(), "leads").await;
        led.map(drop).map_err(|error| match self.stop_reason() {
            Some(stopped) => stopped,
            None => ClusterError::NotReady {
                group: *id,
                waited_ms: config.open_timeout_ms,
                waiting_for: error.to_string(),
            },
        })
    }

    /// Whether both are handles on the same start of a group.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.0.id
    }

    /// This node's id.
    #[must_use]
    pub fn node(&self) -> u64 {
        self.0.config.node_id
    }

    /// The term this node leads in, once the first entry of that term is applied: all that was
    /// acknowledged in earlier terms is in the state then. A leader that a majority has not answered for two election
    /// timeouts is none: others lead by then, or nobody does.
    #[must_use]
    pub fn leader_term(&self) -> Option<u64> {
        leading(&self.0.raft.metrics().borrow_watched(), &self.0.config)
    }

    /// Whether this node answers for the group: it leads, or it is the only voter, also when its disk takes no more entries.
    #[must_use]
    pub fn is_answered_here(&self) -> bool {
        self.leader_term().is_some() || self.is_alone()
    }

    /// The node that leads, as far as it is known here. A leader that was parted from the others believes in itself; it is not
    /// named.
    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        let leader = self.0.raft.metrics().borrow_watched().current_leader;
        leader.filter(|leader| *leader != self.0.config.node_id || self.leader_term().is_some())
    }

    /// The newest position that is applied here.
    #[must_use]
    pub fn applied(&self) -> Option<Position> {
        self.0.machine.applied().as_ref().map(position)
    }

    /// Why the group stopped by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<ClusterError> {
        self.is_refused_by_the_disk().then(|| self.stop_reason()).flatten()
    }

    /// Whether this node is the only voter.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        let metrics = self.0.raft.metrics().borrow_watched().clone();
        is_sole_voter(metrics.membership_config.membership(), self.0.config.node_id)
    }

    fn is_refused_by_the_disk(&self) -> bool {
        matches!(self.0.raft.metrics().borrow_watched().running_state, Err(Fatal::StorageError(_)))
    }

    /// Stops the group. Proposals under way fail; what was acknowledged is in the journal.
    pub async fn shutdown(&self) {
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(group = self.0.id, %error, "the group did not stop in order");
        }
    }

    fn not_leader(&self, leader: Option<NodeId>) -> ClusterError {
        ClusterError::NotLeader { group: self.0.id, leader }
    }

    fn stopped(&self, reason: &dyn ToString) -> ClusterError {
        ClusterError::Stopped { group: self.0.id, reason: reason.to_string() }
    }

    fn fatal(&self, fatal: &Fatal<Types<S>>) -> ClusterError {
        // The journal's own words are clearer than openraft's about them.
        match self.0.journal.failure() {
            Some(error) => ClusterError::Journal(error),
            None => self.stopped(fatal),
        }
    }

    fn stop_reason(&self) -> Option<ClusterError> {
        let running = self.0.raft.metrics().borrow_watched().running_state.clone();
        running.err().map(|fatal| self.fatal(&fatal))
    }
}

fn leading<S: ReplicatedState>(metrics: &RaftMetrics<Types<S>>, config: &GroupConfig) -> Option<u64> {
    let term = metrics.current_term;
    let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
    let begun = metrics.last_applied.is_some_and(|id| id.leader_id.term == term);
    let patience = Duration::from_millis(2 * config.election_timeout_ms);
    let is_heard = metrics.last_quorum_acked.is_some_and(|at| at.elapsed() <= patience);
    let is_alone = is_sole_voter(metrics.membership_config.membership(), config.node_id);
    (leads && begun && (is_alone || is_heard)).then_some(term)
}

fn raft_config(id: GroupId, config: &GroupConfig) -> Result<openraft::Config, ClusterError> {
    let raft = openraft::Config {
        cluster_name: format!("group {id}"),
        heartbeat_interval: config.heartbeat_ms,
        election_timeout_min: config.election_timeout_ms,
        election_timeout_max: 2 * config.election_timeout_ms,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        purge_batch_size: 1,
        // A node that was cut off asks before it disturbs those who go on without it.
        enable_pre_vote: Some(true),
        // A node that starts again leads in a new term, never in the one it led before: what it appended last in that one
        // may be lost, and no position may be given twice.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    };
    raft.validate()
        .map_err(|error| ClusterError::Config { field: "heartbeat_ms", problem: error.to_string() })
}

#[cfg(test)]
mod replicated_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
