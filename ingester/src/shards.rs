//! The shards of this node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::Shard;

/// The shards of this node, by their places; of a cluster's they come and go. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shards(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: RwLock<BTreeMap<u32, Arc<Shard>>>,
    /// How many share the node's memory: of those that are being opened, too.
    count: Arc<AtomicU32>,
}

impl Shards {
    /// Those that are open, by their places.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Shard>> {
        self.0.open.read().values().cloned().collect()
    }

    /// The shard in a place, if it is open here.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<Arc<Shard>> {
        self.0.open.read().get(&place).cloned()
    }

    /// The places that are open.
    pub(crate) fn places(&self) -> Vec<u32> {
        self.0.open.read().keys().copied().collect()
    }

    /// How many share the node's memory.
    pub(crate) fn count(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.0.count)
    }

    /// Notes how many there are to be.
    pub(crate) fn expect(&self, count: u32) {
        self.0.count.store(count, Ordering::Relaxed);
    }

    pub(crate) fn insert(&self, shard: Arc<Shard>) {
        self.0.open.write().insert(shard.place(), shard);
    }

    pub(crate) fn remove(&self, place: u32) -> Option<Arc<Shard>> {
        self.0.open.write().remove(&place)
    }
}
