//! openraft's own storage suite on our log store and state machine.

use std::io::Cursor;

use bytes::Bytes;
use latewood_base::{Clock, Rng};
use latewood_wal::testing::MemoryFiles;
use latewood_wal::{Journal, WalConfig};
use openraft::storage::RaftStateMachine;
use openraft::testing::{StoreBuilder, Suite};
use openraft::{OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta};
use prometheus_client::registry::Registry;

use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::types::{Entry, LogId, StorageError, StoredMembership, Types};
use crate::{Command, DecodeError, Position, ReplicatedState};

#[derive(Clone, Debug)]
struct Nothing;

impl Command for Nothing {
    fn encode(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(_: Bytes) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl ReplicatedState for Nothing {
    type Command = Self;
    type Response = ();

    fn apply(&mut self, _: Position, _: &Self) {}

    fn restore(&mut self, _: &[u8], _: Position) {}
}

type Raft = Types<Nothing>;

/// Our state machine, for a caller that wants a snapshot of now: our owners take checkpoints first.
struct Eager(Machine<Nothing>);

impl RaftStateMachine<Raft> for Eager {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        self.0.applied_state().await
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Option<()>>, StorageError>
    where
        I: IntoIterator<Item = Entry<Nothing>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // The suite applies entries that were never appended: there is nothing to wait for.
        Ok(self.0.apply_now(&entries.into_iter().collect::<Vec<_>>()))
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        Self(self.0.clone())
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        self.0.begin_receiving_snapshot().await
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, openraft::BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        self.0.install_snapshot(meta, snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Raft>>, StorageError> {
        self.0.get_current_snapshot().await
    }
}

impl RaftSnapshotBuilder<Raft> for Eager {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Raft>, StorageError> {
        let Some(applied) = self.0.applied() else {
            return Ok(Snapshot { meta: SnapshotMeta::default(), snapshot: Box::default() });
        };
        if let Some(checkpoint) = self.0.plan_checkpoint(applied, Bytes::from_static(b"now")).unwrap() {
            self.0.stage(checkpoint);
        }
        self.0.build_snapshot().await
    }
}

struct Builder;

impl StoreBuilder<Raft, LogStore<Nothing>, Eager, Journal> for Builder {
    async fn build(&self) -> Result<(Journal, LogStore<Nothing>, Eager), StorageError> {
        let (files, clock) = (MemoryFiles::new().mount(), Clock::manual(0).0);
        let opened =
            Journal::open_on(files, WalConfig::default(), &Rng::seeded(1), &clock, &mut Registry::default());
        let journal = opened.unwrap().0;
        let (log, checkpoint) = LogStore::open(3, 0, journal.clone(), 1 << 20).unwrap();
        let machine = Machine::new(log.clone(), Nothing, checkpoint);
        Ok((journal, log, Eager(machine)))
    }
}

#[test]
fn the_log_store_and_the_state_machine_pass_openrafts_suite() {
    Suite::test_all(Builder).unwrap();
}
