//! Who must answer for a pinned view: a pure function of the view and the range.
//!
//! Invariant (CAT-1): every raw block of the view that overlaps the range is asked of exactly one
//! store-gateway, and every shard is asked of one ingester for what the view does not hold in blocks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TimeRange};
use latewood_proto::store::{Leaderless, listed_shards, wire};

use super::rings::{Follower, Leader};
use crate::resolutions::touch;
use crate::stores::NamedStore;

/// One store and the part of the view that it answers for.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) role: Role,
    pub(crate) store: NamedStore,
    pub(crate) view: wire::View,
    /// The blocks of the view.
    pub(crate) blocks: Vec<Ulid>,
    /// Which of the blocks' owners it is: so many others have failed.
    pub(crate) owner: usize,
    /// How far it was in shards that nobody leads, if it is asked for these.
    pub(crate) leaderless: BTreeMap<u32, Leaderless>,
}

/// What a store is asked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// For all that it has.
    Ingester,
    /// For what it was told that is in no log, as a node of a cluster whose others may have been told of it as well.
    Node,
    /// For the shards that the view names, which it leads.
    Leader {
        cluster: Ulid,
        /// Whether nobody else could lead them.
        stands_alone: bool,
        /// For how long somebody else is looked for where it fails.
        patience: Duration,
    },
    /// For the shards that the view names, which nobody leads: from what it has.
    Follower {
        cluster: Ulid,
        /// How many others may be asked where it fails.
        others: usize,
    },
    Gateway,
}

impl Target {
    /// How errors and warnings call it.
    pub(crate) fn name(&self) -> String {
        match self.role {
            Role::Ingester | Role::Node | Role::Leader { stands_alone: true, .. } => {
                format!("ingester {}", self.store.name)
            }
            Role::Leader { .. } | Role::Follower { .. } => {
                format!("ingester {} (shards {})", self.store.name, listed_shards(&self.view.shards))
            }
            Role::Gateway => format!("store-gateway {} ({} blocks)", self.store.name, self.blocks.len()),
        }
    }

    /// An ingester that is asked for all that it has.
    pub(crate) fn whole(ingester: &NamedStore, view: wire::View) -> Self {
        let (role, store, leaderless) = (Role::Ingester, ingester.clone(), BTreeMap::new());
        Self { role, store, view, blocks: Vec::new(), owner: 0, leaderless }
    }

    /// An ingester that is asked for the shards that it leads.
    pub(super) fn leader(leader: Leader, view: &wire::View, patience: Duration) -> Self {
        let Leader { store, cluster, shards, stands_alone } = leader;
        let role = Role::Leader { cluster, stands_alone, patience };
        let view = wire::View { shards, allow_stale: false, ..view.clone() };
        Self { role, store, view, blocks: Vec::new(), owner: 0, leaderless: BTreeMap::new() }
    }

    /// An ingester that is asked for shards that nobody leads.
    pub(super) fn follower(follower: Follower, view: &wire::View, others: usize) -> Self {
        let Follower { store, cluster, shards: leaderless } = follower;
        let shards = leaderless.keys().copied().collect();
        let view = wire::View { shards, allow_stale: true, ..view.clone() };
        Self {
            role: Role::Follower { cluster, others },
            store,
            view,
            blocks: Vec::new(),
            owner: 0,
            leaderless,
        }
    }
}

/// What ingesters are asked for: what the view does not hold in blocks.
pub(crate) fn head_view(view: &View) -> wire::View {
    let flushed = view.flushed.iter();
    let flushed = flushed.map(|(&shard, &generation)| wire::FlushedShard { shard, generation });
    wire::View { version: view.version, flushed: flushed.collect(), ..wire::View::default() }
}

/// The blocks that have samples of any of these times, which ascend.
pub(crate) fn raw<'a>(view: &'a View, times: &'a [TimeRange]) -> impl Iterator<Item = &'a Arc<BlockEntry>> {
    let all = view.overlapping(Resolution::Raw, TimeRange::ALL);
    all.filter(move |block| touch(times, block.range))
}

/// The blocks that have windows of a range, of one resolution.
pub(crate) fn rollups(view: &View, resolution: Resolution, range: TimeRange) -> impl Iterator<Item = Ulid> {
    let all = view.overlapping(resolution, TimeRange::ALL);
    all.filter(move |block| block.window.unwrap_or(block.range).overlaps(range)).map(|block| block.id)
}

#[cfg(test)]
mod tests {
    use super::super::owners::Owners;
    use super::*;
    use crate::testing::{FakeStore, block, stores, view_of};

    fn ids<'a>(blocks: impl Iterator<Item = &'a Arc<BlockEntry>>) -> impl Iterator<Item = Ulid> {
        blocks.map(|block| block.id)
    }

    fn named(count: usize) -> Arc<[NamedStore]> {
        stores((0..count).map(|_| FakeStore::default().shared()).collect()).now()
    }

    #[test]
    fn each_raw_block_in_range_is_asked_of_one_gateway_and_ingesters_learn_what_is_flushed() {
        let mut blocks: Vec<_> = (0..60).map(|id| block(id, 0, 10, Resolution::Raw)).collect();
        blocks.push(block(100, 0, 10, Resolution::FiveMinutes));
        blocks.push(block(101, 20, 30, Resolution::Raw));
        let view = view_of(7, blocks, &[(3, 9)]);
        let owners = Owners::new(named(3), 2);
        let (gateways, unserved) = owners.first(view.version, ids(raw(&view, &[TimeRange::new(5, 19)])));
        let ingesters = named(2);
        let heads = ingesters.iter().map(|ingester| Target::whole(ingester, head_view(&view)));
        let targets: Vec<Target> = heads.chain(gateways).collect();
        let asked: Vec<_> = targets.iter().map(|target| (target.role, &*target.store.name)).collect();
        let (ingester, gateway) = (Role::Ingester, Role::Gateway);
        assert_eq!(asked, [(ingester, "0"), (ingester, "1"), (gateway, "0"), (gateway, "1"), (gateway, "2")]);
        let flushed = wire::FlushedShard { shard: 3, generation: 9 };
        assert_eq!((&targets[0].view.flushed[..], targets[0].view.version), (&[flushed][..], 7));
        let mut asked: Vec<&String> = targets.iter().flat_map(|target| &target.view.blocks).collect();
        asked.sort();
        asked.dedup();
        assert_eq!((asked.len(), unserved), (60, 0));
        assert_eq!(targets.iter().map(|target| target.view.blocks.len()).sum::<usize>(), 60);
    }

    #[test]
    fn blocks_without_a_gateway_are_counted() {
        let view = view_of(1, vec![block(1, 0, 10, Resolution::Raw)], &[]);
        let owners = Owners::new(Arc::default(), 3);
        let (targets, unserved) = owners.first(view.version, ids(raw(&view, &[TimeRange::ALL])));
        assert_eq!((targets.len(), unserved), (0, 1));
    }
}
