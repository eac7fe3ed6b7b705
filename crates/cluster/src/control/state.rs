//! The cluster as a function of the control group's log.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::{ClusterView, ControlCommand, Member, MemberStatus, ShardView};
use crate::{Placement, Position, ReplicatedState};

/// The most nodes of a cluster, and the most shards.
const MAX_MEMBERS: usize = 1_000;
const MAX_SHARDS: usize = 100_000;

/// The cluster as a replica of the control group knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The entry that made it so: a checkpoint of the view may be taken there.
    pub position: Position,
    /// The cluster.
    pub view: Arc<ClusterView>,
}

/// Applies the control group's log, and shows what came of it.
#[derive(Debug)]
pub struct ControlState(watch::Sender<Known>);

impl ControlState {
    /// Of a cluster that is not founded, and where to see it change.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Known>) {
        let (sender, receiver) = watch::channel(Known::default());
        (Self(sender), receiver)
    }

    /// The payload of a checkpoint at which the view was this one.
    #[must_use]
    pub fn checkpoint(view: &ClusterView) -> Bytes {
        serde_json::to_vec(view).unwrap_or_default().into()
    }
}

impl ReplicatedState for ControlState {
    type Command = ControlCommand;
    /// The generation that the change made, or why it was refused.
    type Response = Result<u64, String>;

    fn apply(&mut self, position: Position, command: &ControlCommand) -> Result<u64, String> {
        let mut view = ClusterView::clone(&self.0.borrow().view);
        view.change(command)?;
        view.generation += 1;
        let generation = view.generation;
        self.0.send_replace(Known { position, view: Arc::new(view) });
        Ok(generation)
    }

    fn restore(&mut self, checkpoint: &[u8], position: Position) {
        match serde_json::from_slice(checkpoint) {
            Ok(view) => drop(self.0.send_replace(Known { position, view: Arc::new(view) })),
            Err(error) => tracing::error!(%position, %error, "the cluster's checkpoint cannot be read"),
        }
    }
}

impl ClusterView {
    fn change(&mut self, command: &ControlCommand) -> Result<(), String> {
        if self.is_founded() == matches!(command, ControlCommand::Found { .. }) {
            let state = if self.is_founded() { "is founded already" } else { "is not founded yet" };
            return Err(format!("the cluster {state}"));
        }
        match command {
            ControlCommand::Found { cluster, replication_factor, shards, members } => {
                if !(1..=9).contains(replication_factor) || !(1..=MAX_SHARDS).contains(&shards.len()) {
                    return Err("a cluster has 1 to 9 replicas of 1 to 100000 shards".to_owned());
                }
                *self = Self {
                    generation: 0,
                    cluster: *cluster,
                    replication_factor: *replication_factor,
                    members: members.iter().cloned().collect(),
                    shards: shards.iter().copied().map(ShardView::new).collect(),
                };
                Ok(())
            }
            ControlCommand::Join { node, member } => {
                if self.members.len() >= MAX_MEMBERS && !self.members.contains_key(node) {
                    return Err(format!("a cluster has {MAX_MEMBERS} nodes at most"));
                }
                // Who was at that address has lost its disk, and has nothing more to give.
                let was_there =
                    |(other, known): &(&u64, &mut Member)| *other != node && known.address == member.address;
                for (_, lost) in self.members.iter_mut().filter(was_there) {
                    lost.status = MemberStatus::Draining;
                }
                // It tells itself when that has changed, and comes back with the disk that it went with.
                let low_on_disk = self.members.get(node).is_some_and(|known| known.low_on_disk);
                self.members.insert(*node, Member { low_on_disk, ..member.clone() });
                Ok(())
            }
            ControlCommand::Room { node, low_on_disk } => {
                let member = self.members.get_mut(node).ok_or_else(|| no_member(*node))?;
                member.low_on_disk = *low_on_disk;
                Ok(())
            }
            ControlCommand::Drain { node } => {
                let member = self.members.get_mut(node).ok_or_else(|| no_member(*node))?;
                member.status = MemberStatus::Draining;
                Ok(())
            }
            ControlCommand::Forget { node } => match self.shards_of(*node) {
                0 => self.members.remove(node).map(drop).ok_or_else(|| no_member(*node)),
                shards => Err(format!("node {node} still has {shards} shards")),
            },
            ControlCommand::Place { based_on, placement, leaders } => {
                self.place(*based_on, placement, leaders)
            }
            ControlCommand::Changed { shard, voters, at } => {
                let shard = self.shards.get_mut(*shard).ok_or("there is no such shard")?;
                if *at < shard.voters_at {
                    return Err(format!("the voters of entry {} are known already", shard.voters_at));
                }
                shard.voters.clone_from(voters);
                shard.voters_at = *at;
                Ok(())
            }
        }
    }

    fn place(&mut self, based_on: u64, placement: &Placement, leaders: &[Option<u64>]) -> Result<(), String> {
        if based_on != self.generation {
            return Err(format!("it was planned for generation {based_on}, and this is {}", self.generation));
        }
        if placement.len() != self.shards.len() || leaders.len() != self.shards.len() {
            return Err(format!("it places {} of {} shards", placement.len(), self.shards.len()));
        }
        if let Some(node) = placement.iter().flatten().find(|node| !self.members.contains_key(*node)) {
            return Err(no_member(*node));
        }
        for (shard, (replicas, leader)) in self.shards.iter_mut().zip(placement.iter().zip(leaders)) {
            shard.replicas.clone_from(replicas);
            if shard.founders.is_empty() {
                shard.founders.clone_from(replicas);
            }
            shard.leader = *leader;
        }
        Ok(())
    }
}

fn no_member(node: u64) -> String {
    format!("node {node} is no member of the cluster")
}
