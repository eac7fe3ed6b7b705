//! DWN-1 and DED-1: rollups are those of the samples, of HA replicas those of one series.

use std::collections::BTreeMap;
use std::time::Duration;

use latewood_model::dedup::{Deduplicator, ReplicaLabels};
use latewood_model::rollup::{FloatRollup, HistogramRollup, RollupWindows, SeriesRollups};
use latewood_model::{Labels, Resolution, SeriesSamples, StartTimestamps, TimeRange, TimestampMs};

use crate::world::{HOUR, World};

/// The windows of series, by resolution.
pub fn expected(
    series: impl IntoIterator<Item = SeriesSamples>,
    resolution: Resolution,
) -> Vec<SeriesRollups> {
    let windows = RollupWindows::of(resolution).unwrap();
    series.into_iter().map(|series| SeriesRollups::of(&series, windows)).collect()
}

/// What a window has of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    floats: Option<FloatRollup>,
    histograms: Option<HistogramRollup>,
}

impl Row {
    /// Whether it is the same as another: bit for bit, but for what is added up.
    pub fn is_same(&self, other: &Self) -> bool {
        let exact = |row: &Self| {
            let exact = |window: &FloatRollup| {
                let bits = [window.min, window.max, window.first, window.last].map(f64::to_bits);
                (bits, window.count, window.first_at, window.last_at, window.is_stale)
            };
            row.floats.as_ref().map(exact)
        };
        let sums = |row: &Self| {
            let sums = row.floats.iter().flat_map(|window| [window.sum, window.correction]);
            sums.collect::<Vec<_>>()
        };
        let is_close = |(a, b): (f64, f64)| {
            let close = (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) || a.to_bits() == b.to_bits();
            close || a.is_nan() && b.is_nan()
        };
        self.histograms == other.histograms
            && exact(self) == exact(other)
            && sums(self).into_iter().zip(sums(other)).all(is_close)
    }

    pub fn assert_same(&self, other: &Self, what: &str) {
        assert!(self.is_same(other), "{what}: {self:?}, and not {other:?}");
    }
}

/// All rows by their series and windows' ends, each once.
pub fn rows(rollups: &[SeriesRollups]) -> BTreeMap<(String, TimestampMs), Row> {
    let mut all = BTreeMap::<_, Row>::new();
    for one in rollups {
        let labels = one.labels.to_string();
        for window in one.floats.iter() {
            let row = all.entry((labels.clone(), window.end)).or_default();
            assert!(row.floats.replace(window).is_none(), "{labels} at {} is there twice", window.end);
        }
        for window in &one.histograms {
            let row = all.entry((labels.clone(), window.end)).or_default();
            assert!(
                row.histograms.replace(window.clone()).is_none(),
                "{labels} at {} is there twice",
                window.end
            );
        }
    }
    all
}

/// The same rows, and no others.
pub fn assert_same(found: &[SeriesRollups], expected: &[SeriesRollups]) {
    let (found, expected) = (rows(found), rows(expected));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, row) in &found {
        row.assert_same(&expected[key], &format!("{key:?}"));
    }
}

/// A replica that scrapes every 15 s, from and to these seconds, a few seconds beside the other.
fn replica(number: i64, times: impl Iterator<Item = i64>, value: impl Fn(i64) -> f64) -> Vec<SeriesSamples> {
    let times: Vec<TimestampMs> = times.map(|at| at * 15_000 + number * 4_321).collect();
    let series = |pod: i64| SeriesSamples {
        labels: Labels::from_pairs([
            ("__name__", "requests_total"),
            ("replica", &number.to_string()),
            ("zone", &pod.to_string()),
        ]),
        timestamps: times.clone().into(),
        values: times.iter().map(|at| value(at / 15_000) * (pod + 1) as f64).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    };
    (0..3).map(series).collect()
}

/// A counter that falls every three hours.
fn counter(step: i64) -> f64 {
    (step % 720) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_of_a_pair_are_those_of_the_one_series_that_queries_make_of_it() {
    let mut world = World::new(5, 4 * 24 * 10);
    // Three days; the first of the pair is away for an hour around midnight, the second for some minutes.
    let steps = || 0..3 * 24 * 240i64;
    let first = replica(1, steps().filter(|step| !(5_640..5_880).contains(step)), counter);
    let second = replica(2, steps().filter(|step| !(9_000..9_020).contains(step)), counter);
    for hours in (0..72).step_by(6) {
        let (from, to) = (hours * HOUR + 1, (hours + 6) * HOUR);
        let cut = |series: &SeriesSamples| {
            let (_, later) = series.clone().split_after(from - 1);
            Some(later?.split_after(to).0)
        };
        let cut = first.iter().chain(&second).filter_map(cut).filter(|series| !series.is_empty());
        world.flush(cut.collect()).await;
    }
    // Once as days, once more as a week.
    for (days, expected_blocks) in [(3, 2), (20, 1)] {
        world.hand.set_ms(days * 24 * HOUR + 2 * HOUR);
        world.compactor().compact_once().await;
        let answers = world.answers().await;
        let mut pairs: BTreeMap<Labels, Vec<SeriesSamples>> = BTreeMap::new();
        let labels = ReplicaLabels::new(["replica"]);
        for series in answers.values().map(crate::world::series_of) {
            pairs.entry(labels.strip(&series.labels)).or_default().push(series);
        }
        let mut deduplicator = Deduplicator::new(i64::MIN);
        let merged: Vec<SeriesSamples> =
            pairs.into_iter().map(|(labels, pair)| deduplicator.merge(labels, pair)).collect();
        assert!(merged.iter().all(|series| series.values.len() > 15_000));
        for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
            let found = world.rollups(resolution).await;
            assert!(found.iter().all(|series| series.labels.get("replica").is_none()));
            assert_same(&found, &expected(merged.iter().cloned(), resolution));
            let view = world.view().await;
            let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
            assert!(blocks.count() >= expected_blocks);
        }
    }
    // The samples outlive their retention; what was made of them stays.
    world.config.retention.resolution_raw_seconds = 15 * 86_400;
    let before = world.rollups(Resolution::FiveMinutes).await;
    world.compactor().collect_once().await;
    assert!(world.answers().await.is_empty());
    assert_same(&world.rollups(Resolution::FiveMinutes).await, &before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_that_are_not_downsampled_outlive_their_retention() {
    let mut world = World::new(6, 40 * 24);
    world.config.retention.resolution_raw_seconds = 15 * 86_400;
    world.flush(replica(1, 0..240, counter)).await;
    let before = world.answers().await;
    world.compactor().collect_once().await;
    assert_eq!(world.answers().await, before, "rollups are owed");
    world.compactor().compact_once().await;
    world.compactor().collect_once().await;
    assert!(world.answers().await.is_empty());
    assert!(!world.rollups(Resolution::OneDay).await.is_empty());
}

/// Deletions in rollups: made anew while the samples are there, and of what is left lost window by window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_reach_what_was_downsampled() {
    let mut world = World::new(7, 4 * 24 * 10);
    let day = || 0..24 * 240i64;
    let mut series = replica(1, day(), counter);
    let mut histograms = series[0].clone();
    histograms.labels = Labels::from_pairs([("__name__", "latency"), ("zone", "9")]);
    let one = |at: &TimestampMs| latewood_model::HistogramSample::new(*at, world_histogram());
    histograms.histograms = histograms.timestamps.iter().map(one).collect();
    (histograms.timestamps, histograms.values) = ([].into(), Vec::new());
    series.push(histograms);
    world.flush(series).await;
    world.compactor().compact_once().await;
    let gone = TimeRange::new(3 * HOUR + 60_000, 5 * HOUR - 60_000);
    world.delete("zone", "1", gone).await;
    world.delete("zone", "9", gone).await;
    world.hand.advance(Duration::from_secs(25 * 3_600));
    world.compactor().compact_once().await;
    assert!(world.view().await.tombstones.is_empty());
    let labels = ReplicaLabels::new(["replica"]);
    let left: Vec<_> = world.answers().await.values().map(crate::world::series_of).collect();
    let left =
        left.into_iter().map(|series| SeriesSamples { labels: labels.strip(&series.labels), ..series });
    let left: Vec<SeriesSamples> = left.collect();
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        assert_same(&world.rollups(resolution).await, &expected(left.iter().cloned(), resolution));
    }
    // The samples go; what is deleted now takes whole windows with it.
    world.config.retention.resolution_raw_seconds = 2 * 86_400;
    world.compactor().collect_once().await;
    assert!(world.answers().await.is_empty());
    let before = world.rollups(Resolution::OneHour).await;
    world.delete("zone", "2", TimeRange::new(7 * HOUR + 1, 7 * HOUR + 1)).await;
    world.hand.advance(Duration::from_secs(25 * 3_600));
    world.compactor().compact_once().await;
    assert!(world.view().await.tombstones.is_empty());
    let is_hit = |series: &SeriesRollups| series.labels.get("zone") == Some("2");
    let after = world.rollups(Resolution::OneHour).await;
    let rows = |all: &[SeriesRollups], hit: bool| {
        let all = all.iter().filter(|series| is_hit(series) == hit);
        all.flat_map(|series| series.floats.ends.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&after, false), rows(&before, false));
    let all_but_one: Vec<_> = rows(&before, true).into_iter().filter(|end| *end != 8 * HOUR).collect();
    assert_eq!(rows(&after, true), all_but_one);
    assert!(!world.rollups(Resolution::OneDay).await.iter().any(is_hit), "the day had it");
    // Nothing is owed, and the finer ones may go in their turn.
    world.config.retention.resolution_5m_seconds = 2 * 86_400;
    world.compactor().collect_once().await;
    assert!(world.rollups(Resolution::FiveMinutes).await.is_empty());
    assert_same(&world.rollups(Resolution::OneHour).await, &after);
}

fn world_histogram() -> latewood_model::NativeHistogram {
    use latewood_model::histogram::{Buckets, IntegerHistogram};
    IntegerHistogram {
        schema: 3,
        count: 3,
        sum: 2.0,
        positive: Buckets::from_pairs([(0, 1), (1, 2)]),
        ..IntegerHistogram::default()
    }
    .into()
}
