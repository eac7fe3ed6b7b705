//! By which way each shard was reached last: hints alone, which the next write puts right.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::time::Instant;

/// How often it is tried whether a node that was out of reach is reached again.
const PROBE: Duration = Duration::from_secs(2);

/// A way to who leads a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The node that is asked.
    pub node: u64,
    /// The node that leads and is out of reach from here; the one that is asked passes on to it.
    pub relay_to: Option<u64>,
}

impl Way {
    /// To a node itself.
    #[must_use]
    pub fn direct(node: u64) -> Self {
        Self { node, relay_to: None }
    }
}

/// By which way each shard was reached last.
#[derive(Debug, Default)]
pub struct Leaders(RwLock<BTreeMap<u32, Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    way: Way,
    /// When it was last tried whether who leads is reached again.
    probed: Instant,
}

impl Leaders {
    /// The way by which a shard was reached last.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<Way> {
        self.0.read().get(&place).map(|seen| seen.way)
    }

    /// A way leads to a shard.
    pub fn set(&self, place: u32, way: Way) {
        if self.get(place) != Some(way) {
            self.0.write().insert(place, Seen { way, probed: Instant::now() });
        }
    }

    /// `node` does not lead a shard, nor leads there, and names who does, if it knows.
    pub fn is_not(&self, place: u32, node: u64, leader: Option<u64>) {
        match leader.filter(|leader| *leader != node) {
            Some(leader) => self.set(place, Way::direct(leader)),
            None => {
                let mut seen = self.0.write();
                if seen.get(&place).is_some_and(|seen| seen.way.node == node) {
                    seen.remove(&place);
                }
            }
        }
    }

    /// Who leads a shard that is reached through another node, if it is time to try again whether it is reached from here;
    /// then not for a while.
    pub fn probe(&self, place: u32) -> Option<u64> {
        let mut all = self.0.write();
        let seen = all.get_mut(&place).filter(|seen| seen.probed.elapsed() >= PROBE)?;
        let leader = seen.way.relay_to?;
        seen.probed = Instant::now();
        Some(leader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_leader_out_of_reach_is_tried_again_now_and_then() {
        let leaders = Leaders::default();
        let relay = Way { node: 2, relay_to: Some(3) };
        leaders.set(0, Way::direct(3));
        leaders.set(1, relay);
        assert_eq!((leaders.probe(0), leaders.probe(1)), (None, None));
        tokio::time::advance(PROBE).await;
        leaders.set(1, relay);
        assert_eq!((leaders.probe(0), leaders.probe(1), leaders.probe(1)), (None, Some(3), None));
        leaders.is_not(1, 3, None);
        assert_eq!(leaders.get(1), Some(relay), "node 3 was not asked");
        leaders.is_not(1, 2, None);
        assert_eq!(leaders.get(1), None);
    }
}
