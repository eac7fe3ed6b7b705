//! From a validated write to the head: looking series up, and appending an entry, of 10,000 series a sample each; and
//! from the head to a query: reading 200 samples of each.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use latewood_ingester::head::{Generation, TenantHead};
use latewood_ingester::journal::{EntryBatch, EntryBuilder};
use latewood_ingester::{BatchBuilder, WriteBatch};
use latewood_model::{Labels, Sample, TenantId, TimeRange};
use latewood_proto::store::Detail;

const SERIES: usize = 10_000;

fn scrape(at: i64) -> WriteBatch {
    let mut batch = BatchBuilder::new(TenantId::anonymous(), &[]);
    for series in 0..SERIES {
        let (metric, instance) = (format!("metric_{}", series % 100), format!("host-{}", series / 100));
        let labels =
            Labels::from_pairs([("__name__", metric.as_str()), ("instance", &instance), ("job", "node")]);
        let sample =
            Sample { timestamp: 1_700_000_000_000 + at * 15_000, value: (at * series as i64) as f64 };
        batch.push(&labels, &[sample]);
    }
    batch.build()
}

fn entry(generation: &Generation, batch: &WriteBatch) -> EntryBatch {
    let mut builder = EntryBuilder::new(generation, 1);
    for row in batch.rows() {
        builder.push(batch.tenant(), row);
    }
    builder.build()
}

/// A generation that knows the series.
fn generation() -> Generation {
    let generation = Generation::new(1);
    generation.apply(&entry(&generation, &scrape(0)));
    generation
}

/// Reads every series with all its samples; how many samples there were.
fn read(head: &Arc<TenantHead>) -> usize {
    let mut cursor = head.select(&[], TimeRange::ALL, Detail::Samples);
    let mut samples = 0;
    while let Some(batch) = cursor.next_batch(512, 65_536) {
        samples += batch.iter().map(|series| series.values.len()).sum::<usize>();
    }
    samples
}

fn head(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Elements(SERIES as u64));
    let (known, batch) = (generation(), scrape(1));
    group.bench_function("resolve", |bencher| bencher.iter(|| black_box(entry(&known, &batch))));
    let later = entry(&known, &batch);
    group.bench_function("append", |bencher| {
        bencher.iter_batched_ref(generation, |generation| generation.apply(&later), BatchSize::LargeInput);
    });
    let defining = entry(&Generation::new(1), &batch);
    group.bench_function("define", |bencher| {
        let empty = || Generation::new(1);
        bencher.iter_batched_ref(empty, |generation| generation.apply(&defining), BatchSize::LargeInput);
    });
    // Scrape by scrape, so that a series lies in memory as it does in life.
    let full = generation();
    for at in 1..200 {
        full.apply(&entry(&full, &scrape(at)));
    }
    let full = full.tenant(&TenantId::anonymous()).expect("written to");
    group.bench_function("read", |bencher| bencher.iter(|| black_box(read(&full))));
    group.finish();
}

criterion_group!(benches, head);
criterion_main!(benches);
