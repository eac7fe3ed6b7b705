//! The objects of the catalog as files: what was written once is read for ever, and the newest version is
//! written bit for bit. `LATEWOOD_WRITE_GOLDEN=1` writes the files anew after a deliberate change of format.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_catalog::{
    BlockEntry, CatalogConfig, Change, FileEntry, FlushStep, NoCompactMark, TenantCatalog, TenantFate,
    Tombstone, TombstoneMatcher, View,
};
use latewood_model::{Resolution, TimeRange};
use latewood_objstore::Bucket;
use support::{START_MS, block, id, memory, process, process_with};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn full_block() -> BlockEntry {
    let file = |path: &str, size, footer_offset| FileEntry {
        path: path.to_owned(),
        size,
        crc32c: Some(0xdead_beef),
        footer_offset,
    };
    BlockEntry {
        files: vec![
            file("index", 512, None),
            file("series.parquet", 4_096, Some(3_900)),
            file("samples/w=2026-01-01T00:00:00Z/part-0.parquet", 65_536, Some(65_000)),
        ],
        bytes: 70_144,
        index_bytes: 512,
        shard: Some(3),
        generation: Some(7),
        histograms: Some(12),
        exemplars: Some(34),
        metrics: Some(5),
        ..block(1)
    }
}

/// Every field of the format is in one of these.
fn changes() -> Vec<Change> {
    let tombstone = Tombstone {
        id: id(100),
        matchers: vec![TombstoneMatcher {
            name: "__name__".to_owned(),
            op: "=~".to_owned(),
            value: "up|down".to_owned(),
        }],
        range: TimeRange::new(START_MS, START_MS + 1_000),
        blocks: [id(1)].into(),
    };
    let step = FlushStep { shard: 3, from: 0, to: 7 };
    let rollup = BlockEntry {
        resolution: Resolution::FiveMinutes,
        lineage: vec![id(1)],
        level: 1,
        deduplicated: true,
        ..block(2)
    };
    // New in version 2.
    let aligned = BlockEntry { window: Some(TimeRange::new(0, i64::MAX)), tail: true, ..block(4) };
    let marks = ["a page is damaged", "chosen by an operator"].into_iter().zip([2, 4]);
    let marks = marks.map(|(details, block)| NoCompactMark::new(id(block), details)).collect();
    let second = Change {
        add: vec![rollup],
        mark_dead: vec![id(50), id(51)],
        add_tombstones: vec![tombstone],
        ..Change::default()
    };
    let third =
        Change { forget_dead: vec![id(51)], ..Change::replace(vec![block(3)], vec![id(1)], vec![id(100)]) };
    let fourth = Change { add: vec![aligned], based_on: vec![id(3)], no_compact: marks, ..Change::default() };
    let fifth = Change { compact_again: vec![id(4)], ..Change::default() };
    // New in version 3.
    let matchers = vec![TombstoneMatcher { name: "a".into(), op: "!=".into(), value: "b".into() }];
    let urgent = Tombstone { id: id(101), matchers, range: TimeRange::ALL, blocks: [id(3)].into() };
    let sixth = Change { add_tombstones: vec![urgent], apply_now: vec![id(101)], ..Change::default() };
    let fate = |fate| Change { fate: Some(fate), ..Change::default() };
    let (seventh, eighth) = (fate(TenantFate::Kept), fate(TenantFate::Deleted));
    // New in version 4.
    let replica_labels = vec!["__replica__".to_owned(), "replica".to_owned()];
    let one_of_a_pair = BlockEntry { deduplicated: true, replica_labels, ..block(5) };
    let ninth = Change { add: vec![one_of_a_pair], ..fate(TenantFate::Kept) };
    let (first, tenth) = (Change::flush(Some(full_block()), step), eighth.clone());
    vec![first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth]
}

/// How many of the changes are of version 1, of version 2 at most, and of version 3 at most.
const OLD_CHANGES: [usize; 3] = [3, 5, 8];

async fn write(bucket: &Bucket, changes: Vec<Change>) -> (Arc<TenantCatalog>, Arc<View>) {
    let config = CatalogConfig { checkpoint_interval: 2, ..CatalogConfig::default() };
    let (catalog, _) = process_with(bucket, 7, config);
    for change in changes {
        catalog.commit(change).await.unwrap();
    }
    let view = catalog.view().await.unwrap();
    (catalog, view)
}

fn golden_name(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap().trim_start_matches('0');
    if name == "hint" {
        return "v1-hint-10.txt".to_owned();
    }
    let kind = if key.contains("checkpoint") { "checkpoint" } else { "commit" };
    format!("v4-{kind}-{name}.txt")
}

#[tokio::test]
async fn the_newest_version_is_written_bit_for_bit() {
    let bucket = memory();
    write(&bucket, changes()).await;
    let objects: Vec<_> = bucket.list("team-a/catalog", None).try_collect().await.unwrap();
    assert_eq!(objects.len(), 16, "ten commits, five checkpoints and the hint");
    for object in objects {
        let written = bucket.get(&object.key, 1 << 20).await.unwrap();
        let path = file(&golden_name(&object.key));
        if std::env::var("LATEWOOD_WRITE_GOLDEN").is_ok() {
            std::fs::write(&path, &written).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert_eq!(String::from_utf8(written.to_vec()).unwrap(), golden, "{}", path.display());
    }
}

async fn from_files(names: &[(String, String)]) -> Arc<View> {
    let bucket = memory();
    for (key, name) in names {
        let body = Bytes::from(std::fs::read(file(name)).unwrap());
        bucket.put(&format!("team-a/catalog/{key}"), body).await.unwrap();
    }
    process(&bucket, 1).view().await.unwrap()
}

/// The keys of the first commits, and the files of a version that has them.
fn commits(version: u32, count: usize) -> Vec<(String, String)> {
    (1..=count).map(|place| (format!("{place:020}"), format!("v{version}-commit-{place}.txt"))).collect()
}

fn checkpoint(version: u32, place: u64) -> (String, String) {
    (format!("checkpoint/{place:020}"), format!("v{version}-checkpoint-{place}.txt"))
}

#[tokio::test]
async fn all_versions_are_read() {
    for (version, count, last_checkpoint, hint) in [
        (1, OLD_CHANGES[0], 2, "v1-hint.txt"),
        (2, OLD_CHANGES[1], 4, "v1-hint-4.txt"),
        (3, OLD_CHANGES[2], 8, "v1-hint-8.txt"),
        (4, changes().len(), 10, "v1-hint-10.txt"),
    ] {
        let all = commits(version, count);
        let changes = changes().into_iter().take(count).collect();
        let (_, expected) = write(&memory(), changes).await;
        assert_eq!(from_files(&all).await, expected, "version {version}");
        let mut checkpointed = vec![checkpoint(version, last_checkpoint)];
        checkpointed.extend_from_slice(&all[last_checkpoint as usize..]);
        assert_eq!(from_files(&checkpointed).await, expected, "version {version}");
        checkpointed.push(("hint".to_owned(), hint.to_owned()));
        assert_eq!(from_files(&checkpointed).await, expected, "version {version}");
    }
}

#[tokio::test]
async fn a_log_goes_on_in_the_newest_version() {
    let mut files = commits(1, OLD_CHANGES[0]);
    files.extend_from_slice(&commits(2, OLD_CHANGES[1])[OLD_CHANGES[0]..]);
    files.extend_from_slice(&commits(3, OLD_CHANGES[2])[OLD_CHANGES[1]..]);
    files.extend_from_slice(&commits(4, changes().len())[OLD_CHANGES[2]..]);
    let (_, expected) = write(&memory(), changes()).await;
    assert_eq!(from_files(&files).await, expected);
    let live: Vec<Ulid> = expected.blocks.keys().copied().collect();
    assert_eq!(live, [id(2), id(3), id(4), id(5)]);
    assert_eq!(expected.no_compact.keys().copied().collect::<Vec<_>>(), [id(2)]);
    assert_eq!((expected.apply_now.contains(&id(101)), expected.is_deleted()), (true, true));
}
