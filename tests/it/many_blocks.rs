//! A catalog of 10,000 blocks: a store-gateway is ready at once, answers, and stays small.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Rng, Ulid};
use latewood_catalog::{BlockEntry, Change, FileEntry};
use latewood_model::{Resolution, TenantId, TimeRange};
use latewood_objstore::{Bucket, DirectoryBucket};

use crate::cold_panel::{HOUR_MS, SERIES, START_MS, add_block, catalogs};
use crate::harness::{Answer, Latewood};

const BLOCKS: u64 = 10_000;
const FILES: [&str; 6] = [
    "meta.json",
    "index",
    "series.parquet",
    "spans.parquet",
    "scrapes.parquet",
    "samples/w=2023-11-14T22:00:00Z/part-0.parquet",
];

/// A block of two hours before the first that is really there, as a flush leaves it.
fn entry(number: u64) -> BlockEntry {
    let end = START_MS - 1 - i64::try_from(number / 4).unwrap() * 2 * HOUR_MS;
    let range = TimeRange::new(end - 2 * HOUR_MS + 1, end);
    let mut entry = BlockEntry::new(Ulid((1 << 100) + u128::from(number)), Resolution::Raw, range);
    (entry.series, entry.samples, entry.bytes) = (250_000, 120_000_000, 80_000_000);
    let file = |path: &&str| FileEntry {
        path: (*path).to_owned(),
        size: 13_000_000,
        crc32c: Some(number as u32),
        footer_offset: Some(12_900_000),
    };
    entry.files = FILES.iter().map(file).collect();
    entry
}

/// The most memory that a process has had, in bytes.
fn peak_memory(process: &Latewood) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

async fn bucket_of_many(folder: &Path) {
    let bucket: Bucket = Arc::new(DirectoryBucket::open(folder, Rng::seeded(3)).await.unwrap());
    let catalog = catalogs(&bucket).tenant(&TenantId::anonymous());
    let all: Vec<u64> = (0..BLOCKS).collect();
    for some in all.chunks(500) {
        let add = some.iter().map(|&number| entry(number)).collect();
        catalog.commit(Change { add, ..Change::default() }).await.unwrap();
    }
    add_block(&bucket, 1, 0..1, 0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_gateway_beside_ten_thousand_blocks_is_ready_at_once_and_small() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("bucket");
    bucket_of_many(&bucket).await;
    let flag = format!("--bucket=file://{}", bucket.display());

    let clock = Clock::system();
    let gateway = Latewood::start_role("store-gateway", &folder.path().join("gateway"), &[&flag]);
    let ready = clock.elapsed();
    assert!(ready <= Duration::from_secs(5), "ready after {ready:?}");

    // Asked for what is in no block, the store-gateway has nothing.
    let addrs = [
        format!("--ingester-addr={}", gateway.grpc_addr),
        format!("--store-gateway-addr={}", gateway.grpc_addr),
    ];
    let flags = [flag.as_str(), addrs[0].as_str(), addrs[1].as_str()];
    let querier = Latewood::start_role("querier", &folder.path().join("querier"), &flags);
    let at = (START_MS + HOUR_MS / 2) as f64 / 1000.0;
    let asked = clock.elapsed();
    let count = Answer::instant(&querier.url, "count(http_requests_total)", at).await.unwrap();
    let answered = clock.elapsed().saturating_sub(asked);
    let count = count.0.values().next().and_then(|points| points.values().next()).copied();
    assert_eq!(count, Some(SERIES as f64));

    let memory = peak_memory(&gateway);
    eprintln!("ready after {ready:?}, first answer in {answered:?}, at most {} MB", memory >> 20);
    assert!(memory < 500_000_000, "{memory} bytes");
    if !cfg!(debug_assertions) {
        assert!(answered <= Duration::from_secs(5), "{answered:?}");
    }
    querier.stop();
    gateway.stop();
}
