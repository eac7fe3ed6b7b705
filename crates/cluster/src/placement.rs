//! Which nodes have which shards: pure.
//!
//! A placement keeps, in this order: as many replicas of each shard as asked for, in as many zones as there can be, as
//! evenly over the nodes as zones allow, and what there was before, so that little must be copied.

mod leads;

use std::collections::{BTreeMap, BTreeSet};

pub use leads::lead;

/// A node that can have replicas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The node's id.
    pub node: u64,
    /// What may fail as a whole; nodes without one are in a zone of that name.
    pub zone: String,
}

/// The nodes of each shard, by the shards' places.
pub type Placement = Vec<Vec<u64>>;

/// Where the replicas of all shards are to be. `before` is where they are, by the shards' places; a new shard has
/// none. With fewer sites than `replicas` each shard is on all of them.
#[must_use]
pub fn place(before: &[Vec<u64>], sites: &[Site], replicas: usize) -> Placement {
    let mut planner = Planner::new(before, sites, replicas);
    planner.fill();
    planner.spread_over_zones();
    planner.balance();
    planner.shards
}

struct Planner<'a> {
    shards: Placement,
    zones: BTreeMap<u64, &'a str>,
    load: BTreeMap<u64, usize>,
    replicas: usize,
}

impl<'a> Planner<'a> {
    /// What there is, less what is on nodes that are no site.
    fn new(before: &[Vec<u64>], sites: &'a [Site], replicas: usize) -> Self {
        let zones: BTreeMap<u64, &str> = sites.iter().map(|site| (site.node, site.zone.as_str())).collect();
        let mut load: BTreeMap<u64, usize> = zones.keys().map(|node| (*node, 0)).collect();
        let kept = |nodes: &Vec<u64>| {
            let mut kept: Vec<u64> = Vec::with_capacity(replicas);
            for node in nodes.iter().filter(|node| zones.contains_key(*node)) {
                if kept.len() < replicas && !kept.contains(node) {
                    kept.push(*node);
                }
            }
            kept
        };
        let shards: Placement = before.iter().map(kept).collect();
        for node in shards.iter().flatten() {
            *load.entry(*node).or_default() += 1;
        }
        Self { shards, zones, load, replicas: replicas.min(sites.len()) }
    }

    fn load(&self, node: u64) -> usize {
        self.load.get(&node).copied().unwrap_or(0)
    }

    fn zone(&self, node: u64) -> &'a str {
        self.zones.get(&node).copied().unwrap_or_default()
    }

    /// Zones of some nodes.
    fn zones_of(&self, nodes: &[u64]) -> BTreeSet<&'a str> {
        nodes.iter().map(|node| self.zone(*node)).collect()
    }

    /// Gives each shard the replicas that it lacks.
    fn fill(&mut self) {
        for place in 0..self.shards.len() {
            while let Some(node) = self.best_for(place) {
                if self.shards.get(place).is_none_or(|nodes| nodes.len() >= self.replicas) {
                    break;
                }
                self.put(place, node);
            }
        }
    }

    /// The node without a replica of the shard that should have one: in a new zone, and with the least.
    fn best_for(&self, place: usize) -> Option<u64> {
        let nodes = self.shards.get(place)?;
        let zones = self.zones_of(nodes);
        let free = self.zones.keys().copied().filter(|node| !nodes.contains(node));
        // Of equals another for each shard, so that pairs of nodes have not always the same shards in common.
        let turn = |node: u64| (node.wrapping_add(place as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        free.min_by_key(|node| (zones.contains(self.zone(*node)), self.load(*node), turn(*node), *node))
    }

    fn put(&mut self, place: usize, node: u64) {
        if let Some(nodes) = self.shards.get_mut(place) {
            nodes.push(node);
            *self.load.entry(node).or_default() += 1;
        }
    }

    fn replace(&mut self, place: usize, old: u64, new: u64) {
        let slot = self.shards.get_mut(place).and_then(|nodes| nodes.iter_mut().find(|node| **node == old));
        if let Some(slot) = slot {
            *slot = new;
            *self.load.entry(old).or_default() -= 1;
            *self.load.entry(new).or_default() += 1;
        }
    }

    /// Moves replicas that share a zone into zones that the shard is not in.
    fn spread_over_zones(&mut self) {
        for place in 0..self.shards.len() {
            while let Some((old, new)) = self.zone_move(place) {
                self.replace(place, old, new);
            }
        }
    }

    fn zone_move(&self, place: usize) -> Option<(u64, u64)> {
        let nodes = self.shards.get(place)?;
        let new = self.best_for(place).filter(|new| !self.zones_of(nodes).contains(self.zone(*new)))?;
        let shares =
            |node: &u64| nodes.iter().any(|other| other != node && self.zone(*other) == self.zone(*node));
        let old = nodes.iter().copied().filter(shares).max_by_key(|node| self.load(*node))?;
        Some((old, new))
    }

    /// Moves replicas from the nodes that have the most to those that have the least, as long as it makes both more even
    /// and costs no zone. Each move lessens the sum of squares of the loads.
    fn balance(&mut self) {
        while let Some((place, old, new)) = self.balancing_move() {
            self.replace(place, old, new);
        }
    }

    fn balancing_move(&self) -> Option<(usize, u64, u64)> {
        let mut nodes: Vec<u64> = self.zones.keys().copied().collect();
        nodes.sort_by_key(|node| (self.load(*node), *node));
        for &old in nodes.iter().rev() {
            for &new in &nodes {
                if self.load(old) < self.load(new) + 2 {
                    break;
                }
                let can_move = |nodes: &Vec<u64>| self.can_move(nodes, old, new);
                if let Some(place) = self.shards.iter().position(can_move) {
                    return Some((place, old, new));
                }
            }
        }
        None
    }

    /// Whether a shard's replica may go from one node to another.
    fn can_move(&self, nodes: &[u64], old: u64, new: u64) -> bool {
        if !nodes.contains(&old) || nodes.contains(&new) {
            return false;
        }
        let after: Vec<u64> = nodes.iter().map(|node| if *node == old { new } else { *node }).collect();
        self.zones_of(&after).len() >= self.zones_of(nodes).len()
    }
}

#[cfg(test)]
mod tests;
