//! Who must answer for a pinned view: a pure function of the view and the range.
//!
//! Invariant (CAT-1): every raw block of the view that overlaps the range is asked of exactly one
//! store-gateway, and every ingester is asked for what the view does not hold in blocks.

use latewood_base::Ulid;
use latewood_catalog::View;
use latewood_model::{Resolution, TimeRange};
use latewood_proto::store::wire;

use crate::stores::NamedStore;

/// One store and the part of the view that it answers for.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) role: Role,
    pub(crate) store: NamedStore,
    pub(crate) view: wire::View,
}

/// What a store is asked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ingester,
    Gateway,
}

impl Target {
    /// How errors and warnings call it.
    pub(crate) fn name(&self) -> String {
        match self.role {
            Role::Ingester => format!("ingester {}", self.store.name),
            Role::Gateway => format!("store-gateway {} ({} blocks)", self.store.name, self.view.blocks.len()),
        }
    }
}

/// All ingesters, each asked for what the view does not hold in blocks.
pub(crate) fn heads(view: &View, ingesters: &[NamedStore]) -> Vec<Target> {
    let flushed = view.flushed.iter();
    let flushed: Vec<wire::FlushedShard> =
        flushed.map(|(&shard, &generation)| wire::FlushedShard { shard, generation }).collect();
    let heads = ingesters.iter().map(|ingester| Target {
        role: Role::Ingester,
        store: ingester.clone(),
        view: wire::View { version: view.version, flushed: flushed.clone(), blocks: Vec::new() },
    });
    heads.collect()
}

/// Who must answer, and how many blocks nobody can answer for because no store-gateway is known.
pub(crate) fn targets(
    view: &View,
    range: TimeRange,
    ingesters: &[NamedStore],
    gateways: &[NamedStore],
) -> (Vec<Target>, usize) {
    let seeds: Vec<u64> = gateways.iter().map(|gateway| seed_of(&gateway.name)).collect();
    let mut blocks: Vec<Vec<String>> = vec![Vec::new(); gateways.len()];
    let mut unserved = 0;
    // Raw blocks only: rows of coarser ones are aggregates, not samples.
    for block in view.overlapping(Resolution::Raw, range) {
        match gateway_of(block.id, &seeds).and_then(|index| blocks.get_mut(index)) {
            Some(list) => list.push(block.id.to_string()),
            None => unserved += 1,
        }
    }
    let holders = gateways.iter().zip(blocks);
    let holders = holders.filter(|(_, blocks)| !blocks.is_empty());
    let holders = holders.map(|(gateway, blocks)| Target {
        role: Role::Gateway,
        store: gateway.clone(),
        view: wire::View { version: view.version, flushed: Vec::new(), blocks },
    });
    (heads(view, ingesters).into_iter().chain(holders).collect(), unserved)
}

/// The store-gateway that answers for a block, of those with these seeds: by rendezvous, so that one that comes or
/// goes moves only its own share of the blocks and the others' caches stay warm, in all queriers alike.
fn gateway_of(block: Ulid, seeds: &[u64]) -> Option<usize> {
    let bits = block.0;
    let block = (bits >> 64) as u64 ^ bits as u64;
    (0..seeds.len()).max_by_key(|&index| seeds.get(index).map(|seed| mix(block ^ seed)))
}

/// A number for a store's name, the same in every process.
fn seed_of(name: &str) -> u64 {
    name.bytes().fold(name.len() as u64, |seed, byte| mix(seed ^ u64::from(byte)))
}

/// The finalizer of SplitMix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeStore, block, stores, view_of};

    fn named(count: usize) -> std::sync::Arc<[NamedStore]> {
        stores((0..count).map(|_| FakeStore::default().shared()).collect()).now()
    }

    #[test]
    fn each_raw_block_in_range_is_asked_of_one_gateway_and_ingesters_learn_what_is_flushed() {
        let mut blocks: Vec<_> = (0..60).map(|id| block(id, 0, 10, Resolution::Raw)).collect();
        blocks.push(block(100, 0, 10, Resolution::FiveMinutes));
        blocks.push(block(101, 20, 30, Resolution::Raw));
        let view = view_of(7, blocks, &[(3, 9)]);
        let (targets, unserved) = targets(&view, TimeRange::new(5, 19), &named(2), &named(3));
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
    fn a_gateway_that_goes_moves_only_its_own_share() {
        let names = ["pod-0:9095", "pod-1:9095", "pod-2:9095", "pod-3:9095"];
        let all = names.map(seed_of);
        let left = [all[0], all[2], all[3]];
        let ids = (0..1000u128).map(|id| Ulid(id << 40));
        let moved = ids.filter(|&id| {
            let (before, after) = (gateway_of(id, &all).unwrap(), gateway_of(id, &left).unwrap());
            assert!(left[after] == all[before] || before == 1);
            before == 1
        });
        assert!((150..350).contains(&moved.count()));
    }

    #[test]
    fn blocks_without_a_gateway_are_counted() {
        let view = view_of(1, vec![block(1, 0, 10, Resolution::Raw)], &[]);
        let (targets, unserved) = targets(&view, TimeRange::ALL, &named(1), &[]);
        assert_eq!((targets.len(), unserved), (1, 1));
    }
}
