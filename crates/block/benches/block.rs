//! Writing a block of 1,000 series with 240 samples each, and reading it from memory.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use latewood_base::{Offload, Ulid};
use latewood_block::{Block, BlockHeader, BlockWriter, ReaderConfig, SelectSpec, WriterConfig};
use latewood_model::{Labels, MatchOp, Matcher, Resolution, SeriesSamples, TenantId, TimeRange};
use latewood_objstore::{MemoryBucket, ObjectClient};
use tokio::runtime::Runtime;

const SERIES: usize = 1_000;
const SAMPLES: usize = 240;
const FOLDER: &str = "anonymous/raw/block=01";

/// Half counters, half gauges with two decimals, in storage order.
fn data() -> Vec<SeriesSamples> {
    let times: Arc<[i64]> = (0..SAMPLES as i64).map(|k| 1_700_000_000_000 + k * 15_000).collect();
    let series = |number: usize| {
        let (metric, instance) = (format!("metric_{:02}", number / 50), format!("host-{:02}", number % 50));
        let value = |k: usize| match number % 2 {
            0 => (k * (number + 1)) as f64,
            _ => ((k * 7_919 + number) % 10_000) as f64 / 100.0,
        };
        SeriesSamples {
            labels: Labels::from_pairs([("__name__", metric.as_str()), ("instance", &instance)]),
            timestamps: Arc::clone(&times),
            values: (0..SAMPLES).map(value).collect(),
            starts: latewood_model::StartTimestamps::none(),
            histograms: Vec::new(),
        }
    };
    (0..SERIES).map(series).collect()
}

fn write(folder: &Path, all: &[SeriesSamples]) {
    let id = Ulid::from_parts(1_700_000_000_000, 1);
    let header = BlockHeader::new(id, TenantId::anonymous(), Resolution::Raw);
    let mut writer = BlockWriter::create(folder, header, WriterConfig::default()).expect("a folder");
    for series in all {
        writer.push(series, None).expect("storage order");
    }
    writer.finish().expect("a block");
}

/// Opens a block whose files lie in memory.
async fn open(folder: &Path) -> Arc<Block> {
    let bucket = MemoryBucket::new();
    let meta = std::fs::read(folder.join("meta.json")).expect("meta.json");
    let names = latewood_block::BlockMeta::from_json(&meta).expect("a block").files;
    for name in names.iter().map(|file| file.path.as_str()).chain(["meta.json"]) {
        let body = std::fs::read(folder.join(name)).expect("a file of the block");
        bucket.put(&format!("{FOLDER}/{name}"), body.into()).await.expect("memory");
    }
    let opened = Block::open(Arc::new(bucket), FOLDER, Offload::per_core(), ReaderConfig::default());
    opened.await.expect("a whole block")
}

async fn scan(block: &Arc<Block>, matchers: Vec<Matcher>) -> usize {
    let spec = SelectSpec { matchers, range: TimeRange::ALL, skip_samples: false, skip_starts: false };
    let batches: Vec<Vec<SeriesSamples>> = block.select(spec).try_collect().await.expect("a whole block");
    batches.iter().flatten().map(|series| series.values.len()).sum()
}

fn block(criterion: &mut Criterion) {
    let (all, folder) = (data(), tempfile::tempdir().expect("a folder"));
    let mut group = criterion.benchmark_group("block");
    group.throughput(Throughput::Elements((SERIES * SAMPLES) as u64)).sample_size(20);
    group.bench_function("write", |bencher| {
        bencher.iter_with_large_drop(|| {
            let target = tempfile::tempdir().expect("a folder");
            write(&target.path().join("block"), black_box(&all));
            target
        });
    });
    write(&folder.path().join("block"), &all);
    let runtime = Runtime::new().expect("a runtime");
    let opened = runtime.block_on(open(&folder.path().join("block")));
    group.bench_function("scan_all", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(scan(&opened, Vec::new())), SERIES * SAMPLES));
    });
    let metric = Matcher::new(MatchOp::Equal, "__name__", "metric_07").expect("a matcher");
    group.throughput(Throughput::Elements((50 * SAMPLES) as u64));
    group.bench_function("scan_metric", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(scan(&opened, vec![metric.clone()])), 50 * SAMPLES));
    });
    group.finish();
}

criterion_group!(benches, block);
criterion_main!(benches);
