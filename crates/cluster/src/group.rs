//! A handle on one replicated group.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use latewood_wal::Journal;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError};
use openraft::{BasicNode, Raft, RaftMetrics, ReadPolicy, ServerState, SnapshotPolicy};
use tokio::sync::Semaphore;

use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::network::NoNetwork;
use crate::types::{LogId, NodeId, Proposal, Types, is_sole_voter, position};
use crate::{ClusterError, Command, GroupConfig, GroupId, Position, ReplicatedState};

/// A replicated log with its state machine. Cheap to clone.
pub struct Group<S: ReplicatedState>(Arc<Inner<S>>);

struct Inner<S: ReplicatedState> {
    id: GroupId,
    config: GroupConfig,
    journal: Journal,
    raft: Raft<Types<S>, Machine<S>>,
    log: LogStore<S>,
    machine: Machine<S>,
    room: Arc<Semaphore>,
    /// One checkpoint at a time.
    checkpoints: Arc<tokio::sync::Mutex<()>>,
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
    /// Opens the group: restores the last checkpoint, applies the entries after it, and returns when this
    /// node leads in a new term. `state` must be empty.
    ///
    /// # Errors
    /// The journal's content cannot be used, or the group does not lead within `open_timeout_ms`.
    pub async fn open(
        id: GroupId,
        config: GroupConfig,
        journal: Journal,
        state: S,
    ) -> Result<Self, ClusterError> {
        config.validate()?;
        let stopped = |error: &dyn ToString| ClusterError::Stopped { group: id, reason: error.to_string() };
        let (node, chunk_bytes, replayed) = (config.node_id, config.replay_chunk_bytes, journal.clone());
        let replay = move || {
            let (log, checkpoint) = LogStore::open(id, node, replayed, chunk_bytes)?;
            let machine = Machine::new(log.clone(), state, checkpoint);
            let entries = machine.replay(id)?;
            let applied = machine.applied().map(|log_id| log_id.index);
            tracing::info!(group = id, entries, applied, "replayed the log");
            Ok::<_, ClusterError>((log, machine))
        };
        let (log, machine) = tokio::task::spawn_blocking(replay).await.map_err(|error| stopped(&error))??;
        log.finish_purge(machine.checkpoint_id()).await?;
        let raft_config = Arc::new(raft_config(id, &config)?);
        let raft = Raft::new(node, raft_config, NoNetwork, log.clone(), machine.clone()).await;
        let group = Self(Arc::new(Inner {
            id,
            journal,
            raft: raft.map_err(|error| stopped(&error))?,
            log,
            machine,
            room: Arc::new(Semaphore::new(config.max_inflight_bytes.div_ceil(PERMIT_BYTES))),
            checkpoints: Arc::default(),
            config,
        }));
        group.lead().await?;
        Ok(group)
    }

    /// Becomes the leader of a group with a single voter.
    async fn lead(&self) -> Result<(), ClusterError> {
        let Inner { raft, config, id, .. } = &*self.0;
        if raft.is_initialized().await.map_err(|error| self.fatal(&error))? {
            raft.trigger().elect(false).await.map_err(|error| self.fatal(&error))?;
        } else {
            let alone = std::collections::BTreeMap::from([(config.node_id, BasicNode::default())]);
            let begun = raft.initialize(alone).await;
            begun.map_err(|error| ClusterError::Stopped { group: *id, reason: error.to_string() })?;
        }
        let patience = Duration::from_millis(config.open_timeout_ms);
        let led = raft.wait(Some(patience)).metrics(|metrics| leading(metrics).is_some(), "leads").await;
        led.map(drop).map_err(|error| match self.stop_reason() {
            Some(stopped) => stopped,
            None => ClusterError::NotReady {
                group: *id,
                waited_ms: config.open_timeout_ms,
                waiting_for: error.to_string(),
            },
        })
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.0.id
    }

    /// Appends a command; resolves when a majority has it fsynced and it is applied here. Commands are
    /// applied in the order of their positions. When dropped while it waits, the command may still be
    /// appended and applied.
    ///
    /// # Errors
    /// This node does not lead, the command is too large, or the group has stopped. In the last case the
    /// command may have been appended.
    pub async fn propose(&self, command: S::Command) -> Result<(Position, S::Response), ClusterError> {
        let Inner { id, config, room, raft, .. } = &*self.0;
        let bytes = command.encode();
        if bytes.len() > config.max_command_bytes {
            return Err(ClusterError::TooLarge { bytes: bytes.len(), limit: config.max_command_bytes });
        }
        let permits = u32::try_from(bytes.len().div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let room = Arc::clone(room).acquire_many_owned(permits).await.ok().map(Arc::new);
        let written =
            raft.client_write(Proposal { command, bytes, _room: room }).await.map_err(
                |error| match error {
                    RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
                        self.not_leader(to.leader_id)
                    }
                    RaftError::APIError(other) => {
                        ClusterError::Stopped { group: *id, reason: other.to_string() }
                    }
                    RaftError::Fatal(fatal) => self.fatal(&fatal),
                },
            )?;
        let at = position(&written.log_id);
        let response = written.data.ok_or_else(|| ClusterError::Corrupt {
            group: *id,
            problem: format!("the command at {at} was applied without a response"),
        })?;
        Ok((at, response))
    }

    /// The term this node leads in, once the first entry of that term is applied: all that was
    /// acknowledged in earlier terms is in the state then.
    #[must_use]
    pub fn leader_term(&self) -> Option<u64> {
        leading(&self.0.raft.metrics().borrow_watched())
    }

    /// The newest position that is applied here.
    #[must_use]
    pub fn applied(&self) -> Option<Position> {
        self.0.machine.applied().as_ref().map(position)
    }

    /// Resolves when everything acknowledged before the call is applied here, and this node still led
    /// after the call. A sole voter whose disk refused fulfils that too: what it acknowledged it had applied,
    /// and nobody can have acknowledged anything since.
    ///
    /// # Errors
    /// This node does not lead, or the group has stopped for another reason.
    pub async fn read_barrier(&self) -> Result<(), ClusterError> {
        let Err(error) = self.0.raft.ensure_linearizable(ReadPolicy::ReadIndex).await else {
            return Ok(());
        };
        match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => {
                Err(self.not_leader(to.leader_id))
            }
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => Err(self.not_leader(None)),
            RaftError::Fatal(fatal) if self.is_alone() && self.is_refused_by_the_disk() => {
                tracing::debug!(group = self.0.id, %fatal, "a stopped group is read");
                Ok(())
            }
            RaftError::Fatal(fatal) => Err(self.fatal(&fatal)),
        }
    }

    /// Why the group stopped by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<ClusterError> {
        self.is_refused_by_the_disk().then(|| self.stop_reason()).flatten()
    }

    fn is_alone(&self) -> bool {
        let metrics = self.0.raft.metrics().borrow_watched().clone();
        is_sole_voter(metrics.membership_config.membership(), self.0.config.node_id)
    }

    fn is_refused_by_the_disk(&self) -> bool {
        matches!(self.0.raft.metrics().borrow_watched().running_state, Err(Fatal::StorageError(_)))
    }

    /// Makes `payload` the state as of the earlier applied position `at`, durably, and lets go of the log
    /// up to it; the journal's segments go when no group needs them. After a restart the state is
    /// restored from `payload`, and the entries after `at` are applied. A repetition does nothing.
    ///
    /// # Errors
    /// `at` is not an applied position, or is older than the last checkpoint; or the group has stopped.
    pub async fn checkpoint(&self, at: Position, payload: Bytes) -> Result<(), ClusterError> {
        // In a task of its own: when the caller goes away, the steps are still done to the end.
        let group = self.clone();
        let done = tokio::spawn(async move { group.take_checkpoint(at, payload).await }).await;
        done.unwrap_or_else(|error| {
            Err(ClusterError::Stopped { group: self.0.id, reason: error.to_string() })
        })
    }

    async fn take_checkpoint(&self, at: Position, payload: Bytes) -> Result<(), ClusterError> {
        let _one_at_a_time = Arc::clone(&self.0.checkpoints).lock_owned().await;
        let refused = |problem| ClusterError::Checkpoint { group: self.0.id, at, problem };
        let id = self.log_id_of(at).await?;
        let Some(checkpoint) = self.0.machine.plan_checkpoint(id, payload).map_err(refused)? else {
            return Ok(());
        };
        self.0.log.save_checkpoint(&checkpoint).await?;
        self.0.machine.stage(checkpoint);
        self.0.raft.trigger().snapshot().await.map_err(|error| self.fatal(&error))?;
        let known = |metrics: &RaftMetrics<Types<S>>| metrics.snapshot >= Some(id);
        let waited = self.0.raft.wait(Some(NEVER)).metrics(known, "checkpoint").await;
        waited.map(drop).map_err(|error| self.stop_reason().unwrap_or_else(|| refused(error.to_string())))
    }

    async fn log_id_of(&self, at: Position) -> Result<LogId, ClusterError> {
        let refused = |problem: String| ClusterError::Checkpoint { group: self.0.id, at, problem };
        let (log, machine) = (self.0.log.clone(), self.0.machine.clone());
        let find = move || match machine.checkpoint_id() {
            Some(last) if last.index >= at.index => Ok(Some(last)),
            _ => log.log_id(at.index),
        };
        let found = tokio::task::spawn_blocking(find).await.map_err(|error| refused(error.to_string()))??;
        match found {
            Some(id) if position(&id) == at => Ok(id),
            Some(id) if id.index > at.index => {
                Err(refused(format!("the last checkpoint is later, at {}", position(&id))))
            }
            Some(id) => Err(refused(format!("the entry there is at {}", position(&id)))),
            None => Err(refused("there is no such entry".to_owned())),
        }
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

    fn fatal(&self, fatal: &Fatal<Types<S>>) -> ClusterError {
        // The journal's own words are clearer than openraft's about them.
        match self.0.journal.failure() {
            Some(error) => ClusterError::Journal(error),
            None => ClusterError::Stopped { group: self.0.id, reason: fatal.to_string() },
        }
    }

    fn stop_reason(&self) -> Option<ClusterError> {
        let running = self.0.raft.metrics().borrow_watched().running_state.clone();
        running.err().map(|fatal| self.fatal(&fatal))
    }
}

/// Permits are of this many bytes, so that their number fits 32 bits.
const PERMIT_BYTES: usize = 1024;
/// The group ends or the wait does; openraft's own default is a day.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

fn leading<S: ReplicatedState>(metrics: &RaftMetrics<Types<S>>) -> Option<u64> {
    let term = metrics.current_term;
    let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
    let begun = metrics.last_applied.is_some_and(|id| id.leader_id.term == term);
    (leads && begun).then_some(term)
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
mod tests;
