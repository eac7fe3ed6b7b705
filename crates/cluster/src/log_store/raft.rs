//! openraft's traits on the log store.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use latewood_wal::{Record, WalError};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader, StorageIOError};

use super::{KEY_COMMITTED, KEY_MEMBERSHIP, KEY_VOTE, LogStore};
use crate::ReplicatedState;
use crate::codec;
use crate::types::{Entry, LogId, StorageError, StoredMembership, Types, Vote};

fn write_failed(error: &WalError) -> StorageError {
    StorageIOError::write_logs(AnyError::new(error)).into()
}

impl<S: ReplicatedState> RaftLogReader<Types<S>> for LogStore<S> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<S>>, StorageError> {
        let from = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(from, until, usize::MAX - 1).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry<S>>, StorageError> {
        self.entries(start, end, self.0.chunk_bytes).await
    }
}

impl<S: ReplicatedState> RaftLogStorage<Types<S>> for LogStore<S> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<S>>, StorageError> {
        let log = self.0.log.lock();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let record = Record::state(self.0.group, KEY_VOTE, codec::encode_vote(vote));
        let saved = self.0.journal.append(vec![record]).await;
        saved.map_err(|error| StorageIOError::write_vote(AnyError::new(&error)))?;
        self.0.log.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.0.log.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let alone = {
            let mut log = self.0.log.lock();
            log.committed = committed;
            log.is_sole_voter(self.0.node)
        };
        // A single voter knows: all that is durable is committed.
        if let (false, Some(id)) = (alone, committed) {
            let record = Record::state(self.0.group, KEY_COMMITTED, codec::encode_bare_log_id(&id));
            self.0.journal.enqueue_lazily(vec![record]).await.map_err(|error| write_failed(&error))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.0.log.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types<S>>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry<S>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<S>> = entries.into_iter().collect();
        let next = entries.last().map_or(0, |entry| entry.log_id.index + 1);
        let (records, alone) = self.0.take(entries);
        let mut callback = Some(callback);
        let at_once = if alone { callback.take() } else { None };
        let inner = Arc::clone(&self.0);
        let done = move |result: Result<(), WalError>| {
            inner.note_durable(next, &result);
            if let Some(callback) = callback {
                callback.log_io_completed(result.map_err(std::io::Error::other));
            }
        };
        self.0.journal.enqueue(records, done).await.map_err(|error| write_failed(&error))?;
        if let Some(callback) = at_once {
            callback.log_io_completed(Ok(()));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let before = match log_id.index.checked_sub(1) {
            Some(index) => {
                self.log_id(index).map_err(|error| StorageIOError::read_logs(AnyError::new(&error)))?
            }
            None => None,
        };
        let mut records = vec![Record::truncate(self.0.group, log_id.index)];
        let loses_membership =
            self.0.log.lock().membership.log_id().is_some_and(|id| id.index >= log_id.index);
        if loses_membership {
            // Which one holds now is not looked for here: with none known, appends are reported late.
            let none = codec::encode_stored_membership(&StoredMembership::default());
            records.push(Record::state(self.0.group, KEY_MEMBERSHIP, none));
        }
        self.0.journal.append(records).await.map_err(|error| write_failed(&error))?;
        let mut log = self.0.log.lock();
        if loses_membership {
            log.membership = StoredMembership::default();
        }
        if log.last.is_some_and(|last| last.index >= log_id.index) {
            log.last = before.or(log.purged);
        }
        log.recent.split_off(&log_id.index);
        self.0.durable.send_modify(|durable| durable.next = durable.next.min(log_id.index));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.record_purge(log_id).await.map_err(|error| write_failed(&error))
    }
}
