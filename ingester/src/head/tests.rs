//! The head against a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_cluster::Position;
use latewood_model::{
    Labels, MatchOp, Matcher, Sample, SeriesSamples, TenantId, TimeRange, preferred, storage_order,
};
use latewood_proto::store::Detail;
use proptest::prelude::*;

use super::*;
use crate::journal::{EntryBuilder, ShardCommand, decode, encode};
use crate::{BatchBuilder, WriteBatch};

type Model = BTreeMap<Vec<(String, String)>, BTreeMap<i64, f64>>;

fn key(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn write(generation: &Generation, batch: &WriteBatch) -> AppendCounts {
    let mut builder = EntryBuilder::new(generation, 1);
    for row in batch.rows() {
        builder.push(batch.tenant(), row);
    }
    let entry = Arc::new(builder.build());
    let command = ShardCommand::Write(Arc::clone(&entry));
    assert_eq!(decode(&encode(&command)), Ok(command));
    generation.apply(&entry)
}

fn read_all(
    head: &Arc<TenantHead>,
    matchers: &[Matcher],
    range: TimeRange,
    skip: bool,
) -> Vec<SeriesSamples> {
    let detail = if skip { Detail::Labels } else { Detail::Samples };
    let mut cursor = head.select(matchers, range, detail);
    let mut all = Vec::new();
    while let Some(batch) = cursor.next_batch(3, 10) {
        assert!(!batch.is_empty() && batch.len() <= 3);
        all.extend(batch);
    }
    all
}

fn label_set() -> impl Strategy<Value = Labels> {
    let value = prop_oneof![Just(""), Just("a"), Just("b"), Just("ab"), Just("ü")];
    let metric = prop_oneof![Just(""), Just("up"), Just("down"), Just("u")];
    (metric, value.clone(), value.clone(), value).prop_map(|(metric, upper, job, zone)| {
        Labels::from_pairs([("__name__", metric), ("A", upper), ("job", job), ("zone", zone)])
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![
        Just(MatchOp::Equal),
        Just(MatchOp::NotEqual),
        Just(MatchOp::Regex),
        Just(MatchOp::NotRegex)
    ];
    let name = prop_oneof![Just("__name__"), Just("A"), Just("job"), Just("zone"), Just("none")];
    let value = prop_oneof![Just(""), Just("a"), Just("up"), Just("a.*"), Just(".+"), Just("a|up|ü")];
    (op, name, value).prop_map(|(op, name, value)| Matcher::new(op, name, value).unwrap())
}

fn matches(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or("")))
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let time = prop_oneof![8 => 0i64..500, 1 => any::<i64>()];
    let bits = prop_oneof![Just(latewood_model::STALE_NAN_BITS), any::<u64>(), 0u64..3];
    let sample = (time, bits).prop_map(|(timestamp, bits)| Sample { timestamp, value: f64::from_bits(bits) });
    prop::collection::vec(sample, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Batches in any order read back as a sorted map with the tie rule; order, matchers, label APIs and
    /// statistics agree with it.
    #[test]
    fn a_generation_equals_a_map(
        batches in prop::collection::vec(prop::collection::vec((label_set(), samples()), 1..12), 1..8),
        matchers in prop::collection::vec(matcher(), 0..3),
        (start, end) in (-10i64..510, -10i64..510),
    ) {
        let tenant = TenantId::anonymous();
        let generation = Generation::new(7);
        let mut model = Model::new();
        for batch in &batches {
            let mut builder = BatchBuilder::new(tenant.clone(), &[]);
            for (labels, samples) in batch {
                builder.push(labels, samples);
                let series = model.entry(key(labels)).or_default();
                for sample in samples {
                    let stands = series.entry(sample.timestamp).or_insert(sample.value);
                    *stands = preferred(*stands, sample.value);
                }
            }
            write(&generation, &builder.build());
            // An order that is extended must equal one that is made at once.
            let head = generation.tenant(&tenant).unwrap();
            prop_assert!(read_all(&head, &[], TimeRange::ALL, true)
                .is_sorted_by(|a, b| storage_order(&a.labels, &b.labels).is_lt()));
        }
        let head = generation.tenant(&tenant).unwrap();
        prop_assert_eq!(generation.series(), model.len() as u64);
        for range in [TimeRange::ALL, TimeRange::new(start, end)] {
            let mut expected: Vec<(Labels, Vec<Sample>)> = model.iter()
                .map(|(pairs, samples)| (Labels::from_pairs(pairs.clone()), samples.iter()
                    .filter(|(at, _)| range.contains(**at))
                    .map(|(&timestamp, &value)| Sample { timestamp, value }).collect::<Vec<_>>()))
                .filter(|(labels, samples)| !samples.is_empty() && matches(labels, &matchers)).collect();
            expected.sort_by(|a, b| storage_order(&a.0, &b.0));
            let read: Vec<_> = read_all(&head, &matchers, range, false).into_iter()
                .map(|series| (series.labels.clone(), series.samples().collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, expected);
        }
        let all: Vec<Labels> = model.keys().map(|pairs| Labels::from_pairs(pairs.clone()))
            .filter(|labels| matches(labels, &matchers)).collect();
        let names: std::collections::BTreeSet<String> = all.iter().flat_map(|labels| labels.iter().map(|pair| pair.0.to_owned()).collect::<Vec<_>>()).collect();
        let names: Vec<String> = names.into_iter().collect();
        prop_assert_eq!(head.label_names(&matchers, TimeRange::ALL), names);
        let values: std::collections::BTreeSet<String> = all.iter().filter_map(|labels| labels.get("job").map(str::to_owned)).collect();
        let values: Vec<String> = values.into_iter().collect();
        prop_assert_eq!(head.label_values("job", &matchers, TimeRange::ALL), values);
        let statistics = head.statistics();
        prop_assert_eq!(statistics.series, model.len() as u64);
        prop_assert_eq!(statistics.series_by_metric.values().sum::<u64>(), model.keys().filter(|pairs| pairs.iter().any(|pair| pair.0 == "__name__")).count() as u64);
    }
}

fn kubernetes_like(series: u64) -> Labels {
    let text = |name: &str, n: u64| (name.to_owned(), format!("{name}-{n}"));
    Labels::from_pairs([
        ("__name__".to_owned(), format!("container_metric_number_{}_total", series / 500)),
        ("pod".to_owned(), format!("deployment-{:x}-{:05x}", series % 50, series % 500 * 7919)),
        text("container", series % 20),
        text("namespace", series % 10),
        text("node", series % 25),
        text("instance", series % 25),
        text("job", series % 5),
        text("cluster", 0),
        text("image", series % 20),
        text("endpoint", series % 3),
        text("service", series % 30),
        text("region", 0),
        text("replica", 0),
    ])
}

/// The gate is 1.2 KB a series at 13 labels and 120 samples; the aim 0.6.
#[test]
fn a_series_of_thirteen_labels_and_120_samples_takes_little_memory() {
    let tenant = TenantId::anonymous();
    let generation = Generation::new(1);
    let series = 5_000_u64;
    let labels: Vec<Labels> = (0..series).map(kubernetes_like).collect();
    let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let mut counters = vec![0_u64; series as usize];
    for step in 0..120_u64 {
        let mut builder = BatchBuilder::new(tenant.clone(), &[]);
        for (number, labels) in labels.iter().enumerate() {
            let n = number as u64;
            counters[number] += noise(n * 131 + step) % 1000;
            let value = match n % 3 {
                0 => counters[number] as f64,
                1 => (noise(n + step) % 4096) as f64 * 1024.0,
                _ => (noise(n * 3 + step) % 1000) as f64 / 1000.0,
            };
            let timestamp = (1_700_000_000_000 + step * 15_000 + noise(n % 25 + step * 31) % 4) as i64;
            builder.push(labels, &[Sample { timestamp, value }]);
        }
        let counts = write(&generation, &builder.build());
        assert_eq!((counts.in_order, counts.series), (series, if step == 0 { series } else { 0 }));
    }
    let bytes = generation.bytes() / series as usize;
    let head = generation.tenant(&tenant).unwrap();
    let read: usize = read_all(&head, &[], TimeRange::ALL, false).iter().map(|s| s.values.len()).sum();
    assert_eq!(read, 120 * series as usize);
    println!("{bytes} bytes a series");
    assert!(bytes < 900, "{bytes} bytes a series");
}

/// Only then is their memory brought near before they are read.
#[test]
fn series_that_all_pass_are_not_asked_one_by_one() {
    let (tenant, generation) = (TenantId::anonymous(), Generation::new(1));
    let mut builder = BatchBuilder::new(tenant.clone(), &[]);
    for job in ["a", "b"] {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
        builder.push(&labels, &[Sample { timestamp: 1, value: 1.0 }]);
    }
    write(&generation, &builder.build());
    let head = generation.tenant(&tenant).unwrap();
    let equal = |name, value| Matcher::new(MatchOp::Equal, name, value).unwrap();
    for (matchers, series) in [
        (vec![], 2),
        (vec![equal("__name__", "up")], 2),
        (vec![equal("__name__", "up"), equal("job", "b")], 1),
    ] {
        let mut matching = matching::Matching::new(&matchers);
        let metrics = matching.metrics(&head.table);
        let (order, all_pass) = head.order_of(metrics[0], &mut matching);
        assert_eq!((metrics.len(), order.len(), all_pass), (1, series, true), "{matchers:?}");
    }
}

#[test]
fn a_freeze_opens_the_next_generation_and_both_are_seen() {
    let (head, tenant) = (Head::new(std::collections::BTreeSet::new()), TenantId::anonymous());
    let put = |value: f64| {
        let mut builder = BatchBuilder::new(tenant.clone(), &[]);
        builder.push(&Labels::from_pairs([("__name__", "up")]), &[Sample { timestamp: 1, value }]);
        write(&head.open(), &builder.build());
    };
    assert!(head.freeze(0, 100, Position::default()), "an empty one leaves nothing behind");
    assert!(head.closed().is_empty() && !head.freeze(0, 200, Position::default()));
    put(1.0);
    assert!(!head.freeze(100, 100, Position::default()));
    assert!(head.freeze(100, 101, Position { term: 1, index: 9 }));
    put(2.0);
    let parts = |after| head.snapshot(&tenant, after).parts.len();
    assert_eq!(
        (parts(0), parts(99), parts(100), parts(101)),
        (2, 2, 1, 1),
        "the open one is in no block, whatever a view says"
    );
    let behind = |after| head.snapshot_behind(&tenant, after).parts.len();
    assert_eq!(
        (behind(0), behind(100), behind(101)),
        (2, 1, 0),
        "unless this is a replica that has not heard of its end"
    );
    head.flushed(100);
    assert!(head.closed()[0].flushed);
    assert_eq!(head.dropped(100).unwrap().frozen.unwrap().at.index, 9);
    assert_eq!((head.snapshot(&tenant, 0).floor, parts(0)), (100, 1));
}

/// A histogram beats a float of its time, a float a stale histogram; batches end by their weight.
#[test]
fn floats_and_histograms_of_one_series_are_read_together() {
    use latewood_model::histogram::IntegerHistogram;
    use latewood_model::{HistogramSample, NativeHistogram};

    let (tenant, generation) = (TenantId::anonymous(), Generation::new(1));
    let labels = Labels::from_pairs([("__name__", "h")]);
    let of = |count: u64| NativeHistogram::from(IntegerHistogram { count, ..IntegerHistogram::default() });
    let histogram = |timestamp, histogram| HistogramSample::new(timestamp, histogram);
    let mut builder = BatchBuilder::new(tenant.clone(), &[]);
    let floats = [1, 2, 3].map(|timestamp| Sample { timestamp, value: 1.0 });
    builder.push(&labels, &floats);
    builder.push_histograms(
        &labels,
        &[
            histogram(2, of(2)),
            histogram(3, NativeHistogram::stale()),
            histogram(4, of(4)),
            histogram(2, of(1)),
        ],
    );
    let counts = write(&generation, &builder.build());
    assert_eq!((counts.series, counts.in_order, counts.late), (1, 6, 0));
    let head = generation.tenant(&tenant).unwrap();
    let read = read_all(&head, &[], TimeRange::ALL, false);
    assert_eq!(read[0].samples().collect::<Vec<_>>(), [floats[0], floats[2]]);
    assert_eq!(read[0].histograms, [histogram(2, of(2)), histogram(4, of(4))]);
    let later = read_all(&head, &[], TimeRange::new(4, 9), false);
    assert_eq!((later[0].values.len(), later[0].histograms.len()), (0, 1));
    assert!(read_all(&head, &[], TimeRange::new(5, 9), false).is_empty());
}
