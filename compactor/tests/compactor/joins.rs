//! Rollups of neighbouring windows become one block without losing or changing a row, once their samples are gone.

use std::time::Duration;

use latewood_base::Offload;
use latewood_block::verify;
use latewood_model::rollup::SeriesRollups;
use latewood_model::{Labels, Resolution, SeriesSamples, StartTimestamps, TenantId, TimeRange, stale_nan};
use latewood_objstore::Bucket;

use crate::rebuild::lose_and_rebuild;
use crate::rollups::assert_same;
use crate::world::{HOUR, World};

const WEEK: i64 = 7 * 24 * HOUR;

const ROLLUPS: [Resolution; 3] = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];

/// Counters that fall now and then and go stale, one of them only in every other week.
fn counters(from: i64, to: i64) -> Vec<SeriesSamples> {
    let series = |pod: i64| {
        let times: Vec<i64> = (from / HOUR * 2 + 1..=to / HOUR * 2).map(|half| half * HOUR / 2).collect();
        let value = |at: &i64| match at / HOUR * 2 % 500 {
            77 => stale_nan(),
            half => (half * (pod + 1)) as f64 / 4.0,
        };
        SeriesSamples {
            labels: Labels::from_pairs([("__name__", "requests_total"), ("pod", &pod.to_string())]),
            values: times.iter().map(value).collect(),
            timestamps: times.into(),
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        }
    };
    let all = (0..4).filter(|pod| *pod != 2 || from / WEEK % 2 == 0);
    all.map(series).collect()
}

async fn windows(world: &World, resolution: Resolution) -> Vec<(i64, i64)> {
    let view = world.view().await;
    let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
    let mut windows: Vec<_> = blocks
        .map(|block| block.window.unwrap())
        .map(|own| ((own.start - 1) / WEEK + 1, own.end / WEEK))
        .collect();
    windows.sort_unstable();
    windows
}

async fn all(world: &World) -> Vec<Vec<SeriesRollups>> {
    let mut all = Vec::new();
    for resolution in ROLLUPS {
        all.push(world.rollups(resolution).await);
    }
    all
}

fn assert_all_same(found: &[Vec<SeriesRollups>], expected: &[Vec<SeriesRollups>]) {
    found.iter().zip(expected).for_each(|(found, expected)| assert_same(found, expected));
}

/// Ten weeks with their rollups; the samples of all but the last two are gone.
async fn ten_weeks() -> World {
    let mut world = World::new(11, 10 * 7 * 24 + 2);
    for half in 0..20 {
        world.flush(counters(half * WEEK / 2, (half + 1) * WEEK / 2)).await;
    }
    world.compactor().compact_once().await;
    assert_eq!(windows(&world, Resolution::OneDay).await.len(), 10);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollups_are_joined_by_months_when_their_samples_are_gone() {
    let mut world = ten_weeks().await;
    let before = all(&world).await;
    world.config.retention.resolution_raw_seconds = 10 * 86_400;
    world.compactor().collect_once().await;
    world.hand.advance(Duration::from_secs(1));
    world.compactor().compact_once().await;
    let bucket: Bucket = world.bucket.clone();
    for resolution in ROLLUPS {
        assert_eq!(windows(&world, resolution).await, [(1, 4), (5, 8), (9, 9), (10, 10)]);
    }
    assert_all_same(&all(&world).await, &before);
    for block in world.view().await.blocks.values().filter(|block| block.resolution != Resolution::Raw) {
        let folder = block.folder(&TenantId::anonymous());
        let report = verify(&bucket, &folder, &Offload::new(2)).await.unwrap();
        assert!(report.is_whole(), "{report}");
        // Weeks of five minutes are cut apart, so that a short query reads its part.
        let weeks = (block.window.unwrap().end - block.window.unwrap().start + 1) / WEEK;
        let parts = if block.resolution == Resolution::FiveMinutes { weeks } else { 1 };
        let files = block.files.iter().filter(|file| file.path.starts_with("samples/"));
        assert_eq!(files.count() as i64, parts);
    }
    // A catalog that is made anew has the samples again, and of the rollups the joined ones.
    let expected = windows(&world, Resolution::OneDay).await;
    lose_and_rebuild(&world).await;
    assert_eq!(windows(&world, Resolution::OneDay).await, expected);
    world.compactor().compact_once().await;
    world.compactor().collect_once().await;
    assert_all_same(&all(&world).await, &before);
    // Late samples are there, and change nothing of what was made of the others.
    world.flush(counters(2 * WEEK + HOUR, 2 * WEEK + 2 * HOUR)).await;
    let answers = world.answers().await;
    world.hand.advance(Duration::from_secs(30 * 3_600));
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, answers);
    assert_all_same(&all(&world).await, &before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joined_rollups_lose_what_is_deleted_and_go_by_their_retention() {
    let mut world = ten_weeks().await;
    world.config.retention.resolution_raw_seconds = 10 * 86_400;
    world.compactor().collect_once().await;
    world.compactor().compact_once().await;
    let before = all(&world).await;
    let gone = TimeRange::new(WEEK + 1, 2 * WEEK);
    world.delete("pod", "1", gone).await;
    world.hand.advance(Duration::from_secs(25 * 3_600));
    world.compactor().compact_once().await;
    assert!(world.view().await.tombstones.is_empty());
    let rows = |all: &[Vec<SeriesRollups>]| -> Vec<Vec<(String, i64)>> {
        let of_series = |series: &SeriesRollups| {
            let labels = series.labels.to_string();
            series.floats.ends.iter().map(|end| (labels.clone(), *end)).collect::<Vec<_>>()
        };
        let mut rows: Vec<Vec<_>> = all.iter().map(|all| all.iter().flat_map(of_series).collect()).collect();
        rows.iter_mut().for_each(|rows| rows.sort());
        rows
    };
    let left: Vec<Vec<(String, i64)>> = rows(&before)
        .into_iter()
        .map(|rows| {
            let is_left =
                |(labels, end): &(String, i64)| !labels.contains("pod=\"1\"") || !gone.contains(*end);
            rows.into_iter().filter(is_left).collect()
        })
        .collect();
    assert_eq!(rows(&all(&world).await), left);
    assert_eq!(windows(&world, Resolution::OneHour).await[0], (1, 4));
    // What the finer ones became is named by the coarser ones.
    world.config.retention.resolution_5m_seconds = 10 * 86_400;
    world.config.retention.resolution_1h_seconds = 10 * 86_400;
    world.compactor().collect_once().await;
    assert_eq!(windows(&world, Resolution::FiveMinutes).await, [(9, 9), (10, 10)]);
    assert_eq!(windows(&world, Resolution::OneHour).await, [(9, 9), (10, 10)]);
    assert_eq!(rows(&all(&world).await)[2], left[2]);
}
