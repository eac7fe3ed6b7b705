//! What the tests of the catalog share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses some of it, and fails by panicking")]

use std::sync::Arc;

use latewood_base::{Clock, Ids, ManualClock, Rng, Ulid};
use latewood_catalog::{BlockEntry, CatalogConfig, Catalogs, Change, FlushStep, TenantCatalog};
use latewood_model::{Resolution, TenantId, TimeRange};
use latewood_objstore::{Bucket, MemoryBucket};

pub const START_MS: i64 = 1_767_225_600_000;

pub fn memory() -> Bucket {
    Arc::new(MemoryBucket::new())
}

pub fn tenant() -> TenantId {
    TenantId::new("team-a").unwrap()
}

pub fn id(number: u128) -> Ulid {
    Ulid::from_parts(START_MS as u64, number)
}

/// A catalog of its own over a bucket, as another process would have it.
pub fn process(bucket: &Bucket, seed: u64) -> Arc<TenantCatalog> {
    process_with(bucket, seed, CatalogConfig::default()).0
}

pub fn process_with(bucket: &Bucket, seed: u64, config: CatalogConfig) -> (Arc<TenantCatalog>, ManualClock) {
    let (catalogs, hand) = catalogs(bucket, seed, config);
    (catalogs.tenant(&tenant()), hand)
}

/// The catalogs of all tenants, as another process would have them.
pub fn catalogs(bucket: &Bucket, seed: u64, config: CatalogConfig) -> (Arc<Catalogs>, ManualClock) {
    let (clock, hand) = Clock::manual(START_MS);
    let ids = Ids::new(clock.clone(), Rng::seeded(seed));
    (Catalogs::new(Arc::clone(bucket), clock, ids, config), hand)
}

pub fn block(number: u128) -> BlockEntry {
    let range = TimeRange::new(START_MS, START_MS + 7_199_999);
    BlockEntry {
        series: 10,
        samples: 1_000,
        bytes: 900,
        ..BlockEntry::new(id(number), Resolution::Raw, range)
    }
}

pub fn add(number: u128) -> Change {
    Change { add: vec![block(number)], ..Change::default() }
}

pub fn flush(number: u128, shard: u32, from: u64, to: u64) -> Change {
    let entry = BlockEntry { shard: Some(shard), generation: Some(to), ..block(number) };
    Change::flush(Some(entry), FlushStep { shard, from, to })
}
