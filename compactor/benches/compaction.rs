//! What a compaction with rollups costs: CPU time a sample, and memory.
//!
//! `cargo bench -p latewood-compactor --bench compaction -- [day|overlapping|million]`; without a name all of them, each in
//! a process of its own, so that each has its own peak of memory.
//!
//! - `day`: 2,000 series every 15 s for a day, in blocks of two hours, into one block and its rollups.
//! - `overlapping`: 50 blocks of the same two hours, some 256 MB, into one of a day.
//! - `million`: a block of 1,000,000 series of 13 labels.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::process::Command;
use std::sync::Arc;

use latewood_base::{Clock, Ids, Offload, Rng, Ulid};
use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_blockstore::Publisher;
use latewood_catalog::{CatalogConfig, Catalogs, Change};
use latewood_compactor::{Compactor, CompactorConfig, CompactorDeps};
use latewood_model::{
    Labels, Resolution, SeriesSamples, StartTimestamps, TenantId, TimestampMs, storage_order,
};
use latewood_objstore::{Bucket, DirectoryBucket};
use procfs::process::Process;
use prometheus_client::registry::Registry;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const HOUR: i64 = 3_600_000;

/// A set of blocks: how many series, the hours of each block, samples an hour, and into how many blocks series are dealt.
struct Set {
    name: &'static str,
    series: usize,
    blocks: Vec<(i64, i64)>,
    step_ms: i64,
    dealt: usize,
    noisy: bool,
}

fn sets() -> Vec<Set> {
    let hours = |blocks: i64| (0..blocks).map(|at| (2 * at, 2)).collect();
    vec![
        Set { name: "day", series: 2_000, blocks: hours(12), step_ms: 15_000, dealt: 1, noisy: false },
        Set {
            name: "overlapping",
            series: 100_000,
            blocks: vec![(0, 2); 50],
            step_ms: 180_000,
            dealt: 5,
            noisy: true,
        },
        Set {
            name: "million",
            series: 1_000_000,
            blocks: vec![(0, 2)],
            step_ms: 300_000,
            dealt: 1,
            noisy: false,
        },
    ]
}

/// A series of 13 labels: a counter or a gauge of two decimals; a noisy one has values with all their digits.
fn series(number: usize, times: &Arc<[TimestampMs]>, noisy: bool) -> SeriesSamples {
    let texts = [
        format!("metric_{:03}", number % 200),
        format!("app-{}-{:05}", number % 40, number / 200),
        format!("10.0.{}.{}:9100", number / 51_200, number / 200 % 256),
        format!("node-{:04}", number / 200 % 1_000),
        format!("team-{}", number % 12),
    ];
    let [metric, pod, instance, node, team] = &texts;
    let labels = Labels::from_pairs([
        ("__name__", metric.as_str()),
        ("cluster", "eu-1"),
        ("container", "main"),
        ("endpoint", "http"),
        ("env", "prod"),
        ("instance", instance.as_str()),
        ("job", team.as_str()),
        ("namespace", team.as_str()),
        ("node", node.as_str()),
        ("pod", pod.as_str()),
        ("region", "eu"),
        ("service", team.as_str()),
        ("zone", "a"),
    ]);
    let mix = |at: i64| (at as u64 ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let value = |&at: &TimestampMs| match number % 2 {
        _ if noisy => mix(at) as f64 / 3.0,
        0 => (at / 15_000 * (number % 97 + 1) as i64) as f64,
        _ => (mix(at / 120_000) % 10_000) as f64 / 100.0,
    };
    let values = times.iter().map(value).collect();
    SeriesSamples {
        labels,
        timestamps: Arc::clone(times),
        values,
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

struct Setting {
    bucket: Bucket,
    catalogs: Arc<Catalogs>,
    clock: Clock,
    dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let (clock, _) = Clock::manual(1_000 * HOUR);
    let dir = tempfile::tempdir().unwrap();
    let bucket: Bucket =
        Arc::new(DirectoryBucket::open(&dir.path().join("bucket"), Rng::seeded(1)).await.unwrap());
    let ids = Ids::new(clock.clone(), Rng::seeded(2));
    let catalogs = Catalogs::new(Arc::clone(&bucket), clock.clone(), ids, CatalogConfig::default());
    Setting { bucket, catalogs, clock, dir }
}

/// Writes the blocks of a set; how many samples and bytes they have.
async fn fill(setting: &Setting, set: &Set) -> (u64, u64) {
    let tenant = TenantId::anonymous();
    let publisher =
        Publisher { bucket: Arc::clone(&setting.bucket), offload: Offload::per_core(), concurrency: 2 };
    let mut order: Vec<usize> = (0..set.series).collect();
    let nothing: Arc<[TimestampMs]> = Arc::default();
    order.sort_by_cached_key(|number| Order(series(*number, &nothing, false).labels));
    let (mut samples, mut bytes) = (0, 0);
    for (number, (from, hours)) in set.blocks.iter().enumerate() {
        let offset = if set.blocks.len() > 12 { number as i64 * 7 } else { 0 };
        let times: Arc<[TimestampMs]> =
            (1..=hours * HOUR / set.step_ms).map(|at| from * HOUR + at * set.step_ms - offset).collect();
        let header =
            BlockHeader::new(Ulid::from_parts(1, number as u128 + 1), tenant.clone(), Resolution::Raw);
        let dir = setting.dir.path().join("block");
        let mut writer = BlockWriter::create(&dir, header, WriterConfig::default()).unwrap();
        for one in order.iter().filter(|one| **one % set.dealt == number % set.dealt) {
            writer.push(&series(*one, &times, set.noisy), None).unwrap();
        }
        let meta = writer.finish().unwrap();
        let entry = publisher.publish(&dir, &meta).await.unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        (samples, bytes) = (samples + entry.samples, bytes + entry.bytes);
        let change = Change { add: vec![entry], ..Change::default() };
        setting.catalogs.tenant(&tenant).commit(change).await.unwrap();
    }
    (samples, bytes)
}

/// Labels in storage order.
#[derive(PartialEq, Eq)]
struct Order(Labels);

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        storage_order(&self.0, &other.0)
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// CPU seconds of this process so far, and its peak of memory in bytes since the last reset.
fn usage() -> (f64, u64) {
    let process = Process::myself().unwrap();
    let stat = process.stat().unwrap();
    let ticks = (stat.utime + stat.stime) as f64;
    (ticks / procfs::ticks_per_second() as f64, process.status().unwrap().vmhwm.unwrap_or(0) * 1_024)
}

async fn measure(set: &Set) {
    let setting = setting().await;
    let (samples, bytes) = fill(&setting, set).await;
    let resident = Process::myself().unwrap().status().unwrap().vmrss.unwrap_or(0) * 1_024;
    // Writing 5 sets the peak back to what is resident now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, _) = usage();
    let deps = CompactorDeps {
        bucket: Arc::clone(&setting.bucket),
        catalogs: Arc::clone(&setting.catalogs),
        clock: setting.clock.clone(),
        ids: Ids::new(setting.clock.clone(), Rng::seeded(3)),
        offload: Offload::per_core(),
        scratch_dir: setting.dir.path().join("scratch"),
    };
    Compactor::new(&CompactorConfig::default(), deps, &mut Registry::default()).unwrap().compact_once().await;
    let (after, peak) = usage();
    let view = setting.catalogs.tenant(&TenantId::anonymous()).refresh(0).await.unwrap();
    println!(
        "{}: {} blocks, {:.1} M samples, {:.0} MB",
        set.name,
        set.blocks.len(),
        samples as f64 / 1e6,
        bytes as f64 / 1e6
    );
    println!(
        "  {:.1} M samples a second and core; peak memory {:.0} MB, {:.0} before",
        samples as f64 / (after - before) / 1e6,
        peak as f64 / 1e6,
        resident as f64 / 1e6
    );
    for block in view.blocks.values() {
        let of_raw = block.bytes as f64 / samples as f64;
        println!(
            "  {}: {} bytes, {:.3} a raw sample, level {}",
            block.resolution, block.bytes, of_raw, block.level
        );
    }
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let Some(name) = named.first() else {
        let exe = std::env::current_exe().unwrap();
        for set in sets() {
            assert!(Command::new(&exe).arg(set.name).status().unwrap().success());
        }
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sets = sets();
    let set = sets.iter().find(|set| set.name == name).expect("day, overlapping or million");
    runtime.block_on(measure(set));
}
