//! Leases, garbage and rebuild.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use latewood_base::{Clock, Ids, ManualClock, Rng, Ulid};
use latewood_catalog::{
    BlockEntry, CatalogConfig, CatalogError, Catalogs, Change, GarbagePolicy, GarbageReport, TenantCatalog,
    collect_garbage, plan_rebuild,
};
use latewood_model::{Resolution, TimeRange};
use latewood_objstore::{Bucket, MemoryBucket};
use support::{START_MS, add, block, flush, id, memory, process, process_with, tenant};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_lease_excludes_until_it_is_released_or_runs_out() {
    let bucket = memory();
    let ((one, _), (two, two_clock)) = (
        process_with(&bucket, 1, CatalogConfig::default()),
        process_with(&bucket, 2, CatalogConfig::default()),
    );
    let lease = one.lease("compaction", 60_000).await.unwrap().expect("it is free");
    assert!(two.lease("compaction", 60_000).await.unwrap().is_none());
    assert!(two.lease("other", 60_000).await.unwrap().is_some());
    lease.release().await.unwrap();
    let mut lease = two.lease("compaction", 60_000).await.unwrap().expect("it was released");
    assert!(lease.renew(120_000).await.unwrap());
    assert!(one.lease("compaction", 60_000).await.unwrap().is_none());
    two_clock.advance(Duration::from_secs(121));
    let taken = two.lease("compaction", 60_000).await.unwrap();
    assert!(taken.is_some(), "it ran out");
    assert!(!lease.renew(60_000).await.unwrap(), "another has it");
    bucket.put("team-a/lease/damaged", Bytes::from("?")).await.unwrap();
    assert!(one.lease("damaged", 60_000).await.unwrap().is_some());
}

fn with_times() -> (Bucket, Arc<TenantCatalog>, ManualClock) {
    let (clock, hand) = Clock::manual(START_MS);
    let bucket: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
    let ids = Ids::new(clock.clone(), Rng::seeded(1));
    let catalogs = Catalogs::new(Arc::clone(&bucket), clock, ids, CatalogConfig::default());
    (bucket, catalogs.tenant(&tenant()), hand)
}

async fn write_block(bucket: &Bucket, number: u128) {
    for file in ["index", "meta.json", "samples/p.parquet"] {
        let key = format!("{}/{file}", block(number).folder(&tenant()));
        bucket.put(&key, Bytes::from("x")).await.unwrap();
    }
}

async fn blocks_in(bucket: &Bucket) -> Vec<String> {
    bucket.list_folders("team-a/raw").await.unwrap()
}

#[tokio::test]
async fn garbage_is_marked_then_deleted_then_forgotten() {
    let (bucket, catalog, clock) = with_times();
    let policy = GarbagePolicy::default();
    let collect = || collect_garbage(&catalog, &policy);
    for number in 1..=3 {
        write_block(&bucket, number).await;
    }
    // 1 and 2 are committed, 3 was being uploaded by somebody who died.
    bucket.delete(&format!("{}/meta.json", block(3).folder(&tenant()))).await.unwrap();
    for number in 1..=2 {
        catalog.commit(add(number)).await.unwrap();
    }
    assert_eq!(collect().await.unwrap(), GarbageReport::default(), "an upload may be under way");
    catalog.commit(Change::replace(Vec::new(), vec![id(1)], Vec::new())).await.unwrap();
    assert_eq!(collect().await.unwrap(), GarbageReport::default(), "older views may still read it");
    clock.advance(48 * HOUR);
    let report = collect().await.unwrap();
    assert_eq!((report.marked, report.deleted, report.objects), (1, 1, 3));
    assert_eq!(blocks_in(&bucket).await.len(), 2);
    let late = catalog.commit(add(3)).await.unwrap_err();
    assert!(late.to_string().contains("is dead"), "{late}");
    clock.advance(48 * HOUR);
    assert_eq!(collect().await.unwrap().deleted, 1);
    assert_eq!(blocks_in(&bucket).await, [format!("block={}", id(2))]);
    clock.advance(30 * 24 * HOUR);
    assert_eq!(collect().await.unwrap().forgotten, 2);
    let view = catalog.view().await.unwrap();
    assert_eq!((view.blocks.len(), view.dead.len()), (1, 0));
    let left: Vec<_> = bucket.list("team-a/raw", None).try_collect().await.unwrap();
    assert_eq!(left.len(), 3, "the live block has all its objects");
}

/// The catalog's folder, as an operator or an accident takes it away.
async fn lose_catalog(bucket: &Bucket) {
    let objects: Vec<_> = bucket.list("team-a/catalog", None).try_collect().await.unwrap();
    for object in objects {
        bucket.delete(&object.key).await.unwrap();
    }
}

/// Another process over the same bucket, at the same time.
fn other_process(bucket: &Bucket, clock: &Clock) -> Arc<TenantCatalog> {
    let ids = Ids::new(clock.clone(), Rng::seeded(2));
    Catalogs::new(Arc::clone(bucket), clock.clone(), ids, CatalogConfig::default()).tenant(&tenant())
}

#[tokio::test]
async fn a_lost_catalog_costs_no_block_even_when_a_flush_has_begun_a_new_one() {
    let (clock, hand) = Clock::manual(START_MS);
    let bucket: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
    let catalog = other_process(&bucket, &clock);
    for number in 1..=3 {
        write_block(&bucket, number).await;
        catalog.commit(add(number)).await.unwrap();
    }
    lose_catalog(&bucket).await;
    let catalog = other_process(&bucket, &clock);
    let collect = || async { collect_garbage(&catalog, &GarbagePolicy::default()).await.unwrap() };
    for _ in 0..3 {
        hand.advance(48 * HOUR);
        assert_eq!(collect().await, GarbageReport { withheld: 3, ..GarbageReport::default() });
    }
    // An ingester that knows nothing of the loss begins a new log.
    write_block(&bucket, 4).await;
    catalog.commit(add(4)).await.unwrap();
    for _ in 0..3 {
        hand.advance(48 * HOUR);
        assert_eq!(collect().await, GarbageReport { withheld: 3, ..GarbageReport::default() });
    }
    assert_eq!(blocks_in(&bucket).await.len(), 4);
}

#[tokio::test]
async fn a_whole_block_younger_than_the_log_is_garbage_when_nothing_names_it() {
    let (bucket, catalog, clock) = with_times();
    catalog.commit(add(1)).await.unwrap();
    clock.advance(HOUR);
    let young = Ulid::from_parts((START_MS + 1_000_000) as u64, 9);
    let key = format!("team-a/raw/block={young}/meta.json");
    bucket.put(&key, Bytes::from("x")).await.unwrap();
    // A copy of an old block: young objects, an old id.
    write_block(&bucket, 2).await;
    clock.advance(48 * HOUR);
    let report = collect_garbage(&catalog, &GarbagePolicy::default()).await.unwrap();
    assert_eq!((report.marked, report.withheld), (1, 1));
}

fn compacted(number: u128, lineage: &[u128], start: i64, end: i64) -> BlockEntry {
    BlockEntry {
        lineage: lineage.iter().copied().map(id).collect(),
        range: TimeRange::new(start, end),
        level: 1,
        ..block(number)
    }
}

#[tokio::test]
async fn a_catalog_is_rebuilt_from_its_blocks_and_loses_none() {
    let flushed = |number| flush(number, 4, number as u64 - 1, number as u64).add.remove(0);
    let (start, end) = (START_MS, START_MS + 7_199_999);
    let half = START_MS + 3_600_000;
    let mut blocks: Vec<BlockEntry> = (1..=4).map(flushed).collect();
    // 1 has both of its successors, 2 only the first half of its own.
    blocks.push(compacted(11, &[1], start, half - 1));
    blocks.push(compacted(12, &[1], half, end));
    blocks.push(compacted(13, &[2], start, half - 1));
    // A downsampled block replaces nothing.
    blocks.push(BlockEntry { resolution: Resolution::FiveMinutes, ..compacted(14, &[3], start, end) });
    let bucket = memory();
    let catalog = process(&bucket, 1);
    let known = BTreeMap::from([(4, 2), (5, 9)]);
    let view = catalog.rebuild(blocks.clone(), &known).await.unwrap();
    let live: Vec<Ulid> = view.blocks.keys().copied().collect();
    assert_eq!(live, [2, 3, 4, 11, 12, 13, 14].map(id));
    assert!(view.dead.contains_key(&id(1)));
    assert_eq!(view.flushed, BTreeMap::from([(4, 4), (5, 9)]));
    let again = process(&bucket, 2).rebuild(blocks, &known).await.unwrap_err();
    assert!(matches!(again, CatalogError::NotEmpty { .. }), "{again}");
    assert_eq!(plan_rebuild(Vec::new(), &BTreeMap::new()), []);
}

#[test]
fn a_tail_is_there_as_long_as_its_block() {
    let day = |number: u128, lineage: &[u128], days: i64| {
        let window = TimeRange::new(1, days * 86_400_000);
        BlockEntry { window: Some(window), deduplicated: true, ..compacted(number, lineage, 1, window.end) }
    };
    let tail = |number, lineage: &[u128], days| BlockEntry {
        tail: true,
        deduplicated: false,
        ..day(number, lineage, days)
    };
    let live = |blocks: &[BlockEntry]| -> Vec<Ulid> {
        let changes = plan_rebuild(blocks.to_vec(), &BTreeMap::new());
        changes.iter().flat_map(|change| &change.add).map(|block| block.id).collect()
    };
    let raw = BlockEntry { deduplicated: false, ..day(1, &[], 1) };
    // A compaction that ended before its block was written.
    assert_eq!(live(&[raw.clone(), tail(3, &[1], 1)]), [id(1)]);
    let one = [raw, tail(3, &[1], 1), day(2, &[1], 1)];
    assert_eq!(live(&one), [3, 2].map(id));
    let two: Vec<_> = one.into_iter().chain([tail(5, &[2, 3], 2), day(4, &[2, 3], 2)]).collect();
    assert_eq!(live(&two), [5, 4].map(id));
}

#[tokio::test]
async fn block_folders_and_tenants_are_found_in_the_bucket() {
    let (bucket, catalog, _) = with_times();
    write_block(&bucket, 1).await;
    bucket.put("team-a/raw/stray", Bytes::new()).await.unwrap();
    bucket.put("__latewood__/probe/x", Bytes::new()).await.unwrap();
    let folder = format!("team-a/raw/block={}", id(1));
    assert_eq!(catalog.block_folders().await.unwrap(), [(Resolution::Raw, id(1), folder)]);
    let (clock, _) = Clock::manual(0);
    let ids = Ids::new(clock.clone(), Rng::seeded(1));
    let catalogs = Catalogs::new(bucket, clock, ids, CatalogConfig::default());
    assert_eq!(catalogs.tenants().await.unwrap(), [tenant()]);
}
