//! Entries survive encoding; damaged ones are refused; the golden file is written bit for bit.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{Tombstone, TombstoneMatcher};
use latewood_cluster::{Command, Position, ReplicatedState};
use latewood_model::histogram::{Buckets, CUSTOM_BUCKETS, IntegerHistogram, ResetHint};
use latewood_model::{FloatHistogram, HistogramSample, Labels, NativeHistogram, Sample, TenantId, TimeRange};
use latewood_proto::store::Detail;
use proptest::prelude::*;

use super::*;
use crate::head::{Generation, Head};
use crate::{BatchBuilder, WriteBatch};

const GOLDEN: &str = include_str!("../../testdata/entry-v5.txt");
const GOLDEN_V4: &str = include_str!("../../testdata/entry-v4.txt");
const GOLDEN_V3: &str = include_str!("../../testdata/entry-v3.txt");
const GOLDEN_V2: &str = include_str!("../../testdata/entry-v2.txt");
const GOLDEN_V1: &str = include_str!("../../testdata/entry-v1.txt");

fn entry(generation: &Generation, term: u64, batches: &[WriteBatch]) -> EntryBatch {
    let mut builder = EntryBuilder::new(generation, term);
    for batch in batches {
        for row in batch.rows() {
            builder.push(batch.tenant(), row);
        }
    }
    builder.build()
}

type Written<'a> = (&'a [(&'a str, &'a str)], &'a [(i64, f64)]);

fn batch(tenant: &str, series: &[Written<'_>]) -> WriteBatch {
    let mut builder = BatchBuilder::new(TenantId::new(tenant).unwrap(), &[]);
    for (labels, samples) in series {
        let samples: Vec<_> = samples.iter().map(|&(timestamp, value)| Sample { timestamp, value }).collect();
        builder.push(&Labels::from_pairs(labels.iter().copied()), &samples);
    }
    builder.build()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The commands of the golden file, a line each.
fn golden_commands() -> Vec<ShardCommand> {
    let generation = Generation::new(1_700_000_000_000);
    let up: &[(&str, &str)] = &[("__name__", "up"), ("job", "node")];
    let down: &[(&str, &str)] = &[("__name__", "down"), ("job", "nöde")];
    let first = entry(&generation, 3, &[batch("a", &[(up, &[(1_000, 1.0), (16_000, -0.0)])])]);
    generation.apply(&first);
    let stale = latewood_model::stale_nan();
    let mut both = BatchBuilder::new(TenantId::new("c").unwrap(), &[]);
    let sample = Sample { timestamp: 5, value: 5.0 };
    both.push(&Labels::from_pairs(down.iter().copied()), &[sample]);
    both.push_histograms(&Labels::from_pairs(up.iter().copied()), &golden_histograms());
    let third = entry(&generation, 3, &[both.build()]);
    let second = [
        batch("a", &[(up, &[(31_000, stale)]), (down, &[(i64::MIN, f64::NAN), (i64::MAX, 0.5)])]),
        batch("b", &[(up, &[(-5, f64::NEG_INFINITY)])]),
    ];
    let second = entry(&generation, 3, &second);
    vec![
        ShardCommand::Write(Arc::new(first)),
        ShardCommand::Write(Arc::new(second)),
        ShardCommand::Freeze { generation: 1_700_000_000_000, next: 1_700_007_200_000 },
        ShardCommand::Flushed { generation: 1_700_000_000_000 },
        ShardCommand::Write(Arc::new(third)),
        ShardCommand::Write(Arc::new(golden_starts(&generation))),
        ShardCommand::Delete(Arc::new(golden_deletion())),
        ShardCommand::Uploading { generation: 1_700_000_000_000 },
    ]
}

/// Two selectors, with each of the operators.
fn golden_deletion() -> DeletionEntry {
    let matcher = |name: &str, op: &str, value: &str| TombstoneMatcher {
        name: name.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    };
    let tombstone = |number: u128, range, matchers| Tombstone {
        id: Ulid::from_parts(1_700_000_000_000, number),
        matchers,
        range,
        blocks: Default::default(),
    };
    let all = vec![matcher("__name__", "=", "up"), matcher("job", "!=", "nöde")];
    let some = vec![matcher("a", "=~", "x|y"), matcher("b", "!~", "")];
    DeletionEntry {
        tenant: TenantId::new("a").unwrap(),
        through: 1_700_000_000_000,
        tombstones: vec![tombstone(1, TimeRange::ALL, all), tombstone(2, TimeRange::new(-5, 16_000), some)],
    }
}

/// Samples and histograms, with and without start timestamps.
fn golden_starts(generation: &Generation) -> EntryBatch {
    let labels = |name: &str| Labels::from_pairs([("__name__", name)]);
    let sample = |timestamp| Sample { timestamp, value: 1.0 };
    let mut builder = BatchBuilder::new(TenantId::new("d").unwrap(), &[]);
    builder.push(&labels("a"), &[sample(1_000)]);
    builder.push_started(&labels("b"), &[(sample(1_000), 400), (sample(2_000), 400), (sample(3_000), 0)]);
    builder.push_started(&labels("c"), &[(sample(1_000), -7)]);
    let started = golden_histograms().into_iter().zip([-7, 0, 400]);
    let started = started.map(|(sample, start)| HistogramSample { start, ..sample });
    builder.push_histograms(&labels("d"), &started.collect::<Vec<_>>());
    entry(generation, 3, &[builder.build()])
}

/// Integers with both sides, floats with custom buckets, the stale marker.
fn golden_histograms() -> Vec<HistogramSample> {
    let integer = IntegerHistogram {
        schema: 3,
        zero_threshold: 2f64.powi(-128),
        sum: 18.5,
        count: 12,
        zero_count: 2,
        positive: Buckets::from_pairs([(-2, 1), (-1, 3), (4, 2)]),
        negative: Buckets::from_pairs([(i32::MAX, 4)]),
        ..IntegerHistogram::default()
    };
    let float = FloatHistogram {
        schema: CUSTOM_BUCKETS,
        custom_bounds: [-1.0, 2.5].into(),
        reset_hint: ResetHint::Gauge,
        sum: f64::NAN,
        count: 1.5,
        positive: Buckets::from_pairs([(0, 1.0), (2, 0.5)]),
        ..FloatHistogram::default()
    };
    let all = [integer.into(), float.into(), NativeHistogram::stale()];
    let all = all.into_iter().zip([-1, 15_000, 30_000]);
    all.map(|(histogram, timestamp)| HistogramSample::new(timestamp, histogram)).collect()
}

#[test]
fn the_golden_file_is_read_and_written_bit_for_bit() {
    let commands = golden_commands();
    let written: String = commands.iter().map(|command| hex(&encode(command)) + "\n").collect();
    if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/entry-v5.txt");
        std::fs::write(path, &written).unwrap();
    }
    assert_eq!(written, GOLDEN);
    let bytes = |line: &str| -> Vec<u8> {
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
    };
    let read = |golden: &str| -> Vec<_> {
        golden.lines().map(|line| ShardCommand::decode(bytes(line).into()).unwrap()).collect()
    };
    assert_eq!(read(GOLDEN), commands);
    assert_eq!(read(GOLDEN_V4), commands[..7], "what older releases wrote");
    assert_eq!(read(GOLDEN_V3), commands[..6], "what older releases wrote");
    assert_eq!(read(GOLDEN_V2), commands[..5], "what older releases wrote");
    assert_eq!(read(GOLDEN_V1), commands[..4], "what older releases wrote");
}

#[test]
fn a_known_series_costs_a_few_bytes() {
    let generation = Generation::new(1);
    let labels: Vec<Labels> = (0..100)
        .map(|n| Labels::from_pairs([("__name__", "http_requests_total"), ("pod", &format!("pod-{n}"))]))
        .collect();
    let write = |at: i64| {
        let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
        for labels in &labels {
            builder.push(labels, &[Sample { timestamp: at, value: 1.5 }]);
        }
        let entry = entry(&generation, 1, &[builder.build()]);
        generation.apply(&entry);
        encode(&ShardCommand::Write(Arc::new(entry))).len()
    };
    let (first, second) = (write(1_700_000_000_000), write(1_700_000_015_000));
    assert!(first > 2_000 && second < 100 * 11 + 50, "{first} {second}");
}

#[test]
fn a_start_that_all_series_share_costs_next_to_nothing_and_none_a_byte() {
    let generation = Generation::new(1);
    let write = |start: i64| {
        let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
        for n in 0..100 {
            let labels = Labels::from_pairs([("__name__", n.to_string())]);
            builder.push_started(&labels, &[(Sample { timestamp: 1_700_000_000_000, value: 1.5 }, start)]);
        }
        encode(&ShardCommand::Write(Arc::new(entry(&generation, 1, &[builder.build()])))).len()
    };
    assert_eq!(write(1_600_000_000_000) - write(0), 1 + 6);
}

#[test]
fn runs_of_starts_that_do_not_fit_are_refused() {
    let whole = encode(&golden_commands()[5]);
    // 1, 2, 1, 1 samples and 1, 1, 1 histograms: none, 400, none, -7, -7, none, 400.
    let runs: &[u8] = &[6, 1, 0, 2, 0xa0, 6, 1, 0x9f, 6, 2, 13, 1, 14, 1, 0xa0, 6];
    assert!(whole.ends_with(runs));
    let with = |place: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[whole.len() - runs.len() + place] = byte;
        decode(&bytes)
    };
    assert!(with(1, 1).is_ok());
    for (place, byte) in [(1, 0), (1, 2), (3, 0x7f), (0, 5)] {
        assert!(with(place, byte).is_err(), "{place} {byte}");
    }
}

#[test]
fn damaged_and_newer_entries_are_refused_and_never_panic() {
    assert_eq!(decode(&[9, 1]), Err(EntryError::Version { found: 9 }));
    for command in golden_commands() {
        let whole = encode(&command);
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[place] ^= 1 << bit;
                if let Ok(ShardCommand::Write(entry)) = decode(&flipped) {
                    // What still reads as an entry must be safe to encode again.
                    let again = encode(&ShardCommand::Write(entry));
                    assert!(decode(&again).is_ok());
                }
            }
        }
    }
}

#[test]
fn a_count_does_not_ask_for_memory_that_the_bytes_do_not_back() {
    let mut bytes = vec![3, 1, 0, 0];
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(decode(&bytes), Err(EntryError::Damaged("number of tenants")));
}

#[test]
fn an_entry_of_another_term_or_generation_does_nothing() {
    let head = Head::new(std::collections::BTreeSet::new());
    let mut state = ShardState::new(head.clone());
    let up: &[(&str, &str)] = &[("__name__", "up")];
    let write = |term| {
        let batch = batch("a", &[(up, &[(1, 1.0)])]);
        ShardCommand::Write(Arc::new(entry(&head.open(), term, &[batch])))
    };
    let at = |term, index| Position { term, index };
    assert_eq!(state.apply(at(2, 1), &write(1)), ShardResponse::Stale);
    let before = write(2);
    let freeze = ShardCommand::Freeze { generation: 0, next: 50 };
    assert_eq!(state.apply(at(2, 2), &freeze), ShardResponse::Frozen);
    assert_eq!(state.apply(at(2, 3), &before), ShardResponse::Stale);
    assert_eq!(state.apply(at(2, 4), &freeze), ShardResponse::Stale);
    assert!(
        matches!(state.apply(at(2, 5), &write(2)), ShardResponse::Written(counts) if counts.in_order == 1)
    );
    state.restore(&ShardState::checkpoint(50, 60), at(2, 6));
    assert_eq!((head.open().number(), head.restore_failed()), (60, false));
    state.restore(b"\x09", at(2, 7));
    assert!(head.restore_failed());
}

/// Two entries made against the same state both define a series: the second definition finds the first.
#[test]
fn a_series_defined_twice_is_one_series() {
    let generation = Generation::new(1);
    let up: &[(&str, &str)] = &[("__name__", "up")];
    let one = entry(&generation, 1, &[batch("a", &[(up, &[(1, 1.0)])])]);
    let two = entry(&generation, 1, &[batch("a", &[(up, &[(2, 2.0)]), (up, &[(3, 3.0)])])]);
    assert_eq!(generation.apply(&one).series + generation.apply(&two).series, 1);
    let head = generation.tenant(&TenantId::new("a").unwrap()).unwrap();
    let read = head.select(&[], TimeRange::ALL, Detail::Samples).next_batch(10, 100).unwrap();
    assert_eq!((read.len(), read[0].values.as_slice()), (1, [1.0, 2.0, 3.0].as_slice()));
}

/// What decoding accepts, encoding gives back such that it is accepted again: the least part of a tenant too.
#[test]
fn a_tenant_without_rows_comes_back() {
    let tenants = vec![TenantEntry::new(TenantId::new("a").unwrap())];
    let command = ShardCommand::Write(Arc::new(EntryBatch { term: 3, generation: 50, tenants }));
    assert_eq!(decode(&encode(&command)), Ok(command));
}

type Row = (u8, Vec<(i64, u64, i64)>);

proptest! {
    #[test]
    fn histograms_stay_with_their_series(
        rows in prop::collection::vec((0u8..4, prop::collection::vec((any::<i64>(), any_histogram(), 0..3_i64), 0..3), any::<bool>()), 1..8),
    ) {
        let generation = Generation::new(9);
        for _ in 0..2 {
            let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
            for (series, histograms, with_sample) in &rows {
                let labels = Labels::from_pairs([("__name__", series.to_string())]);
                let histograms: Vec<_> = histograms.iter()
                    .map(|(timestamp, histogram, start)| HistogramSample { timestamp: *timestamp, histogram: histogram.clone(), start: *start }).collect();
                if *with_sample {
                    builder.push(&labels, &[Sample { timestamp: 1, value: 1.0 }]);
                }
                builder.push_histograms(&labels, &histograms);
            }
            let batch = builder.build();
            let mut expected: Vec<_> = batch.rows().flat_map(|row| row.histograms().iter().cloned()
                .map(move |sample| (row.to_labels().metric_name().unwrap().to_owned(), sample))).collect();
            let entry = entry(&generation, 1, &[batch]);
            generation.apply(&entry);
            let head = generation.tenant(&TenantId::anonymous()).unwrap();
            let mut found = Vec::new();
            let part = &entry.tenants[0];
            // Numbers that no known series has: a series may be defined twice in one entry.
            let names: Vec<_> = part.definition_pairs().map(|(_, pairs)| part.pair_text(pairs[0]).1.to_owned()).collect();
            let defined: Vec<u32> = (1000..).take(names.len()).collect();
            part.for_each_histogram(&defined, |reference, sample| {
                let known = || head.labels(reference).metric_name().unwrap().to_owned();
                let name = reference.checked_sub(1000).map_or_else(known, |defined| names[defined as usize].clone());
                found.push((name, sample.clone()));
            });
            let key = |(name, sample): &(String, HistogramSample)| (name.clone(), sample.timestamp, format!("{sample:?}"));
            expected.sort_by_cached_key(key);
            found.sort_by_cached_key(key);
            prop_assert_eq!(found, expected);
            let command = ShardCommand::Write(Arc::new(entry));
            prop_assert_eq!(ShardCommand::decode(command.encode()), Ok(command));
        }
    }

    #[test]
    fn entries_come_back(
        rounds in prop::collection::vec(prop::collection::vec(("[ab]", prop::collection::vec((0u8..6, prop::collection::vec((any::<i64>(), any::<u64>(), prop_oneof![4 => Just(0), 1 => any::<i64>()]), 1..4)), 1..6)), 1..4), 1..4),
        term: u64,
    ) {
        let generation = Generation::new(9);
        for round in &rounds {
            let batches: Vec<WriteBatch> = round.iter().map(|(tenant, rows): &(String, Vec<Row>)| {
                let mut builder = BatchBuilder::new(TenantId::new(tenant).unwrap(), &[]);
                for (series, samples) in rows {
                    let labels = Labels::from_pairs([("__name__", "m".repeat(usize::from(*series) + 1)), ("é", series.to_string())]);
                    let samples: Vec<_> = samples.iter().map(|&(timestamp, bits, start)| (Sample { timestamp, value: f64::from_bits(bits) }, start)).collect();
                    builder.push_started(&labels, &samples);
                }
                builder.build()
            }).collect();
            let entry = entry(&generation, term, &batches);
            generation.apply(&entry);
            let command = ShardCommand::Write(Arc::new(entry));
            prop_assert_eq!(ShardCommand::decode(command.encode()), Ok(command));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..300), write: bool) {
        if write && bytes.len() > 2 {
            (bytes[0], bytes[1]) = (3, 1);
        }
        let _ = decode(&bytes);
    }
}
