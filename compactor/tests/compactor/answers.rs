//! CMP-1: what a compaction leaves answers as its inputs did.

use latewood_model::histogram::{Buckets, IntegerHistogram};
use latewood_model::{
    HistogramSample, Labels, NativeHistogram, Resolution, SeriesSamples, StartTimestamps, TimeRange,
    TimestampMs, stale_nan,
};
use proptest::prelude::*;

use crate::rollups;
use crate::world::{HOUR, World, minutely, series_of};

/// A sample of a generated block: series, time in quarters of an hour, and what it is.
#[derive(Clone, Debug)]
struct Made {
    series: u8,
    quarter: i64,
    kind: u8,
    value: u8,
}

/// A generated block, and what is deleted after it: a series, from and to.
type MadeBlock = (Vec<Made>, Option<(u8, i64, i64)>);

fn any_block() -> impl Strategy<Value = MadeBlock> {
    let sample = (0u8..6, 0i64..(40 * 24 * 4), 0u8..8, 0u8..4);
    let near = (0i64..39 * 24 * 4).prop_flat_map(|from| (0u8..6, from..from + 12, 0u8..8, 0u8..4));
    let sample = prop_oneof![1 => sample, 6 => near];
    let sample = sample.prop_map(|(series, quarter, kind, value)| Made { series, quarter, kind, value });
    let deletion = prop::option::weighted(0.3, (0u8..6, 0i64..40, 1i64..30));
    (prop::collection::vec(sample, 1..60), deletion)
}

fn time(quarter: i64) -> TimestampMs {
    // A quarter of them at the very end of windows.
    quarter * HOUR / 4 + i64::from(quarter % 4 != 0) * (quarter % 7)
}

fn block(made: &[Made]) -> Vec<SeriesSamples> {
    (0..6u8).map(|number| series(number, made)).filter(|series| !series.is_empty()).collect()
}

fn series(number: u8, made: &[Made]) -> SeriesSamples {
    let mut own: Vec<&Made> = made.iter().filter(|sample| sample.series == number).collect();
    own.sort_by_key(|sample| time(sample.quarter));
    own.dedup_by_key(|sample| time(sample.quarter));
    let (histograms, floats): (Vec<&Made>, Vec<&Made>) = own.into_iter().partition(|sample| sample.kind == 0);
    let value = |sample: &&Made| match sample.kind {
        1 => stale_nan(),
        2 => f64::from_bits(0x7ff8_0000_0000_0000 | u64::from(sample.value)),
        kind => f64::from(sample.value) / f64::from(kind),
    };
    let mut starts = StartTimestamps::none();
    for sample in floats.iter().filter(|_| number == 1) {
        starts.push(time(sample.quarter), i64::from(sample.value));
    }
    let names = ["a", "a", "b", "b", "", "c"];
    let (pod, metric) = (number.to_string(), names[usize::from(number)]);
    let pairs = [("__name__", metric), ("pod", pod.as_str())];
    SeriesSamples {
        labels: Labels::from_pairs(pairs.into_iter().filter(|pair| !pair.1.is_empty())),
        timestamps: floats.iter().map(|sample| time(sample.quarter)).collect(),
        values: floats.iter().map(value).collect(),
        starts,
        histograms: histograms.iter().map(|sample| histogram(sample)).collect(),
    }
}

fn histogram(made: &Made) -> HistogramSample {
    let histogram = match made.value {
        0 => NativeHistogram::stale(),
        count => IntegerHistogram {
            count: u64::from(count),
            sum: 0.5,
            positive: Buckets::from_pairs([(i32::from(count), u64::from(count))]),
            ..IntegerHistogram::default()
        }
        .into(),
    };
    HistogramSample::new(time(made.quarter), histogram)
}

async fn check(blocks: &[MadeBlock], rounds: &[i64]) {
    let mut world = World::new(1, 40 * 24);
    let mut rounds = rounds.iter().cycle();
    for (samples, deletion) in blocks {
        world.flush(block(samples)).await;
        if let Some((series, from, days)) = deletion {
            let range = TimeRange::new(from * 24 * HOUR, (from + days) * 24 * HOUR);
            world.delete("pod", &series.to_string(), range).await;
        }
        let before = world.answers().await;
        world.hand.advance(std::time::Duration::from_secs(*rounds.next().unwrap() as u64 * 3_600));
        world.compactor().compact_once().await;
        assert_eq!(world.answers().await, before);
    }
    // When everything has waited long enough, each window has one block, and every deletion was applied.
    let before = world.answers().await;
    world.hand.advance(std::time::Duration::from_secs(30 * 86_400));
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, before);
    let view = world.view().await;
    for resolution in Resolution::ALL {
        let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
        let mut windows: Vec<_> = blocks.map(|block| block.window.unwrap()).collect();
        windows.sort_by_key(|window| window.start);
        assert!(windows.is_sorted_by(|a, b| a.end < b.start), "{resolution}: {windows:?}");
    }
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let expected = before.values().map(series_of);
        rollups::assert_same(&world.rollups(resolution).await, &rollups::expected(expected, resolution));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_compaction_answers_as_its_inputs_did(
        blocks in prop::collection::vec(any_block(), 1..6),
        rounds in prop::collection::vec(0i64..50, 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check(&blocks, &rounds));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_at_the_beginning_of_time_are_compacted_as_others_are() {
    let mut world = World::new(9, 40 * 24);
    world.flush(minutely("first", TimestampMs::MIN, 5)).await;
    world.flush(minutely("other", 1, 5)).await;
    let before = world.answers().await;
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, before);
    let view = world.view().await;
    assert!(view.blocks.values().all(|block| block.window.is_some()), "all is aligned");
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let expected = rollups::expected(before.values().map(series_of), resolution);
        rollups::assert_same(&world.rollups(resolution).await, &expected);
    }
}
