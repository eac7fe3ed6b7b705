//! Whose shards an ingester answers for, as they come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::future::join_all;
use latewood_base::Ulid;
use latewood_cluster::{ClusterError, Group};
use latewood_proto::store::{Ring, StoreError};

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
        }
    }
}

/// Those that a request asks for: all, if it names none.
///
/// # Errors
/// `NotLeader` with those that are not among them.
pub(super) fn asked(
    mut readers: Vec<ShardReader>,
    wanted: &BTreeSet<u32>,
) -> Result<Vec<ShardReader>, StoreError> {
    if wanted.is_empty() {
        return Ok(readers);
    }
    let led: BTreeSet<u32> = readers.iter().map(|reader| reader.shard).collect();
    let shards: Vec<u32> = wanted.difference(&led).copied().collect();
    if !shards.is_empty() {
        return Err(StoreError::NotLeader { shards });
    }
    readers.retain(|reader| wanted.contains(&reader.shard));
    Ok(readers)
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
