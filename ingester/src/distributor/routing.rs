//! Placement of series on shards: pure.

use latewood_model::{SeriesHash, TenantId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many shards there are and how many of them a tenant uses. Stable: the same tenant and hash give
/// the same shard on every node and in every version, so never change it under an existing map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardMap {
    shards: u32,
}

/// The shards of one tenant, in the tenant's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantShards(Vec<u32>);

impl ShardMap {
    /// A map of this many shards, at least one.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self { shards: shards.max(1) }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(self) -> u32 {
        self.shards
    }

    /// How many shards a tenant uses: all, until tenants have sizes.
    #[must_use]
    pub fn used_by(self, _tenant: &TenantId) -> u32 {
        self.shards
    }

    /// The `k` shards that a tenant uses: those of the highest rendezvous weight, so that tenants spread
    /// evenly and a tenant's set for `k + 1` is the one for `k` and one more.
    #[must_use]
    pub fn of_tenant(self, tenant: &TenantId, k: u32) -> TenantShards {
        let weight = |shard: u32| xxh3_64_with_seed(tenant.as_str().as_bytes(), u64::from(shard) + 1);
        let mut weighted: Vec<(u64, u32)> = (0..self.shards).map(|shard| (weight(shard), shard)).collect();
        weighted.sort_unstable_by(|a, b| b.cmp(a));
        let used = k.clamp(1, self.shards) as usize;
        TenantShards(weighted.into_iter().take(used).map(|(_, shard)| shard).collect())
    }
}

impl TenantShards {
    /// The shard of a series, by its hash without replica labels.
    #[must_use]
    pub fn shard_of(&self, routing: SeriesHash) -> u32 {
        let place = jump(routing.high(), u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.get(place as usize).copied().unwrap_or(0)
    }

    /// The shards.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

/// Jump consistent hash (Lamping and Veach, 2014): a bucket below `buckets`; one more bucket takes only
/// its share from each of the others.
fn jump(mut key: u64, buckets: u32) -> u32 {
    let (mut bucket, mut next) = (0_u32, 0_u64);
    while next < u64::from(buckets) {
        bucket = next as u32;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let fraction = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = (f64::from(bucket + 1) * fraction) as u64;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn hash(number: u64) -> SeriesHash {
        SeriesHash(xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()))
    }

    #[test]
    fn placement_never_changes() {
        let map = ShardMap::new(8);
        let shards = map.of_tenant(&tenant("team-a"), 3);
        let placed: Vec<u32> = (0..8).map(|n| shards.shard_of(hash(n))).collect();
        assert_eq!((shards.as_slice(), placed.as_slice()), (&GOLDEN_SHARDS[..], &GOLDEN_PLACES[..]));
    }

    const GOLDEN_SHARDS: [u32; 3] = [3, 5, 4];
    const GOLDEN_PLACES: [u32; 8] = [5, 5, 5, 4, 3, 5, 3, 3];

    #[test]
    fn series_and_tenants_spread_evenly() {
        let map = ShardMap::new(4);
        let (mut series, mut tenants) = ([0_u32; 4], [0_u32; 4]);
        let all = map.of_tenant(&TenantId::anonymous(), 4);
        for number in 0..40_000 {
            series[all.shard_of(hash(number)) as usize] += 1;
        }
        for number in 0..4_000 {
            tenants[map.of_tenant(&tenant(&number.to_string()), 1).as_slice()[0] as usize] += 1;
        }
        assert!(series.iter().all(|&count| (9_500..10_500).contains(&count)), "{series:?}");
        assert!(tenants.iter().all(|&count| (900..1_100).contains(&count)), "{tenants:?}");
    }

    proptest! {
        #[test]
        fn one_more_shard_moves_series_only_to_it(shards in 1_u32..64, k in 1_u32..64, number: u64, name in "[a-z]{1,8}") {
            let map = ShardMap::new(shards);
            let (few, more) = (map.of_tenant(&tenant(&name), k), map.of_tenant(&tenant(&name), k + 1));
            prop_assert!(more.as_slice().starts_with(few.as_slice()));
            let (before, after) = (few.shard_of(hash(number)), more.shard_of(hash(number)));
            prop_assert!(before < shards);
            prop_assert!(before == after || !few.as_slice().contains(&after));
        }
    }
}
