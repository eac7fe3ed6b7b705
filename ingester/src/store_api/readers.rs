//! Whose shards an ingester answers for, as they come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::future::join_all;
use latewood_base::Ulid;
use latewood_cluster::{ClusterError, Group, Position};
use latewood_proto::store::{Leaderless, Ring, StoreError};

use super::store::store_error;
use crate::head::Head;
use crate::journal::ShardState;

/// One shard, for reading.
#[derive(Clone, Debug)]
pub struct ShardReader {
    /// Its number in the catalogs.
    pub shard: u32,
    /// Its log, for read barriers.
    pub group: Group<ShardState>,
    /// Its data.
    pub head: Head,
}

/// The shards of an ingester.
pub trait ShardReaders: fmt::Debug + Send + Sync + 'static {
    /// Those that it leads now, each once. Whether it still does, their read barriers tell.
    fn readers(&self) -> Vec<ShardReader>;

    /// Those that it has a replica of and hears nobody lead, each once: they may lack what was acknowledged last.
    fn leaderless(&self) -> Vec<ShardReader>;

    /// Its cluster, and which shards it leads in which terms.
    fn ring(&self) -> Ring;
}

/// The shards of an ingester that stands alone: it leads all of them for as long as it runs.
#[derive(Debug)]
pub(crate) struct FixedShards {
    journal: Ulid,
    readers: Vec<ShardReader>,
}

impl FixedShards {
    /// The shards of a journal.
    pub(crate) fn new(journal: Ulid, readers: Vec<ShardReader>) -> Self {
        Self { journal, readers }
    }
}

impl ShardReaders for FixedShards {
    fn readers(&self) -> Vec<ShardReader> {
        self.readers.clone()
    }

    fn leaderless(&self) -> Vec<ShardReader> {
        self.readers.iter().filter(|reader| reader.group.is_leaderless()).cloned().collect()
    }

    fn ring(&self) -> Ring {
        // One whose disk refuses leads in no term any more, and is read all the same.
        let led = self.readers.iter().map(|one| (one.shard, one.group.leader_term().unwrap_or(0)));
        let led: BTreeMap<u32, u64> = led.collect();
        Ring {
            cluster: self.journal,
            node: u64::from_be_bytes(self.journal.to_bytes().last_chunk().copied().unwrap_or_default()),
            members: 1,
            shards: led.keys().copied().collect(),
            led,
            leaderless: BTreeMap::new(),
        }
    }
}

impl ShardReader {
    /// How far a replica is that hears no leader; none where it has nothing.
    pub(crate) fn leaderless(&self) -> Option<Leaderless> {
        let Position { term, index } = self.group.applied()?;
        Some(Leaderless { term, index, silent: self.group.silence() })
    }
}

/// The shards that a request asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Those that are led here, as far as is known before their barriers.
    pub(super) led: Vec<ShardReader>,
    /// Those that are answered as they are, without a leader.
    pub(super) stale: Vec<ShardReader>,
}

impl Asked {
    /// Those that a request asks for: all that are led, if it names none. Only with `allow_stale` such without a leader
    /// are among them.
    ///
    /// # Errors
    /// `NotLeader` with those that are not here.
    pub(super) fn of(
        shards: &dyn ShardReaders,
        wanted: &BTreeSet<u32>,
        allow_stale: bool,
    ) -> Result<Self, StoreError> {
        let led = shards.readers();
        if wanted.is_empty() {
            return Ok(Self { led, stale: Vec::new() });
        }
        let stale = if allow_stale { shards.leaderless() } else { Vec::new() };
        let is_stale: BTreeSet<u32> = stale.iter().map(|reader| reader.shard).collect();
        let mut this = Self { led, stale };
        this.led.retain(|reader| wanted.contains(&reader.shard) && !is_stale.contains(&reader.shard));
        this.stale.retain(|reader| wanted.contains(&reader.shard));
        let found: BTreeSet<u32> = this.led.iter().chain(&this.stale).map(|reader| reader.shard).collect();
        let shards: Vec<u32> = wanted.difference(&found).copied().collect();
        if shards.is_empty() { Ok(this) } else { Err(StoreError::NotLeader { shards }) }
    }
}

/// Returns when all that was acknowledged before can be read from each of them.
///
/// # Errors
/// `NotLeader` with those that are not led any more; above that, what another failed with.
pub(super) async fn barriers(readers: &[ShardReader]) -> Result<(), StoreError> {
    let waiting: Vec<_> = readers.iter().map(|reader| reader.group.read_barrier()).collect();
    let mut shards = Vec::new();
    for (reader, passed) in readers.iter().zip(join_all(waiting).await) {
        match passed {
            Ok(()) => {}
            Err(ClusterError::NotLeader { .. }) => shards.push(reader.shard),
            Err(error) => return Err(store_error(&error)),
        }
    }
    if shards.is_empty() { Ok(()) } else { Err(StoreError::NotLeader { shards }) }
}
