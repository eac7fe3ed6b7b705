use latewood_base::Rng;
use latewood_model::{Labels, NativeHistogram, TenantId, TimestampMs};
use proptest::prelude::*;

use super::*;
use crate::BatchBuilder;
use crate::journal::{any_histogram, spell_out};

/// What a row says, values by their bits; without start timestamps and with none of them set are the same.
type Told = (Vec<(String, String)>, Vec<(TimestampMs, u64, TimestampMs)>, Vec<HistogramSample>);

fn told(part: &ShardPart) -> Vec<(u32, Told)> {
    let rows = part.series().map(|(row, series)| {
        let labels = series.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut starts = series.starts().to_vec();
        starts.resize(series.samples().len(), NO_START);
        let samples = series.samples().iter().zip(starts);
        let samples = samples.map(|(sample, start)| (sample.timestamp, sample.value.to_bits(), start));
        (row, (labels, samples.collect(), series.histograms().to_vec()))
    });
    rows.collect()
}

/// What all pieces of a part say, by the rows of the sender's batch.
fn carried(part: &ShardPart, target: usize) -> Vec<(u32, Told)> {
    let mut all = Vec::new();
    for spelled in spell_out(part, target) {
        let read = read_part(&spelled.bytes, part.shard()).unwrap();
        assert_eq!((read.tenant(), read.shard()), (part.tenant(), part.shard()));
        for (row, told) in told(&read) {
            let series = part.batch().row(spelled.rows[row as usize]).unwrap();
            assert_eq!(read.batch().row(row).unwrap().hash(), series.hash());
            all.push((spelled.rows[row as usize], told));
        }
    }
    all
}

/// A series by its number, samples, and histograms, each with its time first and its start last.
type Sent = (u8, Vec<(i64, u64, i64)>, Vec<(i64, NativeHistogram, i64)>);

fn part(rows: &[Sent]) -> ShardPart {
    let mut builder = BatchBuilder::new(TenantId::new("team-a").unwrap(), &["replica"]);
    for (series, samples, histograms) in rows {
        let name = series.to_string();
        let labels = Labels::from_pairs([("__name__", "up"), ("n", &name), ("replica", "日本")]);
        let sample = |&(timestamp, bits, start): &(i64, u64, i64)| {
            (Sample { timestamp, value: f64::from_bits(bits) }, start)
        };
        let started: Vec<_> = samples.iter().map(sample).collect();
        let histogram = |(timestamp, histogram, start): &(i64, NativeHistogram, i64)| HistogramSample {
            timestamp: *timestamp,
            histogram: histogram.clone(),
            start: *start,
        };
        let histograms: Vec<_> = histograms.iter().map(histogram).collect();
        if !started.is_empty() || histograms.is_empty() {
            builder.push_started(&labels, &started);
        }
        builder.push_histograms(&labels, &histograms);
    }
    let batch = Arc::new(builder.build());
    let rows: Vec<u32> = (0..batch.len() as u32).filter(|row| row % 3 != 1).collect();
    ShardPart::new(batch, 5, rows.into())
}

proptest! {
    #[test]
    fn a_part_comes_as_it_was_sent(
        rows in prop::collection::vec((
            0_u8..4,
            prop::collection::vec((any::<i64>(), any::<u64>(), 0..3_i64), 0..5),
            prop::collection::vec((any::<i64>(), any_histogram(), 0..3_i64), 0..3),
        ), 0..12),
    ) {
        let part = part(&rows);
        prop_assert_eq!(carried(&part, 1 << 20), told(&part));
    }

    #[test]
    fn what_is_cut_into_pieces_comes_in_full(
        rows in prop::collection::vec((
            0_u8..4, prop::collection::vec((any::<i64>(), any::<u64>(), 0..3_i64), 0..60),
        ), 0..12),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(series, samples)| (series, samples, Vec::new())).collect();
        let part = part(&rows);
        let mut joined: Vec<(u32, Told)> = Vec::new();
        for (row, told) in carried(&part, 1000) {
            match joined.last_mut().filter(|(last, _)| *last == row) {
                Some((_, (_, samples, _))) => samples.extend(told.1),
                None => joined.push((row, told)),
            }
        }
        prop_assert_eq!(joined, told(&part));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_part_that_keeps_its_promises(seed: u64, flips in 1_u64..4) {
        let histogram = NativeHistogram::stale();
        let part = part(&[
            (1, vec![(1, 2, 0), (5, 6, 3)], vec![(7, histogram, 2)]),
            (2, vec![], vec![]),
            (3, vec![(-1, u64::MAX, 0)], vec![]),
        ]);
        let mut bytes = spell_out(&part, 1 << 20)[0].bytes.to_vec();
        let rng = Rng::seeded(seed);
        for _ in 0..flips {
            let place = rng.below(bytes.len() as u64) as usize;
            bytes[place] ^= 1 << rng.below(8);
        }
        if let Ok(read) = read_part(&bytes, 5) {
            for (_, series) in read.series() {
                prop_assert!(series.labels().is_sorted_by(|a, b| a.0 < b.0));
                prop_assert!(series.labels().all(|(name, value)| !name.is_empty() && !value.is_empty()));
                prop_assert!(series.samples().is_sorted_by(|a, b| a.timestamp < b.timestamp));
                prop_assert!(series.starts().is_empty() || series.starts().len() == series.samples().len());
                prop_assert_eq!(series.hash(), series.to_labels().hash128());
            }
        }
    }
}

#[test]
fn other_commands_and_entries_that_nobody_sends_are_refused() {
    use latewood_cluster::Command;

    use crate::journal::{EntryBatch, EntryBuilder};

    let read = |command: ShardCommand| read_part(&command.encode(), 0).unwrap_err();
    let freeze = ShardCommand::Freeze { generation: 1, next: 2 };
    assert_eq!(read(freeze), WRONG("it is no write"));
    let write = |entry: EntryBatch| read(ShardCommand::Write(Arc::new(entry)));
    assert_eq!(write(EntryBatch::default()), WRONG("it is not of one tenant"));
    let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
    let sample = Sample { timestamp: 1, value: 1.0 };
    builder.push(&Labels::from_pairs([("__name__", "up")]), &[sample]);
    let batch = builder.build();
    let generation = crate::head::Generation::new(0);
    let entry = || {
        let mut entry = EntryBuilder::new(&generation, 0);
        entry.push(batch.tenant(), batch.row(0).unwrap());
        entry.build()
    };
    generation.apply(&entry());
    assert_eq!(write(entry()), WRONG("it refers to series by number"));
    assert!(matches!(read_part(&[], 0), Err(ForwardError::Entry(_))));
    // Version 4, a write of term and generation 0, of tenant "a", with a symbol and a series of no labels and two samples.
    let written = |second: u8| {
        let mut bytes = vec![4, 1, 0, 0, 1, 1, b'a', 1, 1, 1, b'x', 1, 0, 0, 2, 2, 4, second];
        bytes.extend([0; 18]);
        read_part(&bytes, 0)
    };
    assert_eq!(written(2).unwrap().samples(), 2);
    assert_eq!(written(0).unwrap_err(), WRONG("times do not ascend"));
}
