//! Which store-gateways answer for a block, and in which order they are asked: a pure function of names and ids.
//!
//! Invariant (CAT-1): at any time a block is asked of one of its owners alone, and of the next only in the place of
//! the one before it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_proto::store::wire;

use super::targets::{Role, Target};
use crate::stores::NamedStore;

/// The store-gateways that are known, as the owners of blocks: by rendezvous hashing, so that one that comes or goes
/// moves only its own share of the blocks and the others' caches stay warm, in all queriers alike.
pub(crate) struct Owners {
    gateways: Arc<[NamedStore]>,
    seeds: Vec<u64>,
    /// How many owners a block has, if so many are known.
    replication_factor: usize,
}

impl Owners {
    pub(crate) fn new(gateways: Arc<[NamedStore]>, replication_factor: usize) -> Self {
        let seeds = gateways.iter().map(|gateway| seed_of(&gateway.name)).collect();
        Self { gateways, seeds, replication_factor }
    }

    /// The first owners of blocks with their shares, and how many blocks have none.
    pub(crate) fn first(&self, version: u64, blocks: impl Iterator<Item = Ulid>) -> (Vec<Target>, usize) {
        self.shares(version, blocks, 0)
    }

    /// Who may be asked in the place of a store-gateway; nobody if its blocks have no further owner.
    pub(crate) fn next(&self, failed: &Target) -> Vec<Target> {
        let (targets, unserved) =
            self.shares(failed.view.version, failed.blocks.iter().copied(), failed.owner + 1);
        // All blocks have as many owners: either each has a further one or none has.
        if unserved == 0 { targets } else { Vec::new() }
    }

    fn shares(&self, version: u64, blocks: impl Iterator<Item = Ulid>, owner: usize) -> (Vec<Target>, usize) {
        let mut shares: Vec<Vec<Ulid>> = vec![Vec::new(); self.gateways.len()];
        let mut unserved = 0;
        for block in blocks {
            match self.owner_of(block, owner).and_then(|index| shares.get_mut(index)) {
                Some(share) => share.push(block),
                None => unserved += 1,
            }
        }
        let shares = self.gateways.iter().zip(shares).filter(|(_, blocks)| !blocks.is_empty());
        let targets = shares.map(|(gateway, blocks)| {
            let ids = blocks.iter().map(Ulid::to_string).collect();
            let view = wire::View { version, blocks: ids, ..wire::View::default() };
            let (store, leaderless) = (gateway.clone(), BTreeMap::new());
            Target { role: Role::Gateway, store, view, blocks, owner, leaderless }
        });
        (targets.collect(), unserved)
    }

    /// The owner of a block at this place of their order.
    fn owner_of(&self, block: Ulid, place: usize) -> Option<usize> {
        if place >= self.replication_factor {
            return None;
        }
        let block = (block.0 >> 64) as u64 ^ block.0 as u64;
        let mut ranked: Vec<(u64, usize)> =
            self.seeds.iter().enumerate().map(|(index, seed)| (mix(block ^ seed), index)).collect();
        ranked.sort_unstable_by_key(|&rank| Reverse(rank));
        ranked.get(place).map(|&(_, index)| index)
    }
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
    use crate::testing::FakeStore;

    fn owners(names: &[&str], replication_factor: usize) -> Owners {
        let store = |name: &&str| NamedStore {
            name: (*name).into(),
            api: FakeStore::default().shared(),
            deletion: None,
        };
        Owners::new(names.iter().map(store).collect(), replication_factor)
    }

    #[test]
    fn a_gateway_that_goes_moves_only_its_own_share_and_to_the_next_owners() {
        let all = owners(&["pod-0:9095", "pod-1:9095", "pod-2:9095", "pod-3:9095"], 3);
        let left = owners(&["pod-0:9095", "pod-2:9095", "pod-3:9095"], 3);
        let name = |owners: &Owners, block, place| {
            Some(Arc::clone(&owners.gateways[owners.owner_of(block, place)?].name))
        };
        let ids = (0..1000u128).map(|id| Ulid(id << 40));
        let moved = ids.filter(|&id| {
            let before = name(&all, id, 0);
            let is_gone = before.as_deref() == Some("pod-1:9095");
            let after = if is_gone { name(&all, id, 1) } else { before };
            assert_eq!(name(&left, id, 0), after);
            is_gone
        });
        assert!((150..350).contains(&moved.count()));
    }

    #[test]
    fn a_block_has_as_many_owners_as_the_factor_says_and_each_is_asked_once() {
        let owners = owners(&["a", "b", "c", "d"], 3);
        let blocks: Vec<Ulid> = (0..100u128).map(Ulid).collect();
        let (mut asked, unserved) = owners.first(7, blocks.iter().copied());
        assert_eq!(unserved, 0);
        let mut by_block: Vec<Vec<String>> = vec![Vec::new(); blocks.len()];
        for round in 0..3 {
            assert_eq!(asked.iter().map(|target| target.blocks.len()).sum::<usize>(), blocks.len());
            for target in &asked {
                assert_eq!(
                    (target.owner, target.view.version, target.view.blocks.len()),
                    (round, 7, target.blocks.len())
                );
                for block in &target.blocks {
                    by_block[block.0 as usize].push(target.store.name.to_string());
                }
            }
            asked = asked.iter().flat_map(|target| owners.next(target)).collect();
        }
        assert!(asked.is_empty());
        for mut names in by_block {
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 3);
        }
    }
}
