//! A network that delays, doubles, overtakes, loses and parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{ClusterError, Group, GroupId, Peer, ReplicatedState, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::Rng;
use parking_lot::Mutex;

/// A replica of the one group that is simulated.
#[async_trait]
trait Replica: fmt::Debug + Send + Sync {
    async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError>;
}

#[async_trait]
impl<S: ReplicatedState> Replica for Group<S> {
    async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError> {
        Self::answer(self, request).await
    }
}

/// The wires between all nodes. Clones share them.
#[derive(Clone, Debug)]
pub struct Wires {
    rng: Rng,
    wiring: Arc<Mutex<Wiring>>,
}

#[derive(Debug, Default)]
struct Wiring {
    /// The groups that can be reached, each with the number of its node's start.
    groups: BTreeMap<u64, (u64, Arc<dyn Replica>)>,
    /// Nodes that reach each other alone, and not the others.
    island: BTreeSet<u64>,
    /// Percent of messages that are lost.
    loss: u64,
}

impl Wires {
    /// Wires that are whole and lose nothing yet.
    #[must_use]
    pub fn new(rng: &Rng) -> Self {
        Self { rng: rng.clone(), wiring: Arc::default() }
    }

    /// A start of a node is reached from now on.
    pub fn connect<S: ReplicatedState>(&self, node: u64, start: u64, group: Group<S>) {
        self.wiring.lock().groups.insert(node, (start, Arc::new(group)));
    }

    /// A node is gone: nothing comes to it, nor from it.
    pub fn disconnect(&self, node: u64) {
        self.wiring.lock().groups.remove(&node);
    }

    /// These nodes reach each other, and none of the others.
    pub fn part(&self, island: BTreeSet<u64>) {
        self.wiring.lock().island = island;
    }

    /// So many percent of all messages are lost.
    pub fn lose(&self, percent: u64) {
        self.wiring.lock().loss = percent;
    }

    /// One message on its way; where it comes to, if it does.
    async fn carry(&self, from: (u64, u64), to: u64) -> Option<Arc<dyn Replica>> {
        let delay = match self.rng.below(20) {
            0 => self.rng.below(300),
            _ => self.rng.below(10),
        };
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let wiring = self.wiring.lock();
        let is_lost = self.rng.below(100) < wiring.loss;
        let parted = wiring.island.contains(&from.0) != wiring.island.contains(&to);
        let is_alive = wiring.groups.get(&from.0).is_some_and(|(start, _)| *start == from.1);
        if is_lost || parted || !is_alive {
            return None;
        }
        wiring.groups.get(&to).map(|(_, group)| Arc::clone(group))
    }
}

/// The wires as one start of a node has them.
#[derive(Clone, Debug)]
pub struct Plug {
    /// The node.
    pub node: u64,
    /// The number of its start.
    pub start: u64,
    /// All wires.
    pub wires: Wires,
}

#[async_trait]
impl Transport for Plug {
    async fn ask(&self, peer: &Peer, _: GroupId, request: Bytes) -> Result<Bytes, TransportError> {
        let lost = || TransportError::Lost { peer: peer.clone(), reason: "it went away".to_owned() };
        let from = (self.node, self.start);
        if self.wires.rng.below(50) == 0 {
            // Twice, and the other time nobody waits for the answer.
            let (wires, to, request) = (self.wires.clone(), peer.id, request.clone());
            tokio::spawn(async move {
                if let Some(group) = wires.carry(from, to).await {
                    drop(group.answer(request).await);
                }
            });
        }
        let group = self.wires.carry(from, peer.id).await.ok_or_else(lost)?;
        let answer = group.answer(request).await.map_err(|_| lost())?;
        self.wires.carry(from, peer.id).await.map(|_| answer).ok_or_else(lost)
    }
}
