//! A node's part of a limit on series: pure.

/// How far, in standard deviations, a node may be above its even part. Series fall on shards by their hashes, so the number
/// on some of them is binomial; the copies of an HA pair fall together, which makes it 1.4 times as wide.
const DEVIATIONS: f64 = 4.0;

/// How many series of a tenant may have that is limited to `limit` in all, on `led` of the `used` shards that it uses: all of it
/// on all of them; else the even part and what chance may add to it, so that no tenant is refused below its limit. All
/// nodes together take a little more than the limit then: 1.5 % of 150,000 on three nodes, 18 % of 1,000.
pub(super) fn share(limit: u64, led: usize, used: usize) -> u64 {
    if led >= used {
        return limit;
    }
    let part = led as f64 / used as f64;
    let even = limit as f64 * part;
    let chance = DEVIATIONS * (even * (1.0 - part)).sqrt();
    ((even + chance).ceil() as u64).min(limit)
}

#[cfg(test)]
mod tests {
    use latewood_model::{SeriesHash, TenantId};

    use super::*;
    use crate::distributor::ShardMap;

    #[test]
    fn small_limits_have_more_room_than_large_ones() {
        assert_eq!([share(150_000, 4, 4), share(150_000, 5, 4), share(0, 0, 4)], [150_000, 150_000, 0]);
        assert_eq!([share(150_000, 4, 12), share(1_000, 4, 12), share(10, 1, 4)], [50_731, 393, 8]);
        assert_eq!([share(1, 1, 64), share(2, 1, 2)], [1, 2]);
    }

    /// How the series of a tenant that has as many as allowed fall, for a seed.
    fn fallen(limit: u64, shards: u32, copies: u64, seed: u64) -> Vec<u64> {
        let map = ShardMap::new(shards).of_tenant(&TenantId::anonymous(), shards);
        let mut counts = vec![0; shards as usize];
        for series in 0..limit {
            let number = (seed << 32) + series / copies;
            let hash = SeriesHash(xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()));
            counts[map.shard_of(hash) as usize] += 1;
        }
        counts
    }

    #[test]
    fn who_has_as_many_series_as_allowed_is_hardly_ever_above_a_part() {
        for copies in [1, 2] {
            let (mut parts, mut above) = (0, 0);
            for (limit, shards) in [(1, 2), (3, 4), (10, 2), (10, 8), (100, 3), (1_000, 4), (5_000, 6)] {
                assert!(share(limit, 1, shards as usize) * u64::from(shards) >= limit);
                for seed in 0..100 {
                    let counts = fallen(limit, shards, copies, seed);
                    parts += counts.len();
                    above += counts.iter().filter(|n| **n > share(limit, 1, shards as usize)).count();
                }
            }
            assert!(above * 200 <= parts, "{above} of {parts} with {copies} copies");
        }
    }
}
