//! Which ingester is asked for which shards: a pure function of what ingesters told of their clusters.
//!
//! Invariant: a shard is asked of one ingester, or is known to be led by none; who may have samples that nobody else has
//! is asked, or is known to be missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_proto::store::{Leaderless, Ring, StoreError};

/// Shards by their cluster.
pub(super) type Shards = BTreeMap<Ulid, BTreeSet<u32>>;

/// What is known of an ingester.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    /// What it told last; none if it never did.
    pub(super) heard: Option<Heard>,
    /// Why it could not be asked since.
    pub(super) away: Option<StoreError>,
}

/// What an ingester told.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// Its cluster.
    Ring(Arc<Ring>),
    /// It knows of no clusters: it stands alone, and is asked for all that it has.
    NoRing,
}

/// Who is asked for what. Ingesters are called by their places.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Those who are asked for all that they have.
    pub(super) whole: Vec<usize>,
    /// All that any ingester is known to be of.
    pub(super) clusters: BTreeMap<Ulid, Cluster>,
    /// Those who did not tell, and may be of no cluster that is known: they are asked, too, or an answer lacks them.
    pub(super) missing: Vec<usize>,
    /// How many ingesters there are as far as is known: all of a cluster, whether they are among these or not.
    pub(super) ingesters: usize,
}

/// A cluster and who leads its shards.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    /// All of them.
    pub(super) shards: BTreeSet<u32>,
    /// By shard. Nobody is known to lead those that are not there.
    pub(super) leaders: BTreeMap<u32, usize>,
    /// The replica that has the most of each shard, among those that hear nobody lead it.
    pub(super) leaderless: BTreeMap<u32, (Leaderless, usize)>,
    /// How many nodes it has.
    members: usize,
    /// How many of them were heard of.
    nodes: usize,
}

impl Assignment {
    /// Who is asked for what.
    pub(super) fn of(peers: &[Peer]) -> Self {
        let (mut this, mut rings, mut silent) = (Self::default(), BTreeMap::new(), Vec::new());
        for (place, peer) in peers.iter().enumerate() {
            match &peer.heard {
                None => silent.push(place),
                Some(Heard::NoRing) => this.whole.push(place),
                Some(Heard::Ring(ring)) => {
                    let told: &mut Vec<Told> = rings.entry(ring.cluster).or_default();
                    told.push(Told { place, ring, is_away: peer.away.is_some() });
                }
            }
        }
        this.clusters = rings.into_iter().map(|(id, told)| (id, Cluster::of(&told))).collect();
        let unseen: usize = this.clusters.values().map(Cluster::unseen).sum();
        if silent.len() > unseen {
            this.missing = silent;
        }
        let in_clusters: usize =
            this.clusters.values().map(|cluster| cluster.members.max(cluster.nodes)).sum();
        this.ingesters = in_clusters + this.whole.len() + this.missing.len();
        this
    }
}

/// What an ingester told last.
struct Told<'a> {
    place: usize,
    ring: &'a Ring,
    is_away: bool,
}

impl Cluster {
    fn of(told: &[Told<'_>]) -> Self {
        let members = |is_counted: fn(&&Told<'_>) -> bool| {
            let counted = told.iter().filter(is_counted);
            counted.map(|one| usize::try_from(one.ring.members).unwrap_or(usize::MAX)).min()
        };
        // Who is away may know less than has come to pass. The fewer there are, the fewer are passed over.
        let members = members(|one| !one.is_away).or_else(|| members(|_| true)).unwrap_or(1);
        let mut newest = BTreeMap::new();
        // Others lead in the place of one that is away, unless there are none: it is asked, so that it is known why it fails.
        for one in told.iter().filter(|one| !one.is_away || members == 1) {
            for (&shard, &term) in &one.ring.led {
                let claim = (term, !one.is_away, Reverse(one.place));
                let best = newest.entry(shard).or_insert(claim);
                *best = claim.max(*best);
            }
        }
        Self {
            shards: told.iter().flat_map(|one| one.ring.shards.iter().copied()).collect(),
            leaders: newest.into_iter().map(|(shard, (_, _, Reverse(place)))| (shard, place)).collect(),
            leaderless: furthest(told),
            members,
            nodes: told.iter().map(|one| one.ring.node).collect::<BTreeSet<u64>>().len(),
        }
    }

    /// Whether nobody else could lead a shard where its leader is away.
    pub(super) fn is_one_node(&self) -> bool {
        self.members == 1
    }

    /// How many of its nodes an ingester that never told may be.
    fn unseen(&self) -> usize {
        if self.is_one_node() { 0 } else { self.members.saturating_sub(self.nodes) }
    }
}

/// The replica that has the most of each shard, among those that can be asked.
fn furthest(told: &[Told<'_>]) -> BTreeMap<u32, (Leaderless, usize)> {
    let mut furthest = BTreeMap::new();
    for one in told.iter().filter(|one| !one.is_away) {
        for (&shard, &leaderless) in &one.ring.leaderless {
            let has = |(one, place): (Leaderless, usize)| (one.term, one.index, Reverse(place));
            let best = furthest.entry(shard).or_insert((leaderless, one.place));
            if has((leaderless, one.place)) > has(*best) {
                *best = (leaderless, one.place);
            }
        }
    }
    furthest
}

#[cfg(test)]
mod tests;
