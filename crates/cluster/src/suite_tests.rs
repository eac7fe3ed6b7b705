//! openraft's own storage suite on our log store and state machine.

use std::io;

use bytes::Bytes;
use futures::Stream;
use latewood_base::{Clock, Offload, Rng};
use latewood_wal::testing::MemoryFiles;
use latewood_wal::{Journal, WalConfig};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, RaftSnapshotBuilder, StorageError};
use prometheus_client::registry::Registry;

use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::types::{LogId, Snapshot, SnapshotMeta, StoredMembership, Types};
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
    type SnapshotData = Bytes;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        self.0.applied_state().await
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Raft>, io::Error>> + Unpin + OptionalSend,
    {
        self.0.apply(entries).await
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        Self(self.0.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Bytes) -> Result<(), io::Error> {
        self.0.install_snapshot(meta, snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        self.0.get_current_snapshot().await
    }
}

impl RaftSnapshotBuilder<Raft> for Eager {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let Some(applied) = self.0.applied() else {
            return Ok(Snapshot { meta: SnapshotMeta::default(), snapshot: Bytes::new() });
        };
        let saved =
            self.0.save_checkpoint(applied, Bytes::from_static(b"now"), |problem| panic!("{problem}"));
        saved.await.unwrap();
        self.0.build_snapshot().await
    }
}

struct Builder;

impl StoreBuilder<Raft, LogStore<Nothing>, Eager, Journal> for Builder {
    async fn build(&self) -> Result<(Journal, LogStore<Nothing>, Eager), StorageError<Raft>> {
        let (files, clock) = (MemoryFiles::new().mount(), Clock::manual(0).0);
        let opened =
            Journal::open_on(files, WalConfig::default(), &Rng::seeded(1), &clock, &mut Registry::default());
        let journal = opened.unwrap().0;
        let (log, checkpoint) = LogStore::open(3, 0, journal.clone(), Offload::new(1), 1 << 20).unwrap();
        let machine = Machine::new(log.clone(), Offload::new(1), Nothing, checkpoint);
        Ok((journal, log, Eager(machine)))
    }
}

#[tokio::test]
async fn the_log_store_and_the_state_machine_pass_openrafts_suite() {
    Suite::test_all(Builder).await.unwrap();
}
