//! Who must answer for a pinned view: a pure function of the view and the range.
//!
//! Invariant (CAT-1): every raw block of the view that overlaps the range is asked of exactly one
//! store-gateway, and every ingester is asked for what the view does not hold in blocks.

use latewood_base::Ulid;
use latewood_catalog::View;
use latewood_model::{Resolution, TimeRange};
use latewood_proto::store::wire;

/// Which store, by its role and its place in the configured list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StoreId {
    Ingester(usize),
    Gateway(usize),
}

/// One store and the part of the view that it answers for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) store: StoreId,
    pub(crate) view: wire::View,
}

impl Target {
    /// How errors and warnings call it.
    pub(crate) fn name(&self) -> String {
        match self.store {
            StoreId::Ingester(index) => format!("ingester {index}"),
            StoreId::Gateway(index) => {
                let blocks = self.view.blocks.len();
                format!("store-gateway {index} ({blocks} blocks)")
            }
        }
    }
}

/// All ingesters, each asked for what the view does not hold in blocks.
pub(crate) fn heads(view: &View, ingesters: usize) -> Vec<Target> {
    let flushed = view.flushed.iter();
    let flushed: Vec<wire::FlushedShard> =
        flushed.map(|(&shard, &generation)| wire::FlushedShard { shard, generation }).collect();
    let heads = (0..ingesters).map(|index| Target {
        store: StoreId::Ingester(index),
        view: wire::View { version: view.version, flushed: flushed.clone(), blocks: Vec::new() },
    });
    heads.collect()
}

/// Who must answer, and how many blocks nobody can answer for because there is no store-gateway.
pub(crate) fn targets(
    view: &View,
    range: TimeRange,
    ingesters: usize,
    gateways: usize,
) -> (Vec<Target>, usize) {
    let mut blocks: Vec<Vec<String>> = vec![Vec::new(); gateways];
    let mut unserved = 0;
    // Raw blocks only: rows of coarser ones are aggregates, not samples.
    for block in view.overlapping(Resolution::Raw, range) {
        match gateway_of(block.id, gateways).and_then(|index| blocks.get_mut(index)) {
            Some(list) => list.push(block.id.to_string()),
            None => unserved += 1,
        }
    }
    let holders = blocks.into_iter().enumerate();
    let holders = holders.filter(|(_, blocks)| !blocks.is_empty());
    let holders = holders.map(|(index, blocks)| Target {
        store: StoreId::Gateway(index),
        view: wire::View { version: view.version, flushed: Vec::new(), blocks },
    });
    (heads(view, ingesters).into_iter().chain(holders).collect(), unserved)
}

/// The store-gateway that answers for a block: by rendezvous, so that one gateway more or less moves only
/// its share of the blocks and the others' caches stay warm.
fn gateway_of(block: Ulid, gateways: usize) -> Option<usize> {
    let bits = block.0;
    let seed = (bits >> 64) as u64 ^ bits as u64;
    (0..gateways).max_by_key(|&index| mix(seed ^ mix(index as u64 + 1)))
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
    use crate::testing::{block, view_of};

    #[test]
    fn each_raw_block_in_range_is_asked_of_one_gateway_and_ingesters_learn_what_is_flushed() {
        let mut blocks: Vec<_> = (0..60).map(|id| block(id, 0, 10, Resolution::Raw)).collect();
        blocks.push(block(100, 0, 10, Resolution::FiveMinutes));
        blocks.push(block(101, 20, 30, Resolution::Raw));
        let view = view_of(7, blocks, &[(3, 9)]);
        let (targets, unserved) = targets(&view, TimeRange::new(5, 19), 2, 3);
        let stores: Vec<StoreId> = targets.iter().map(|target| target.store).collect();
        assert_eq!(
            stores,
            [
                StoreId::Ingester(0),
                StoreId::Ingester(1),
                StoreId::Gateway(0),
                StoreId::Gateway(1),
                StoreId::Gateway(2)
            ]
        );
        let flushed = wire::FlushedShard { shard: 3, generation: 9 };
        assert_eq!((&targets[0].view.flushed[..], targets[0].view.version), (&[flushed][..], 7));
        let mut asked: Vec<&String> = targets.iter().flat_map(|target| &target.view.blocks).collect();
        asked.sort();
        asked.dedup();
        assert_eq!((asked.len(), unserved), (60, 0));
        assert_eq!(targets.iter().map(|target| target.view.blocks.len()).sum::<usize>(), 60);
    }

    #[test]
    fn one_gateway_more_moves_only_its_own_share() {
        let ids = (0..1000u128).map(|id| Ulid(id << 40));
        let moved = ids.filter(|&id| {
            let (before, after) = (gateway_of(id, 3), gateway_of(id, 4));
            assert!(after == before || after == Some(3));
            before != after
        });
        assert!((150..350).contains(&moved.count()));
    }

    #[test]
    fn blocks_without_a_gateway_are_counted() {
        let view = view_of(1, vec![block(1, 0, 10, Resolution::Raw)], &[]);
        let (targets, unserved) = targets(&view, TimeRange::ALL, 1, 0);
        assert_eq!((targets.len(), unserved), (1, 1));
    }
}
