//! A group's log in the journal, as openraft wants it.
//!
//! Entries stay typed in memory from their append until they were applied, so that applying reads nothing
//! back. openraft 0.9 waits for an append to be durable before it takes the next one. With a single voter
//! nothing but this node depends on that, so it is told at once, and [`Durable`] holds back the *apply*
//! instead: appends of one group then share an fsync too, and still nothing is applied or acknowledged
//! that is not durable. With several voters it is told when the append is durable.

mod raft;

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_wal::{GroupId, Journal, Record, WalError};
use openraft::{AnyError, EntryPayload, StorageIOError};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::codec::{self, Checkpoint};
use crate::types::{Entry, LogId, NodeId, StorageError, StoredMembership, Vote, is_sole_voter};
use crate::{ClusterError, DecodeError, ReplicatedState};

const KEY_VOTE: u64 = 1;
const KEY_COMMITTED: u64 = 2;
const KEY_PURGED: u64 = 3;
const KEY_MEMBERSHIP: u64 = 4;
const KEY_CHECKPOINT: u64 = 5;

/// How much of the log is durable.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    /// Entries below this index are.
    pub(crate) next: u64,
    /// Why no more will be.
    pub(crate) failed: Option<WalError>,
}

/// A group's log. Clones share it.
pub(crate) struct LogStore<S: ReplicatedState>(Arc<Inner<S>>);

struct Inner<S: ReplicatedState> {
    group: GroupId,
    node: NodeId,
    journal: Journal,
    chunk_bytes: usize,
    log: Mutex<Log<S>>,
    durable: watch::Sender<Durable>,
}

struct Log<S: ReplicatedState> {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The newest membership in the log or in the checkpoint.
    membership: StoredMembership,
    /// Entries that are not applied yet, and may not even be written.
    recent: BTreeMap<u64, Entry<S>>,
}

impl<S: ReplicatedState> Clone for LogStore<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ReplicatedState> LogStore<S> {
    /// Reads what the journal has of a group. Blocks.
    pub(crate) fn open(
        group: GroupId,
        node: NodeId,
        journal: Journal,
        chunk_bytes: usize,
    ) -> Result<(Self, Option<Checkpoint>), ClusterError> {
        let corrupt = |error: DecodeError| ClusterError::Corrupt { group, problem: error.to_string() };
        let state = |key| journal.state(group, key);
        let checkpoint = state(KEY_CHECKPOINT).map(codec::decode_checkpoint).transpose().map_err(corrupt)?;
        let mut vote = state(KEY_VOTE).map(codec::decode_vote).transpose().map_err(corrupt)?;
        if let Some(vote) = &mut vote {
            // A node that starts again leads in a new term, never in the one it led before: what it
            // appended last in that one may be lost, and no position may be given twice.
            vote.committed = false;
        }
        let purged = state(KEY_PURGED).map(codec::decode_bare_log_id).transpose().map_err(corrupt)?;
        let last = match journal.bounds(group).last {
            Some(last) => read_log_id(&journal, group, last)?,
            None => None,
        };
        let membership =
            state(KEY_MEMBERSHIP).map(codec::decode_stored_membership).transpose().map_err(corrupt)?;
        let log = Log {
            vote,
            committed: state(KEY_COMMITTED).map(codec::decode_bare_log_id).transpose().map_err(corrupt)?,
            purged,
            last: last.or(purged),
            membership: membership.unwrap_or_default(),
            recent: BTreeMap::new(),
        };
        let next = log.last.map_or(0, |last| last.index + 1);
        let durable = watch::Sender::new(Durable { next, failed: None });
        let inner = Inner { group, node, journal, chunk_bytes, log: Mutex::new(log), durable };
        Ok((Self(Arc::new(inner)), checkpoint))
    }

    /// The entries that are known to be committed: with a single voter all that are durable.
    pub(crate) fn committed(&self) -> Option<LogId> {
        let log = self.0.log.lock();
        if log.is_sole_voter(self.0.node) { log.last } else { log.committed.min(log.last) }
    }

    pub(crate) fn durable(&self) -> watch::Receiver<Durable> {
        self.0.durable.subscribe()
    }

    /// The id of the entry at `index`, if it is there. Blocks for a read from disk.
    pub(crate) fn log_id(&self, index: u64) -> Result<Option<LogId>, ClusterError> {
        if let Some(entry) = self.0.log.lock().recent.get(&index) {
            return Ok(Some(entry.log_id));
        }
        read_log_id(&self.0.journal, self.0.group, index)
    }

    /// Lets go of the typed entries up to and with `index`: they were applied.
    pub(crate) fn forget(&self, index: u64) {
        let mut log = self.0.log.lock();
        let keep = log.recent.split_off(&(index + 1));
        let gone = std::mem::replace(&mut log.recent, keep);
        drop(log);
        drop(gone);
    }

    /// Makes a checkpoint durable.
    pub(crate) async fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), WalError> {
        let record = Record::state(self.0.group, KEY_CHECKPOINT, codec::encode_checkpoint(checkpoint));
        self.0.journal.append(vec![record]).await
    }

    /// Purges what a checkpoint covers, when the node stopped between the two.
    pub(crate) async fn finish_purge(&self, checkpoint: Option<LogId>) -> Result<(), WalError> {
        match checkpoint {
            Some(id) if self.0.log.lock().purged < Some(id) => self.record_purge(id).await,
            _ => Ok(()),
        }
    }

    async fn record_purge(&self, log_id: LogId) -> Result<(), WalError> {
        {
            let mut log = self.0.log.lock();
            log.purged = log.purged.max(Some(log_id));
            log.last = log.last.max(Some(log_id));
            log.recent = log.recent.split_off(&(log_id.index + 1));
        }
        // The id first: a crash in between leaves entries that are known to be purged, never the reverse.
        let id = Record::state(self.0.group, KEY_PURGED, codec::encode_bare_log_id(&log_id));
        let purge = Record::purge(self.0.group, log_id.index);
        let group = self.0.group;
        let done = move |result: Result<(), WalError>| {
            if let Err(error) = result {
                tracing::warn!(group, %error, "cannot record a purge of the log; it is done again at the next start");
            }
        };
        self.0.journal.enqueue(vec![id, purge], done).await
    }

    /// Entries of `[from, until)` that are in the journal, at least one if there is one. Blocks.
    pub(crate) fn read_journal(&self, from: u64, until: u64) -> Result<Vec<Entry<S>>, ClusterError> {
        let group = self.0.group;
        let records = self.0.journal.read(group, from..until, self.0.chunk_bytes)?;
        let entries = records.into_iter().map(|(index, bytes)| {
            codec::decode_entry::<S>(index, bytes)
                .map_err(|error| ClusterError::Corrupt { group, problem: format!("entry {index}: {error}") })
        });
        entries.collect()
    }

    async fn read_journal_off_runtime(&self, from: u64, until: u64) -> Result<Vec<Entry<S>>, StorageError> {
        let store = self.clone();
        let read = tokio::task::spawn_blocking(move || store.read_journal(from, until)).await;
        let failed = |error: &dyn ToString| {
            StorageIOError::read_log_at_index(from, AnyError::error(error.to_string()))
        };
        match read {
            Ok(Ok(entries)) => Ok(entries),
            Ok(Err(error)) => Err(failed(&error).into()),
            Err(error) => Err(failed(&error).into()),
        }
    }

    /// Where reading goes on at `from`: the typed entry there, or up to where the journal must be asked.
    fn look(&self, from: u64, until: u64) -> Look<S> {
        let log = self.0.log.lock();
        let until = until.min(log.last.map_or(0, |last| last.index + 1));
        let from = from.max(log.purged.map_or(0, |purged| purged.index + 1));
        if from >= until {
            return Look::Nothing;
        }
        match log.recent.range(from..until).next() {
            Some((index, _)) if *index > from => Look::Journal(from, *index),
            None => Look::Journal(from, until),
            Some(_) => Look::Recent(log.recent.range(from..until).map(|(_, entry)| entry.clone()).collect()),
        }
    }

    async fn entries(
        &self,
        mut from: u64,
        until: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry<S>>, StorageError> {
        let (mut out, mut bytes) = (Vec::new(), 0_usize);
        while bytes <= max_bytes {
            let more = match self.look(from, until) {
                Look::Nothing => break,
                Look::Recent(entries) => entries,
                Look::Journal(first, end) => {
                    let entries = self.read_journal_off_runtime(first, end).await?;
                    if entries.is_empty() {
                        // A hole: what is not there is left out.
                        from = end;
                        continue;
                    }
                    entries
                }
            };
            for entry in more {
                from = entry.log_id.index + 1;
                bytes = bytes.saturating_add(size(&entry));
                out.push(entry);
                if bytes > max_bytes {
                    break;
                }
            }
        }
        Ok(out)
    }
}

enum Look<S: ReplicatedState> {
    Nothing,
    Recent(Vec<Entry<S>>),
    Journal(u64, u64),
}

fn size<S: ReplicatedState>(entry: &Entry<S>) -> usize {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.bytes.len(),
        _ => 0,
    }
}

fn read_log_id(journal: &Journal, group: GroupId, index: u64) -> Result<Option<LogId>, ClusterError> {
    let records = journal.read(group, index..index.saturating_add(1), 1)?;
    let id = records.into_iter().next().map(|(index, bytes)| codec::decode_log_id(index, bytes)).transpose();
    id.map_err(|error| ClusterError::Corrupt { group, problem: format!("entry {index}: {error}") })
}

impl<S: ReplicatedState> Log<S> {
    fn is_sole_voter(&self, node: NodeId) -> bool {
        let id = self.membership.log_id();
        // A membership beyond the log was truncated away.
        id.is_some() && *id <= self.last && is_sole_voter(self.membership.membership(), node)
    }
}

impl<S: ReplicatedState> Inner<S> {
    /// Takes entries into memory; gives back their records, and whether this node is the only voter
    /// before and after them.
    fn take(&self, entries: Vec<Entry<S>>) -> (Vec<Record>, bool) {
        let mut log = self.log.lock();
        let mut alone = log.is_sole_voter(self.node);
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let (head, rest) = codec::encode_entry(&entry);
            records.push(Record::entry_of(self.group, entry.log_id.index, head, rest));
            log.last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = &entry.payload {
                log.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                let value = codec::encode_stored_membership(&log.membership);
                records.push(Record::state(self.group, KEY_MEMBERSHIP, value));
                alone &= log.is_sole_voter(self.node);
            }
            log.recent.insert(entry.log_id.index, entry);
        }
        (records, alone)
    }

    fn note_durable(&self, next: u64, result: &Result<(), WalError>) {
        self.durable.send_modify(|durable| match result {
            Ok(()) => durable.next = durable.next.max(next),
            Err(error) => durable.failed = durable.failed.take().or_else(|| Some(error.clone())),
        });
    }
}
