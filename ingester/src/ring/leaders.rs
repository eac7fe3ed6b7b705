//! Which node was seen to lead which shard: hints alone, which the next write puts right.

use std::collections::BTreeMap;

use parking_lot::RwLock;

/// Which node was seen to lead which shard.
#[derive(Debug, Default)]
pub struct Leaders(RwLock<BTreeMap<u32, u64>>);

impl Leaders {
    /// The node that led a shard when it was seen last.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<u64> {
        self.0.read().get(&place).copied()
    }

    /// A node leads a shard.
    pub fn set(&self, place: u32, node: u64) {
        if self.get(place) != Some(node) {
            self.0.write().insert(place, node);
        }
    }

    /// `node` does not lead a shard, and names who does, if it knows.
    pub fn is_not(&self, place: u32, node: u64, leader: Option<u64>) {
        let mut leaders = self.0.write();
        match leader.filter(|leader| *leader != node) {
            Some(leader) => drop(leaders.insert(place, leader)),
            None if leaders.get(&place) == Some(&node) => drop(leaders.remove(&place)),
            None => {}
        }
    }
}
