//! The state machine of a group, as openraft wants it.
//!
//! Invariants: entries are applied in order, each once, and only after they are durable on a majority. The
//! snapshot openraft knows is the last checkpoint, which its owner took as of an *earlier* position:
//! a snapshot is never built from the state as it is.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use latewood_base::Offload;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;

use crate::codec::Checkpoint;
use crate::log_store::LogStore;
use crate::types::{Entry, LogId, Snapshot, SnapshotMeta, StoredMembership, Types, position};
use crate::{ClusterError, ReplicatedState};

/// A group's state machine. Clones share it.
pub(crate) struct Machine<S: ReplicatedState>(Arc<Inner<S>>);

struct Inner<S: ReplicatedState> {
    log: LogStore<S>,
    state: Mutex<S>,
    progress: Mutex<Progress>,
    /// One apply at a time, off the runtime.
    lane: Offload,
    /// Held while a checkpoint is made durable, our own or a leader's: a later one is never followed by an earlier.
    saving: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Progress {
    applied: Option<LogId>,
    /// Memberships that were applied: the checkpoint's, then all later ones.
    memberships: Vec<StoredMembership>,
    checkpoint: Option<Checkpoint>,
    /// A durable checkpoint that openraft does not know yet.
    staged: Option<Checkpoint>,
}

impl Progress {
    /// The membership as of a position.
    fn membership_at(&self, index: u64) -> StoredMembership {
        let known = |stored: &&StoredMembership| stored.log_id().is_none_or(|id| id.index <= index);
        self.memberships.iter().rev().find(known).cloned().unwrap_or_default()
    }

    fn adopt(&mut self, checkpoint: Checkpoint) {
        let index = checkpoint.log_id.index;
        self.memberships.retain(|stored| stored.log_id().is_some_and(|id| id.index > index));
        self.memberships.insert(0, checkpoint.membership.clone());
        self.checkpoint = Some(checkpoint);
    }
}

impl<S: ReplicatedState> Clone for Machine<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ReplicatedState> Machine<S> {
    /// A state with nothing applied, or as of a checkpoint.
    pub(crate) fn new(log: LogStore<S>, lane: Offload, mut state: S, checkpoint: Option<Checkpoint>) -> Self {
        let mut progress = Progress::default();
        if let Some(checkpoint) = checkpoint {
            state.restore(&checkpoint.payload, position(&checkpoint.log_id));
            progress.applied = Some(checkpoint.log_id);
            progress.adopt(checkpoint);
        }
        let (state, progress) = (Mutex::new(state), Mutex::new(progress));
        Self(Arc::new(Inner { log, state, progress, lane, saving: tokio::sync::Mutex::default() }))
    }

    pub(crate) fn applied(&self) -> Option<LogId> {
        self.0.progress.lock().applied
    }

    /// Where the last checkpoint is.
    pub(crate) fn checkpoint_id(&self) -> Option<LogId> {
        self.0.progress.lock().checkpoint.as_ref().map(|checkpoint| checkpoint.log_id)
    }

    /// Applies entries in order. Blocks.
    pub(crate) fn apply_now(&self, entries: &[Entry<S>]) -> Vec<Option<S::Response>> {
        let mut state = self.0.state.lock();
        let responses = entries.iter().map(|entry| match &entry.payload {
            EntryPayload::Normal(proposal) => Some(state.apply(position(&entry.log_id), &proposal.command)),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        });
        let responses = responses.collect();
        let mut progress = self.0.progress.lock();
        for entry in entries {
            progress.applied = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = &entry.payload {
                progress.memberships.push(StoredMembership::new(Some(entry.log_id), membership.clone()));
            }
        }
        responses
    }

    /// Makes the checkpoint durable that `payload` makes at `id`: the next snapshot openraft asks for is this one. False
    /// when it is there already.
    pub(crate) async fn save_checkpoint(
        &self,
        id: LogId,
        payload: Bytes,
        refused: impl Fn(String) -> ClusterError,
    ) -> Result<bool, ClusterError> {
        let _one_at_a_time = self.0.saving.lock().await;
        let Some(checkpoint) = self.plan_checkpoint(id, payload).map_err(refused)? else { return Ok(false) };
        self.0.log.save_checkpoint(&checkpoint).await?;
        self.0.progress.lock().staged = Some(checkpoint);
        Ok(true)
    }

    /// The checkpoint that `payload` makes at `id`. Nothing when it is there already.
    fn plan_checkpoint(&self, id: LogId, payload: Bytes) -> Result<Option<Checkpoint>, String> {
        let progress = self.0.progress.lock();
        if progress.applied < Some(id) {
            return Err("the entry is not applied yet".to_owned());
        }
        match &progress.checkpoint {
            Some(last) if last.log_id == id => return Ok(None),
            Some(last) if last.log_id > id => {
                return Err(format!("the last checkpoint is later, at {}", position(&last.log_id)));
            }
            _ => {}
        }
        let membership = progress.membership_at(id.index);
        Ok(Some(Checkpoint { log_id: id, membership, payload }))
    }
}

/// Entries applied in one go, if so many are there.
const APPLIED_AT_ONCE: usize = 64;

impl<S: ReplicatedState> RaftStateMachine<Types<S>> for Machine<S> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let progress = self.0.progress.lock();
        Ok((progress.applied, progress.memberships.last().cloned().unwrap_or_default()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types<S>>, io::Error>> + Unpin + OptionalSend,
    {
        let mut chunks = entries.ready_chunks(APPLIED_AT_ONCE);
        while let Some(chunk) = chunks.next().await {
            let chunk: Vec<EntryResponder<Types<S>>> = chunk.into_iter().collect::<Result<_, _>>()?;
            let (entries, responders): (Vec<_>, Vec<_>) = chunk.into_iter().unzip();
            let last = entries.last().map(|entry: &Entry<S>| entry.log_id.index);
            let machine = self.clone();
            let applied = self.0.lane.run(move || machine.apply_now(&entries)).await;
            for (responder, response) in responders.into_iter().zip(applied.map_err(io::Error::other)?) {
                responder.into_iter().for_each(|responder| responder.send(response.clone()));
            }
            last.into_iter().for_each(|last| self.0.log.note_applied(last));
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, payload: Bytes) -> Result<(), io::Error> {
        let Some(log_id) = meta.last_log_id else {
            return Ok(());
        };
        let _one_at_a_time = self.0.saving.lock().await;
        let checkpoint = Checkpoint { log_id, membership: meta.last_membership.clone(), payload };
        self.0.log.save_checkpoint(&checkpoint).await.map_err(io::Error::other)?;
        let machine = self.clone();
        let restore = move || {
            machine.0.state.lock().restore(&checkpoint.payload, position(&log_id));
            let mut progress = machine.0.progress.lock();
            progress.applied = Some(log_id);
            progress.memberships.clear();
            progress.staged = None;
            progress.adopt(checkpoint);
        };
        self.0.lane.run(restore).await.map_err(io::Error::other)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.0.progress.lock().checkpoint.as_ref().map(snapshot_of))
    }
}

impl<S: ReplicatedState> RaftSnapshotBuilder<Types<S>> for Machine<S> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let mut progress = self.0.progress.lock();
        if let Some(staged) = progress.staged.take() {
            progress.adopt(staged);
        }
        let known = progress.checkpoint.as_ref().map(snapshot_of);
        known.ok_or_else(|| {
            let problem =
                "a snapshot was asked for, but no checkpoint was taken: the state alone does not tell one";
            io::Error::other(problem)
        })
    }
}

fn snapshot_of(checkpoint: &Checkpoint) -> Snapshot {
    let meta =
        SnapshotMeta { last_log_id: Some(checkpoint.log_id), last_membership: checkpoint.membership.clone() };
    Snapshot { meta, snapshot: checkpoint.payload.clone() }
}

impl<S: ReplicatedState> Machine<S> {
    /// Applies what is committed and in the journal, reading ahead of the apply. Blocks.
    pub(crate) fn replay(&self, group: latewood_wal::GroupId) -> Result<u64, ClusterError> {
        let log = self.0.log.clone();
        let first = self.applied().map_or(0, |id| id.index + 1);
        let until = log.committed().map_or(0, |id| id.index + 1);
        // A group's first entry has index 0, and nothing is missing in between.
        let (chunks, read) = std::sync::mpsc::sync_channel(1);
        let reader = move || {
            let mut from = first;
            while from < until {
                let chunk = log
                    .read_journal(from, until)
                    .and_then(|entries| consecutive::<S>(group, from, until, entries));
                from = chunk.as_ref().map_or(until, |entries| from + entries.len() as u64);
                if chunks.send(chunk).is_err() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(reader);
            for chunk in read {
                self.apply_now(&chunk?);
            }
            Ok(until.saturating_sub(first))
        })
    }
}

/// Entries of which none is missing at the front or in between.
fn consecutive<S: ReplicatedState>(
    group: latewood_wal::GroupId,
    from: u64,
    until: u64,
    entries: Vec<Entry<S>>,
) -> Result<Vec<Entry<S>>, ClusterError> {
    let out_of_place =
        (from..).zip(&entries).find(|(want, entry)| entry.log_id.index != *want).map(|(want, _)| want);
    let missing = if entries.is_empty() { Some(from) } else { out_of_place };
    match missing {
        None => Ok(entries),
        Some(index) => {
            let problem = format!("entry {index} is missing; entries up to {} are committed", until - 1);
            Err(ClusterError::Corrupt { group, problem })
        }
    }
}
