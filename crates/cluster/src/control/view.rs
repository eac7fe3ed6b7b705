//! The cluster as its nodes agreed on it.

use std::collections::{BTreeMap, BTreeSet};

use latewood_base::Ulid;
use serde::{Deserialize, Serialize};

use crate::Site;

/// The cluster as its nodes agreed on it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterView {
    /// Grows with each change; 0 before the cluster was founded.
    pub generation: u64,
    /// The cluster's id; nil before it was founded.
    pub cluster: Ulid,
    /// How many replicas a shard is to have.
    pub replication_factor: usize,
    /// The nodes, by their ids.
    pub members: BTreeMap<u64, Member>,
    /// The shards, by their places.
    pub shards: Vec<ShardView>,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Where the other nodes reach it.
    pub address: String,
    /// What may fail as a whole.
    pub zone: String,
    /// Whether it is to have shards.
    pub status: MemberStatus,
    /// Whether it has little room left on its disk, as it told last: it is to lead no shard that another can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub low_on_disk: bool,
}

impl Member {
    /// One that is to have shards, and has room for them.
    #[must_use]
    pub fn new(address: impl Into<String>, zone: impl Into<String>) -> Self {
        let (address, zone) = (address.into(), zone.into());
        Self { address, zone, status: MemberStatus::Active, low_on_disk: false }
    }
}

/// Whether a node is to have shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// It is.
    Active,
    /// It gives away what it has, and may be stopped when it has none.
    Draining,
}

/// A shard, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardView {
    /// Its number in the catalogs, which no other log ever had.
    pub number: u32,
    /// The nodes that it was given to first: they form its group, and nobody else ever does.
    #[serde(default)]
    pub founders: Vec<u64>,
    /// The nodes that are to have it.
    pub replicas: Vec<u64>,
    /// The voters of its group, as its leader told last.
    pub voters: Vec<u64>,
    /// The entry of the shard's log that made them so.
    #[serde(default)]
    pub voters_at: u64,
    /// The node that is to lead it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
}

impl ShardView {
    /// A shard that nobody has yet.
    #[must_use]
    pub fn new(number: u32) -> Self {
        let (founders, replicas, voters) = (Vec::new(), Vec::new(), Vec::new());
        Self { number, founders, replicas, voters, voters_at: 0, leader: None }
    }
}

impl ClusterView {
    /// Whether the cluster was founded.
    #[must_use]
    pub fn is_founded(&self) -> bool {
        self.generation > 0
    }

    /// The nodes that are to have shards.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        let active = self.members.iter().filter(|(_, member)| member.status == MemberStatus::Active);
        active.map(|(node, member)| Site { node: *node, zone: member.zone.clone() }).collect()
    }

    /// The nodes that have little room left on their disks.
    #[must_use]
    pub fn low_on_disk(&self) -> BTreeSet<u64> {
        let low = self.members.iter().filter(|(_, member)| member.low_on_disk);
        low.map(|(node, _)| *node).collect()
    }

    /// Whether a node has a part in a shard's group, or is to have one. Its founders do until its voters are known, wherever it
    /// is to be by then: nobody else can form it.
    #[must_use]
    pub fn has(&self, place: usize, node: u64) -> bool {
        let shard = self.shards.get(place);
        shard.is_some_and(|shard| {
            let now = if shard.voters.is_empty() { &shard.founders } else { &shard.voters };
            shard.replicas.contains(&node) || now.contains(&node)
        })
    }

    /// How many shards a node has, or is to have.
    #[must_use]
    pub fn shards_of(&self, node: u64) -> usize {
        (0..self.shards.len()).filter(|place| self.has(*place, node)).count()
    }
}
