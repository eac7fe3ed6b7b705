//! Frames of windows: what is sent comes back, and what is broken is refused.

use latewood_base::{ErrorKind, Kinded};
use latewood_model::{FloatRollup, Labels, RollupColumns};
use proptest::prelude::*;

use super::super::histograms::tests::native;
use super::super::wire::{BucketUsage, Times};
use super::*;

/// What was not asked for is not there.
fn only(columns: RollupColumns, floats: FloatRollups) -> FloatRollups {
    let asked = |column| columns.contains(column);
    fn kept<T>(is_kept: bool, column: Vec<T>) -> Vec<T> {
        if is_kept { column } else { Vec::new() }
    }
    FloatRollups {
        counts: kept(asked(RollupColumns::COUNT), floats.counts),
        sums: kept(asked(RollupColumns::SUM), floats.sums),
        mins: kept(asked(RollupColumns::MIN), floats.mins),
        maxs: kept(asked(RollupColumns::MAX), floats.maxs),
        firsts: kept(asked(RollupColumns::FIRST), floats.firsts),
        lasts: kept(asked(RollupColumns::LAST), floats.lasts),
        corrections: kept(asked(RollupColumns::CORRECTION), floats.corrections),
        first_at: if asked(RollupColumns::TIMES) { floats.first_at } else { Arc::default() },
        last_at: if asked(RollupColumns::TIMES) { floats.last_at } else { Arc::default() },
        stale: kept(asked(RollupColumns::STALE), floats.stale),
        ends: floats.ends,
    }
}

prop_compose! {
    fn any_floats()(
        rows in prop::collection::btree_map(-1_000i64..1_000, (any::<[u64; 6]>(), 1u64.., 0i64..300_000, any::<bool>()), 0..8),
        columns in 0..=RollupColumns::ALL.bits(),
    ) -> FloatRollups {
        let rows = rows.into_iter().map(|(number, (bits, count, before, is_stale))| {
            let [sum, min, max, first, last, correction] = bits.map(f64::from_bits);
            let end = number * 300_000;
            let (first_at, last_at) = (end - before, end - before / 2);
            FloatRollup { end, count, sum, min, max, first, last, first_at, last_at, correction, is_stale }
        });
        only(RollupColumns::from_bits(columns).unwrap(), rows.collect())
    }
}

fn float(histogram: &NativeHistogram) -> Arc<FloatHistogram> {
    histogram.to_float()
}

prop_compose! {
    fn any_histograms()(
        rows in prop::collection::btree_map(
            -1_000i64..1_000,
            (prop::array::uniform2(native()), prop::array::uniform2(prop::option::of(native())), 1u64.., any::<bool>()),
            0..5,
        ),
    ) -> Vec<HistogramRollup> {
        let rows = rows.into_iter().map(|(number, ([first, last], [correction, sum], count, is_stale))| {
            let end = number * 300_000;
            let (correction, sum) = (correction.as_ref().map(float), sum.as_ref().map(float));
            HistogramRollup { end, count, first_at: end - 100, last_at: end - 5, first, last, correction, sum, is_stale }
        });
        rows.collect()
    }
}

/// All columns; their doubles by their bits.
fn bits(floats: &FloatRollups) -> (Vec<Vec<i64>>, Vec<Vec<u64>>, &[bool]) {
    let times = [&floats.ends, &floats.first_at, &floats.last_at].map(|times| times.to_vec());
    let doubles =
        [&floats.sums, &floats.mins, &floats.maxs, &floats.firsts, &floats.lasts, &floats.corrections];
    let mut numbers: Vec<Vec<u64>> =
        doubles.iter().map(|column| column.iter().map(|value| value.to_bits()).collect()).collect();
    numbers.push(floats.counts.clone());
    (times.to_vec(), numbers, &floats.stale)
}

proptest! {
    #[test]
    fn windows_come_back_bit_for_bit_and_columns_that_are_not_there_stay_so(
        sent in prop::collection::vec((any_floats(), any_histograms()), 0..4),
    ) {
        let series = sent.into_iter().enumerate().map(|(number, (floats, histograms))| {
            let labels = Labels::from_pairs([("__name__", "ü"), ("number", number.to_string().as_str())]);
            SeriesRollups { labels, floats, histograms }
        });
        let series: Vec<SeriesRollups> = series.collect();
        let bucket = Some(BucketUsage { requests: 3, read_bytes: 4 });
        let batch = SelectBatch { series: series.clone(), newest_version: 7, bucket };
        let back = rollups_of_frame(frame_of_rollups(batch)).unwrap();
        prop_assert_eq!((back.newest_version, back.bucket), (7, bucket));
        prop_assert_eq!(back.series.len(), series.len());
        for (found, sent) in back.series.iter().zip(&series) {
            prop_assert_eq!(&found.labels, &sent.labels);
            prop_assert_eq!(bits(&found.floats), bits(&sent.floats));
            prop_assert_eq!(&found.histograms, &sent.histograms);
        }
    }
}

/// Two series that were scraped together.
fn pair() -> SelectBatch<SeriesRollups> {
    let rows = [300_000, 600_000].map(|end| FloatRollup {
        end,
        count: 2,
        sum: 3.0,
        min: 1.0,
        max: 2.0,
        first: 1.0,
        last: 2.0,
        first_at: end - 20,
        last_at: end - 5,
        correction: 0.0,
        is_stale: false,
    });
    let floats: FloatRollups = rows.into_iter().collect();
    let histogram = Arc::new(FloatHistogram { count: 2.0, ..FloatHistogram::default() });
    let histograms = [300_000, 600_000].map(|end| HistogramRollup {
        end,
        count: 1,
        first_at: end - 20,
        last_at: end - 5,
        first: NativeHistogram::Float(Arc::clone(&histogram)),
        last: NativeHistogram::Float(Arc::clone(&histogram)),
        correction: None,
        sum: Some(Arc::clone(&histogram)),
        is_stale: false,
    });
    let series = ["a", "b"].map(|name| SeriesRollups {
        labels: Labels::from_pairs([("__name__", name)]),
        floats: floats.clone(),
        histograms: histograms.to_vec(),
    });
    SelectBatch { series: series.to_vec(), ..SelectBatch::default() }
}

#[test]
fn series_that_share_times_send_them_once_and_share_them_again() {
    let mut batch = pair();
    batch.series.iter_mut().for_each(|series| series.histograms.clear());
    let frame = frame_of_rollups(batch);
    assert_eq!((frame.times.len(), frame.symbols.len()), (3, 3));
    let back = rollups_of_frame(frame).unwrap().series;
    let times =
        |one: &SeriesRollups| [&one.floats.ends, &one.floats.first_at, &one.floats.last_at].map(Arc::clone);
    let pairs = times(&back[0]).into_iter().zip(times(&back[1]));
    assert!(pairs.into_iter().all(|(one, other)| Arc::ptr_eq(&one, &other)));
}

#[test]
fn frames_that_cannot_be_are_refused() {
    let good = frame_of_rollups(pair());
    assert!(rollups_of_frame(good.clone()).is_ok());
    let broken = |what: &str, change: fn(&mut RollupsFrame)| {
        let mut frame = good.clone();
        change(&mut frame);
        let error = rollups_of_frame(frame).err().unwrap_or_else(|| panic!("{what} was taken"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
        assert!(error.to_string().contains(what), "{error} is not about {what}");
    };
    fn floats(frame: &mut RollupsFrame) -> &mut FloatWindows {
        frame.series[1].floats.as_mut().unwrap()
    }
    fn histograms(frame: &mut RollupsFrame) -> &mut HistogramWindows {
        frame.series[1].histograms.as_mut().unwrap()
    }
    broken("no symbol", |frame| frame.series[0].labels[1] = 99);
    broken("not sorted", |frame| frame.series[0].labels = vec![1, 0, 0, 1]);
    broken("not ascend", |frame| frame.times[0].deltas = vec![5, 0]);
    broken("no times", |frame| floats(frame).ends = 99);
    broken("no times", |frame| floats(frame).last_at = Some(99));
    broken("no times", |frame| histograms(frame).first_at = 99);
    broken("differ in length", |frame| floats(frame).sums.push(1.0));
    broken("differ in length", |frame| floats(frame).counts.truncate(1));
    broken("differ in length", |frame| floats(frame).stale.truncate(1));
    broken("differ in length", |frame| {
        frame.times.push(Times { deltas: vec![1] });
        floats(frame).first_at = Some(u32::try_from(frame.times.len() - 1).unwrap());
    });
    broken("no samples", |frame| floats(frame).counts[0] = 0);
    broken("no samples", |frame| histograms(frame).counts[0] = 0);
    broken("differ in length", |frame| histograms(frame).stale.clear());
    broken("differ in length", |frame| histograms(frame).lasts = None);
    broken("no first one", |frame| histograms(frame).firsts = None);
    broken("no window", |frame| histograms(frame).sums.as_mut().unwrap().times[0] += 1);
    broken("do not fit", |frame| histograms(frame).sums.as_mut().unwrap().sums.clear());
    broken("integer counts", |frame| {
        let layout = frame.layouts[0].clone();
        frame.layouts.push(super::super::wire::HistogramLayout { has_floats: false, ..layout });
        let sums = histograms(frame).sums.as_mut().unwrap();
        (sums.layouts, sums.floats, sums.integers) = (vec![1; 2], Vec::new(), vec![2, 0, 0, 0]);
    });
}
