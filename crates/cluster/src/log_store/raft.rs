//! openraft's traits on the log store.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use latewood_wal::{Record, WalError};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};

use super::{KEY_COMMITTED, KEY_MEMBERSHIP, KEY_VOTE, LogStore};
use crate::ReplicatedState;
use crate::codec;
use crate::types::{Entry, LogId, StoredMembership, Types, Vote};

impl<S: ReplicatedState> RaftLogReader<Types<S>> for LogStore<S> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<S>>, io::Error> {
        let (from, until) = bounds(&range);
        self.entries(from, until, usize::MAX - 1).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry<S>>, io::Error> {
        self.entries(start, end, self.0.chunk_bytes).await
    }

    /// In chunks: what is committed at once may be much of the log.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry<S>, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let ((from, until), store) = (bounds(&range), self.clone());
        let chunks = stream::try_unfold((from, store), move |(from, store)| async move {
            let chunk = store.entries(from, until, store.0.chunk_bytes).await?;
            if let Some(first) = chunk.first().map(|first| first.log_id.index).filter(|first| *first != from)
            {
                return Err(io::Error::other(format!("entries {from} to {} are missing", first - 1)));
            }
            let next = chunk.last().map(|last| last.log_id.index + 1);
            Ok::<_, io::Error>(next.map(|next| (stream::iter(chunk).map(Ok), (next, store))))
        });
        chunks.try_flatten().boxed()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.0.log.lock().vote)
    }
}

/// From the first index up to the one behind the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
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
    (from, until)
}

impl<S: ReplicatedState> RaftLogStorage<Types<S>> for LogStore<S> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<S>>, io::Error> {
        let log = self.0.log.lock();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let record = Record::state(self.0.group, KEY_VOTE, codec::encode_vote(vote));
        self.0.journal.append(vec![record]).await.map_err(io::Error::other)?;
        self.0.log.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let alone = {
            let mut log = self.0.log.lock();
            log.committed = committed;
            log.is_sole_voter(self.0.node)
        };
        // A single voter knows: all that is durable is committed.
        if let (false, Some(id)) = (alone, committed) {
            let record = Record::state(self.0.group, KEY_COMMITTED, codec::encode_bare_log_id(&id));
            self.0.journal.enqueue_lazily(vec![record]).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.0.log.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<S>>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry<S>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<S>> = entries.into_iter().collect();
        let next = entries.last().map_or(0, |last| last.log_id.index + 1);
        let (records, inner) = (self.0.take(entries), Arc::clone(&self.0));
        let done = move |result: Result<(), WalError>| {
            if result.is_ok() {
                inner.let_go(|log| log.written = log.written.max(next));
            }
            callback.io_completed(result.map_err(io::Error::other));
        };
        self.0.journal.enqueue(records, done).await.map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.map_or(0, |last| last.index + 1);
        let mut records = vec![Record::truncate(self.0.group, from)];
        let loses_membership = self.0.log.lock().membership.log_id().is_some_and(|id| id.index >= from);
        if loses_membership {
            // Which one holds now is not looked for here: none is known at the next start, until openraft tells.
            let none = codec::encode_stored_membership(&StoredMembership::default());
            records.push(Record::state(self.0.group, KEY_MEMBERSHIP, none));
        }
        self.0.journal.append(records).await.map_err(io::Error::other)?;
        let mut log = self.0.log.lock();
        if loses_membership {
            log.membership = StoredMembership::default();
        }
        if log.last.is_some_and(|last| last.index >= from) {
            log.last = last.max(log.purged);
        }
        log.recent.split_off(&from);
        log.written = log.written.min(from);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.record_purge(log_id).await.map_err(io::Error::other)
    }
}
