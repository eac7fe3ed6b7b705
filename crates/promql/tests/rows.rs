//! What is computed by rows has the bits of what is computed window by window.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::{Labels, stale_nan};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Control, Engine, EngineConfig, Features, QueryLimits, QueryResult, RangeQuery, ReportOptions, Value,
};
use latewood_testkit::promqltest::MemorySource;
use proptest::prelude::*;

/// Each step's samples are counted window by window only.
fn answer(query: &str, source: &Arc<MemorySource>, by_windows: bool) -> QueryResult {
    let query = RangeQuery {
        expr: parse(query, &ParseOptions { features: Features::default() }).expect("a good query"),
        start: 7_000,
        end: 400_000,
        step: Duration::from_secs(13),
        lookback: None,
        report: ReportOptions { samples_per_step: by_windows, ..ReportOptions::default() },
    };
    let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
    let source = Arc::clone(source);
    Engine::new(EngineConfig::default()).range(&query, source, &control).expect("a good query")
}

fn bits(result: &QueryResult) -> Vec<(String, Vec<(i64, u64)>)> {
    let Value::Matrix(series) = &result.value else { panic!("a matrix") };
    let points = |series: &latewood_promql::MatrixSeries| {
        series.points.iter().map(|point| (point.timestamp, point.value.to_bits())).collect()
    };
    series.iter().map(|series| (series.labels.to_string(), points(series))).collect()
}

/// Values as counters have them, and as they never should.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        10 => (0..500_u32).prop_map(f64::from),
        3 => 0.0..1e-3,
        2 => any::<f64>(),
        1 => Just(stale_nan()),
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(f64::MIN_POSITIVE), Just(f64::MAX), Just(f64::from_bits(1))],
    ]
}

/// Sums of these round: one more than 2^53 is 2^53.
#[test]
fn sums_that_would_round_are_left_to_windows() {
    let source = MemorySource::default();
    let labels = Labels::from_pairs([("__name__", "m")]);
    let values = [9_007_199_254_740_992.0].into_iter().chain(std::iter::repeat_n(1.0, 40));
    (1..).zip(values).for_each(|(number, value)| source.add(&labels, number * 10_000, value));
    let source = Arc::new(source);
    for query in ["sum_over_time(m[1m])", "avg_over_time(m[1m])"] {
        let (rows, windows) = (answer(query, &source, false), answer(query, &source, true));
        assert_eq!(bits(&rows), bits(&windows), "{query}");
    }
}

proptest! {
    #[test]
    fn rows_and_windows_give_the_same_bits(
        gaps in prop::collection::vec(prop_oneof![8 => Just(10_000_i64), 3 => 1_i64..40_000], 0..50),
        rows in prop::collection::vec((0..4_u8, prop::collection::vec(value(), 50)), 1..4),
    ) {
        let source = MemorySource::default();
        for (number, (shape, values)) in rows.iter().enumerate() {
            let labels = Labels::from_pairs([("__name__", "m"), ("series", &format!("{number}"))]);
            let (mut at, mut sum) = (0, 0.0);
            for (gap, value) in gaps.iter().zip(values) {
                at += gap;
                sum += value.abs();
                let value = match shape {
                    0 => *value,
                    1 => sum,
                    // A gauge of whole numbers.
                    2 => (value.abs() % 1e6).trunc().max(1.0),
                    _ => value.max(0.5),
                };
                source.add(&labels, at, value);
            }
        }
        let source = Arc::new(source);
        for query in ["rate(m[1m])", "increase(m[1m])", "delta(m[1m])", "rate(m[25s] offset 20s)", "rate(m[2m] @ 200)",
            "sum_over_time(m[2m])", "avg_over_time(m[2m])", "min_over_time(m[2m])", "max_over_time(m[2m])",
            "max_over_time(m[1m] @ 200)", "avg_over_time(m[90s] offset 1m)",
        ] {
            let (rows, windows) = (answer(query, &source, false), answer(query, &source, true));
            prop_assert_eq!(bits(&rows), bits(&windows), "{}", query);
            prop_assert_eq!(rows.stats.samples_evaluated, windows.stats.samples_evaluated, "{}", query);
            prop_assert_eq!(&rows.infos, &windows.infos, "{}", query);
        }
    }
}
