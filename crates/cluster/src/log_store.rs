//! A group's log in the journal, as openraft wants it.
//!
//! Entries stay typed in memory from their append until they were applied and written, so that applying reads nothing
//! back. A majority may have an entry before this node's disk has it: it can be applied, and sent on, before it can be read. Many appends are under way at once and share an fsync; openraft is told of each when it is durable.

mod raft;
mod slots;

pub use slots::{known_groups, retire};

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use latewood_base::Offload;
use latewood_wal::{GroupId, Journal, Record, WalError};
use openraft::EntryPayload;
use parking_lot::Mutex;

use crate::codec::{self, Checkpoint};
use crate::types::{Entry, LogId, NodeId, StoredMembership, Vote, is_sole_voter};
use crate::{ClusterError, DecodeError, ReplicatedState};

const KEY_VOTE: u64 = 1;
const KEY_COMMITTED: u64 = 2;
const KEY_PURGED: u64 = 3;
const KEY_MEMBERSHIP: u64 = 4;
const KEY_CHECKPOINT: u64 = 5;
const KEY_RETIRED: u64 = 6;

/// A group's log. Clones share it.
pub(crate) struct LogStore<S: ReplicatedState>(Arc<Inner<S>>);

struct Inner<S: ReplicatedState> {
    /// The group of the journal that has the log.
    group: GroupId,
    node: NodeId,
    journal: Journal,
    /// Where the journal is read back.
    lane: Offload,
    chunk_bytes: usize,
    log: Mutex<Log<S>>,
}

struct Log<S: ReplicatedState> {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The newest membership in the log or in the checkpoint.
    membership: StoredMembership,
    /// Entries that are not applied yet, or not written.
    recent: BTreeMap<u64, Entry<S>>,
    /// Entries below this index are applied.
    applied: u64,
    /// Entries below this index are in the journal.
    written: u64,
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
        lane: Offload,
        chunk_bytes: usize,
    ) -> Result<(Self, Option<Checkpoint>), ClusterError> {
        let corrupt = |error: DecodeError| ClusterError::Corrupt { group, problem: error.to_string() };
        let group = slots::current(&journal, group);
        let state = |key| journal.state(group, key);
        let checkpoint = state(KEY_CHECKPOINT).map(codec::decode_checkpoint).transpose().map_err(corrupt)?;
        let vote = state(KEY_VOTE).map(codec::decode_vote).transpose().map_err(corrupt)?;
        let purged = state(KEY_PURGED).map(codec::decode_bare_log_id).transpose().map_err(corrupt)?;
        if let (Some(purged), Some(taken)) = (purged, checkpoint.as_ref().map(|checkpoint| checkpoint.log_id))
            && purged > taken
        {
            let problem = format!("it is purged up to {purged}, and its checkpoint is of {taken}");
            return Err(ClusterError::Corrupt { group, problem });
        }
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
            written: last.or(purged).map_or(0, |last| last.index + 1),
            last: last.or(purged),
            membership: membership.unwrap_or_default(),
            recent: BTreeMap::new(),
            applied: 0,
        };
        let inner = Inner { group, node, journal, lane, chunk_bytes, log: Mutex::new(log) };
        Ok((Self(Arc::new(inner)), checkpoint))
    }

    /// The entries that are known to be committed: with a single voter all that are durable.
    pub(crate) fn committed(&self) -> Option<LogId> {
        let log = self.0.log.lock();
        if log.is_sole_voter(self.0.node) { log.last } else { log.committed.min(log.last) }
    }

    /// The id of the entry at `index`, if it is there. Blocks for a read from disk.
    pub(crate) fn log_id(&self, index: u64) -> Result<Option<LogId>, ClusterError> {
        if let Some(entry) = self.0.log.lock().recent.get(&index) {
            return Ok(Some(entry.log_id));
        }
        read_log_id(&self.0.journal, self.0.group, index)
    }

    /// Notes that the entries up to and with `index` were applied.
    pub(crate) fn note_applied(&self, index: u64) {
        self.0.let_go(|log| log.applied = log.applied.max(index + 1));
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

    async fn read_journal_off_runtime(&self, from: u64, until: u64) -> io::Result<Vec<Entry<S>>> {
        let store = self.clone();
        let read = self.0.lane.run(move || store.read_journal(from, until)).await;
        read.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    /// Where the log begins at `from` or later; what was before was purged.
    fn begin(&self, from: u64) -> u64 {
        let in_journal = self.0.journal.bounds(self.0.group).first;
        let log = self.0.log.lock();
        let typed = log.recent.keys().next().copied();
        let first = in_journal.into_iter().chain(typed).min().unwrap_or(0);
        from.max(first).max(log.purged.map_or(0, |purged| purged.index + 1))
    }

    /// Where reading goes on at `from`: the typed entry there, or up to where the journal must be asked.
    fn look(&self, from: u64, until: u64) -> Look<S> {
        let log = self.0.log.lock();
        let until = until.min(log.last.map_or(0, |last| last.index + 1));
        if from >= until {
            return Look::Nothing;
        }
        match log.recent.range(from..until).next() {
            Some((index, _)) if *index > from => Look::Journal(from, *index),
            None => Look::Journal(from, until),
            Some(_) => Look::Recent(log.recent.range(from..until).map(|(_, entry)| entry.clone()).collect()),
        }
    }

    /// Entries of `[from, until)` in their order, until there are so many bytes; at least one, if there is one.
    async fn entries(&self, mut from: u64, until: u64, max_bytes: usize) -> io::Result<Vec<Entry<S>>> {
        let (mut out, mut bytes) = (Vec::new(), 0_usize);
        while bytes <= max_bytes {
            let begin = self.begin(from);
            if begin > from && !out.is_empty() {
                break;
            }
            from = begin;
            let more = match self.look(from, until) {
                Look::Nothing => break,
                Look::Recent(entries) => entries,
                Look::Journal(first, end) => self.read_journal_off_runtime(first, end).await?,
            };
            if more.first().is_none_or(|first| first.log_id.index > from) {
                // Purged meanwhile; otherwise there is a hole, and what comes after it must not follow what is before.
                if self.begin(from) > from {
                    continue;
                }
                return Err(io::Error::other(format!("entry {from} is missing from the log")));
            }
            for entry in more {
                from = entry.log_id.index + 1;
                bytes = bytes.saturating_add(size::<S>(&entry));
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
    /// Notes what became of the log, and lets go of the typed entries that are applied and written.
    fn let_go(&self, note: impl FnOnce(&mut Log<S>)) {
        let mut log = self.log.lock();
        note(&mut log);
        let needed = log.applied.min(log.written);
        let keep = log.recent.split_off(&needed);
        let gone = std::mem::replace(&mut log.recent, keep);
        drop(log);
        drop(gone);
    }

    /// Takes entries into memory; gives back their records.
    fn take(&self, entries: Vec<Entry<S>>) -> Vec<Record> {
        let mut log = self.log.lock();
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let (head, rest) = codec::encode_entry::<S>(&entry);
            records.push(Record::entry_of(self.group, entry.log_id.index, head, rest));
            log.last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = &entry.payload {
                log.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                let value = codec::encode_stored_membership(&log.membership);
                records.push(Record::state(self.group, KEY_MEMBERSHIP, value));
            }
            log.recent.insert(entry.log_id.index, entry);
        }
        records
    }
}
