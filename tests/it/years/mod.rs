//! Years of an HA pair, compacted and downsampled: dashboards over them give what the samples would.
//!
//! Some weeks of two series unless told otherwise; the year of the twenty:
//! `LATEWOOD_YEAR_DAYS=365 LATEWOOD_YEAR_SERIES=20 cargo test --release --test it years -- --nocapture`

mod samples;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::{Resolution, TimeRange};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{Control, Engine, EngineConfig, QueryLimits, RangeQuery, ReportOptions, Value};

use samples::{DAY, HOUR, Pair, reference};
use world::{Answer, Matrix, World};

const MINUTE: i64 = 60_000;

fn number(name: &str, default: i64) -> i64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What the samples give.
fn expected(pair: Pair, query: &str, (start, end, step): (i64, i64, i64)) -> Matrix {
    let query = RangeQuery {
        expr: parse(query, &ParseOptions::default()).unwrap(),
        start,
        end,
        step: Duration::from_millis(step as u64),
        lookback: None,
        report: ReportOptions::default(),
    };
    let limits = QueryLimits { timeout: Duration::from_secs(3_600), ..QueryLimits::NONE };
    let control = Control::new(Clock::system(), limits);
    let result = Engine::new(EngineConfig::default()).range(&query, reference(pair), &control).unwrap();
    let Value::Matrix(matrix) = result.value else { panic!("a matrix") };
    let of_series = |series: &latewood_promql::MatrixSeries| {
        let labels: BTreeMap<&str, &str> = series.labels.iter().collect();
        let points = series.points.iter().map(|point| (point.timestamp, point.value)).collect();
        (format!("{labels:?}"), points)
    };
    matrix.iter().map(of_series).collect()
}

#[track_caller]
fn assert_same(query: &str, found: &Matrix, expected: &Matrix, tolerance: f64) {
    let times = |matrix: &Matrix| -> Vec<(String, Vec<i64>)> {
        matrix
            .iter()
            .map(|(key, points)| (key.clone(), points.iter().map(|point| point.0).collect()))
            .collect()
    };
    assert_eq!(times(found), times(expected), "{query}");
    assert!(!found.is_empty(), "{query}");
    for (series, points) in expected {
        for (one, other) in points.iter().zip(&found[series]) {
            let close = (one.1 - other.1).abs() <= tolerance * one.1.abs().max(other.1.abs());
            assert!(close, "{query} of {series} at {}: {} and not {}", one.0, other.1, one.1);
        }
    }
}

/// Functions of a range, and by how much they may differ.
const FUNCTIONS: [(&str, &str, f64); 11] = [
    ("count_over_time", "load", 0.0),
    ("min_over_time", "load", 0.0),
    ("max_over_time", "requests_total", 0.0),
    ("first_over_time", "load", 0.0),
    ("last_over_time", "requests_total", 0.0),
    ("present_over_time", "load", 0.0),
    ("delta", "load", 0.0),
    ("rate", "requests_total", 1e-9),
    ("increase", "requests_total", 1e-9),
    ("sum_over_time", "load", 1e-9),
    ("avg_over_time", "load", 1e-9),
];

/// The panels of the issue: all of the time by days, the last weeks by hours, the last days by five minutes.
fn panels(days: i64) -> [(&'static str, (i64, i64, i64)); 3] {
    [
        ("1d", (DAY, days * DAY, DAY)),
        ("1h", ((days - 30.min(days / 2)) * DAY, days * DAY, HOUR)),
        ("5m", ((days - 2) * DAY, days * DAY, 5 * MINUTE)),
    ]
}

/// All panels, each made of windows and as the samples would make it.
async fn assert_panels(world: &World, pair: Pair, days: i64) {
    for (range, times) in panels(days) {
        let steps = ((times.1 - times.0) / times.2 + 1) as u64;
        for (function, metric, tolerance) in FUNCTIONS {
            let query = format!("{function}({metric}[{range}])");
            let found = world.range(&query, times, &[]).await;
            assert_same(&query, &found.matrix, &expected(pair, &query, times), tolerance);
            let windows = steps * found.matrix.len() as u64;
            assert!(found.samples <= windows, "{query} was made of samples");
            assert_eq!(found.warnings, [""; 0], "{query}");
        }
        for query in
            ["requests_total", "sum(rate(requests_total[1d]))", "max by (pod) (load) - min by (pod) (load)"]
        {
            let found = world.range(query, times, &[]).await;
            assert_same(query, &found.matrix, &expected(pair, query, times), 1e-9);
            assert_eq!(found.warnings, [""; 0], "{query}");
        }
    }
}

/// Fills a world with so many days, compacted when the last window is over, and before samples of the next would be late.
async fn years(pair: Pair, days: i64, deduplicate: bool) -> World {
    let mut world = World::new();
    world.compactor.deduplicate = deduplicate;
    for day in 0..days {
        world.hand.set_ms((day + 1) * DAY + HOUR);
        for replica in [0, 1] {
            // What was before decides which of the replicas stands at first.
            let start = if day == 0 { -HOUR } else { day * DAY + HOUR };
            let range = TimeRange::new(start, (day + 1) * DAY + HOUR - 1);
            world.flush(&pair.replica(replica, range)).await;
        }
        if day % 7 == 6 || day + 1 == days {
            world.hand.set_ms((day + 1) * DAY + 6 * HOUR);
            world.compactor().compact_once().await;
        }
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panels_over_what_was_downsampled_give_what_the_samples_would() {
    let mut pair = Pair { series: number("LATEWOOD_YEAR_SERIES", 2), caught_up: None };
    let days = number("LATEWOOD_YEAR_DAYS", 24);
    let world = years(pair, days, true).await;
    for resolution in Resolution::ALL {
        println!("{resolution}: {} blocks", world.blocks(resolution).await);
    }
    assert_panels(&world, pair, days).await;
    told_how_quick(&world, days).await;
    a_bound_is_kept(&world, days).await;

    // Where replicas are kept, what comes late counts as if it had come in time.
    let mut world = years(pair, days, false).await;
    // What a replica could not deliver for hours comes: windows that lack it are made of samples until they are made anew.
    let away = (days - 16) / 5 * 5 + 3;
    let late = TimeRange::new(away * DAY + 6 * HOUR, away * DAY + 8 * HOUR);
    pair.caught_up = Some(late);
    world.flush(&pair.replica(0, late)).await;
    assert_panels(&world, pair, days).await;
    world.hand.advance(Duration::from_secs(2 * 86_400));
    world.compactor().compact_once().await;
    assert_panels(&world, pair, days).await;

    // Two weeks later only the last two weeks' samples are there.
    world.compactor.retention.resolution_raw_seconds = 15 * 86_400;
    world.compactor.retention.resolution_5m_seconds = 60 * 86_400;
    world.compactor().collect_once().await;
    assert_panels(&world, pair, days).await;
    what_is_gone_is_told(&world, pair, days).await;
}

/// Beside queries of samples with as many points.
async fn told_how_quick(world: &World, days: i64) {
    let clock = Clock::system();
    for (range, times) in panels(days) {
        let steps = (times.1 - times.0) / times.2;
        let samples = (days * DAY - steps * 15_000, days * DAY, 15_000);
        let (by_windows, by_samples) = (format!("rate(requests_total[{range}])"), "rate(requests_total[1m])");
        let (mut windows, mut raw) = (Duration::MAX, Duration::MAX);
        for _ in 0..7 {
            let begun = clock.elapsed();
            world.range(&by_windows, times, &[]).await;
            let between = clock.elapsed();
            world.range(by_samples, samples, &[("max_source_resolution", "0s")]).await;
            (windows, raw) = (windows.min(between - begun), raw.min(clock.elapsed() - between));
        }
        let ratio = windows.as_secs_f64() / raw.as_secs_f64();
        println!("{steps} steps by {range}: {ratio:.2} times what as many samples take");
        assert!(ratio <= 3.0, "{range}: {windows:?} and {raw:?}");
    }
}

/// `max_source_resolution` decides where there is a choice.
async fn a_bound_is_kept(world: &World, days: i64) {
    let times = ((days - 3) * DAY, (days - 2) * DAY, HOUR);
    let query = "count_over_time(load[1h])";
    let read = async |bound: &str| world.range(query, times, &[("max_source_resolution", bound)]).await;
    let by_hours = read("auto").await;
    let (by_minutes, by_samples) = (read("5m").await, read("0s").await);
    assert_eq!((&by_hours.matrix, &by_hours.matrix), (&by_minutes.matrix, &by_samples.matrix));
    assert!(by_hours.samples * 10 < by_minutes.samples && by_minutes.samples * 10 < by_samples.samples);
    let newest = (days * DAY + 10 * MINUTE, days * DAY + 50 * MINUTE, 10 * MINUTE);
    for (times, has_replicas) in [(times, false), (newest, true)] {
        let replica = world.range("load{replica=\"1\"}", times, &[("dedup", "false")]).await;
        let told = (!replica.matrix.is_empty(), replica.warnings.is_empty());
        assert_eq!(told, (has_replicas, has_replicas), "days are one series, and it is said");
    }
    // Half a minute beside everything.
    let times = (times.0 + 30_000, times.1 + 30_000, HOUR);
    let inexact = world.range("rate(requests_total[2h15s])", times, &[("max_source_resolution", "1h")]).await;
    assert!(inexact.warnings[0].contains("windows of 1h"), "{:?}", inexact.warnings);
    let exact = world.range("rate(requests_total[2h15s])", times, &[]).await;
    assert_eq!((exact.warnings.len(), exact.matrix.len()), (0, inexact.matrix.len()));
}

/// Where samples are gone, what does not fit windows is approximate and says so; labels are still there.
async fn what_is_gone_is_told(world: &World, pair: Pair, days: i64) {
    let gone = (DAY + 7 * MINUTE, 2 * DAY, HOUR);
    let query = "rate(requests_total[31m])";
    let Answer { matrix, warnings, .. } = world.range(query, gone, &[]).await;
    assert!(warnings.iter().any(|text| text.contains("windows of")), "{warnings:?}");
    let wanted = expected(pair, query, gone);
    assert_eq!(matrix.len(), wanted.len());
    for (one, other) in matrix.values().flatten().zip(wanted.values().flatten()) {
        assert!((one.1 - other.1).abs() <= 0.5 * other.1.max(1.0), "{one:?} and not {other:?}");
    }
    let thinned = world.range("irate(requests_total[3h])", gone, &[]).await;
    assert!(!thinned.matrix.is_empty());
    assert!(thinned.warnings.iter().any(|text| text.contains("only the last one")), "{:?}", thinned.warnings);
    let both_sides = (DAY + 7 * MINUTE, days * DAY, HOUR);
    let all = world.range(query, both_sides, &[]).await;
    let wanted = expected(pair, query, both_sides);
    assert!(all.matrix.values().zip(wanted.values()).all(|(one, other)| one.len() * 100 >= other.len() * 98));
    let times = [("start", "86400"), ("end", "172800")];
    let names = world.ask("label/__name__/values", &times).await;
    assert_eq!(names["data"], serde_json::json!(["load", "requests_total"]));
    let series = world.ask("series", &[times[0], times[1], ("match[]", "load")]).await;
    assert_eq!(series["data"].as_array().unwrap().len() as i64, pair.series / 2);
}
