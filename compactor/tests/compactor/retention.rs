//! Samples that come as late as they are taken are in their window's rollups before the window's samples go.

use std::time::Duration;

use latewood_model::{Resolution, SeriesSamples};

use crate::rollups::{assert_same, expected};
use crate::world::{HOUR, World, minutely, series_of};

const DAY: i64 = 24 * HOUR;

/// Twenty hours of a few series that cannot be told in few bytes.
fn noise(from: i64) -> Vec<SeriesSamples> {
    let series = |number: i64| {
        let mut series = minutely(&format!("noise_{number}"), from, 20 * 60);
        series[0].values.iter_mut().for_each(|value| *value = (*value * 1e6 + number as f64).sin());
        series
    };
    (0..12).flat_map(series).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_that_come_at_the_last_moment_are_downsampled_before_their_window_goes() {
    let mut world = World::new(12, 8 * 24);
    world.config.retention.resolution_raw_seconds = 15 * 86_400;
    for day in 0..7 {
        world.flush(noise(day * DAY + HOUR)).await;
    }
    world.compactor().compact_once().await;
    // A day before the week goes: ingesters take samples of it for the last time, in a block with new ones.
    world.hand.set_ms((7 + 14) * DAY);
    let mut late = minutely("late", 7 * DAY - HOUR, 3);
    late.extend(minutely("new", (7 + 14) * DAY - HOUR, 60));
    world.flush(late).await;
    let before = world.answers().await;
    let samples = || before.values().map(series_of).filter(|series| series.timestamps[0] <= 7 * DAY);
    world.hand.advance(Duration::from_secs(86_400 + 1));
    world.compactor().collect_once().await;
    assert!(world.answers().await == before, "it was flushed");
    world.compactor().compact_once().await;
    world.compactor().collect_once().await;
    assert!(world.answers().await == before, "it was aligned");
    world.hand.advance(Duration::from_secs(86_400));
    world.compactor().compact_once().await;
    world.compactor().collect_once().await;
    assert!(world.answers().await.keys().all(|labels| labels.contains("new")), "it was downsampled");
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let mut rollups = world.rollups(resolution).await;
        rollups.retain(|series| series.labels.metric_name() != Some("new"));
        assert_same(&rollups, &expected(samples(), resolution));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_waits_for_late_samples_while_they_wait_themselves() {
    let mut world = World::new(13, 8 * 24);
    world.config.retention.resolution_raw_seconds = 15 * 86_400;
    for day in 0..7 {
        world.flush(noise(day * DAY + HOUR)).await;
    }
    world.compactor().compact_once().await;
    world.hand.set_ms((7 + 15) * DAY - 6 * HOUR);
    world.flush(minutely("late", 7 * DAY - HOUR, 3)).await;
    let before = world.answers().await;
    for hours in [0, 12, 23] {
        world.hand.set_ms((7 + 15) * DAY + hours * HOUR);
        world.compactor().compact_once().await;
        world.compactor().collect_once().await;
        assert!(world.answers().await == before, "after {hours} h");
    }
    world.hand.advance(Duration::from_secs(2 * 3_600));
    world.compactor().compact_once().await;
    world.compactor().collect_once().await;
    assert!(world.answers().await.is_empty());
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let samples = before.values().map(series_of);
        assert_same(&world.rollups(resolution).await, &expected(samples, resolution));
    }
}
