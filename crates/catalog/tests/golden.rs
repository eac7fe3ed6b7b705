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
    BlockEntry, CatalogConfig, Change, FileEntry, FlushStep, TenantCatalog, Tombstone, TombstoneMatcher, View,
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
    let second = Change {
        add: vec![rollup],
        mark_dead: vec![id(50), id(51)],
        add_tombstones: vec![tombstone],
        ..Change::default()
    };
    let third =
        Change { forget_dead: vec![id(51)], ..Change::replace(vec![block(3)], vec![id(1)], vec![id(100)]) };
    vec![Change::flush(Some(full_block()), step), second, third]
}

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
        return "v1-hint.txt".to_owned();
    }
    let kind = if key.contains("checkpoint") { "checkpoint" } else { "commit" };
    format!("v1-{kind}-{name}.txt")
}

#[tokio::test]
async fn the_newest_version_is_written_bit_for_bit() {
    let bucket = memory();
    write(&bucket, changes()).await;
    let objects: Vec<_> = bucket.list("team-a/catalog", None).try_collect().await.unwrap();
    assert_eq!(objects.len(), 5, "three commits, a checkpoint and the hint");
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

async fn from_files(names: &[(&str, &str)]) -> Arc<View> {
    let bucket = memory();
    for (key, name) in names {
        let body = Bytes::from(std::fs::read(file(name)).unwrap());
        bucket.put(&format!("team-a/catalog/{key}"), body).await.unwrap();
    }
    process(&bucket, 1).view().await.unwrap()
}

#[tokio::test]
async fn version_1_is_read() {
    let commits = [
        ("00000000000000000001", "v1-commit-1.txt"),
        ("00000000000000000002", "v1-commit-2.txt"),
        ("00000000000000000003", "v1-commit-3.txt"),
    ];
    let (_, expected) = write(&memory(), changes()).await;
    assert_eq!(from_files(&commits).await, expected);
    let checkpointed = [("checkpoint/00000000000000000002", "v1-checkpoint-2.txt"), commits[2]];
    let hinted = [checkpointed[0], checkpointed[1], ("hint", "v1-hint.txt")];
    assert_eq!(from_files(&hinted).await, expected);
    assert_eq!(from_files(&checkpointed).await, expected);
    let live: Vec<Ulid> = expected.blocks.keys().copied().collect();
    assert_eq!(live, [id(2), id(3)]);
}
