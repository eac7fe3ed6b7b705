//! What is computed of windows is what is computed of the samples that they are made of.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::histogram::{Buckets, IntegerHistogram, ResetHint};
use latewood_model::{
    HistogramSample, Labels, Matcher, NativeHistogram, Resolution, RollupWindows, SeriesRollups,
    SeriesSamples, StartTimestamps, TimeRange, is_stale, stale_nan, storage_order,
};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Control, Engine, EngineConfig, Features, InstantQuery, QueryLimits, QueryResult, RangeQuery,
    ReportOptions, Resolutions, RollupCursor, RollupSelect, SampleValue, Select, SeriesCursor, SeriesSource,
    SourceError, Value,
};
use parking_lot::Mutex;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Series that can be read as samples and as windows.
struct Source {
    series: Vec<SeriesSamples>,
    offered: Resolutions,
    /// At which resolutions windows were read.
    read: Mutex<Vec<Resolution>>,
}

struct Batches<T>(std::vec::IntoIter<T>);

impl Source {
    fn new(mut series: Vec<SeriesSamples>, offered: Resolutions) -> Arc<Self> {
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        Arc::new(Self { series, offered, read: Mutex::default() })
    }

    fn matching<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = &'a SeriesSamples> {
        self.series.iter().filter(move |series| {
            let value = |name| series.labels.get(name).unwrap_or_default();
            matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        })
    }
}

/// The samples at times that are kept.
fn kept(series: &SeriesSamples, keeps: impl Fn(i64) -> bool) -> SeriesSamples {
    let floats = series.samples().filter(|sample| keeps(sample.timestamp));
    let (timestamps, values): (Vec<i64>, Vec<f64>) =
        floats.map(|sample| (sample.timestamp, sample.value)).unzip();
    let histograms = series.histograms.iter().filter(|sample| keeps(sample.timestamp)).cloned().collect();
    let (labels, starts) = (series.labels.clone(), StartTimestamps::none());
    SeriesSamples { labels, timestamps: timestamps.into(), values, starts, histograms }
}

impl SeriesSource for Source {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let is_gone = |at| self.offered.finest(TimeRange::new(at, at)) > Resolution::Raw;
        let of_range = |series| kept(series, |at| select.range.contains(at) && !is_gone(at));
        let found: Vec<_> = self.matching(&select.matchers).map(of_range).collect();
        Ok(Box::new(Batches(found.into_iter())))
    }

    fn resolutions(&self, _: &[Matcher], _: TimeRange) -> Resolutions {
        self.offered.clone()
    }

    fn select_rollups(&self, select: &RollupSelect) -> Result<Box<dyn RollupCursor>, SourceError> {
        self.read.lock().push(select.resolution);
        let windows = RollupWindows::of(select.resolution).expect("windows");
        let keeps = |at| select.range.contains(windows.end_of(at));
        let of_range = |series| SeriesRollups::of(&kept(series, keeps), windows);
        let found: Vec<_> = self.matching(&select.matchers).map(of_range).collect();
        Ok(Box::new(Batches(found.into_iter())))
    }
}

impl SeriesCursor for Batches<SeriesSamples> {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch: Vec<_> = self.0.by_ref().take(2).collect();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl RollupCursor for Batches<SeriesRollups> {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesRollups>>, SourceError> {
        let batch: Vec<_> = self.0.by_ref().take(3).collect();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn options() -> ParseOptions {
    ParseOptions { features: Features { promql_experimental_functions: true, ..Features::default() } }
}

fn range(query: &str, times: (i64, i64, i64), source: &Arc<Source>) -> QueryResult {
    let (start, end, step) = times;
    let query = RangeQuery {
        expr: parse(query, &options()).expect("a good query"),
        start,
        end,
        step: Duration::from_millis(step as u64),
        lookback: None,
        report: ReportOptions::default(),
    };
    let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
    Engine::new(EngineConfig::default())
        .range(&query, Arc::clone(source) as _, &control)
        .expect("a good query")
}

fn instant(query: &str, time: i64, source: &Arc<Source>) -> QueryResult {
    let expr = parse(query, &options()).expect("a good query");
    let query = InstantQuery { expr, time, lookback: None, report: ReportOptions::default() };
    let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
    Engine::new(EngineConfig::default())
        .instant(&query, Arc::clone(source) as _, &control)
        .expect("a good query")
}

fn up_to(coarsest: Resolution) -> Resolutions {
    Resolutions { coarsest, ..Resolutions::default() }
}

/// Every value with its series and time.
fn values(result: &QueryResult) -> Vec<(String, i64, SampleValue)> {
    let Value::Matrix(matrix) = &result.value else { panic!("a matrix") };
    let mut all: Vec<(String, i64, SampleValue)> = Vec::new();
    for series in matrix {
        let floats = series.points.iter().map(|point| (point.timestamp, SampleValue::Float(point.value)));
        let histograms = series.histograms.iter();
        let histograms =
            histograms.map(|point| (point.timestamp, SampleValue::Histogram(point.histogram.clone())));
        all.extend(floats.chain(histograms).map(|(at, value)| (series.labels.to_string(), at, value)));
    }
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

fn is_close(a: f64, b: f64, tolerance: f64) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
}

fn are_close(a: &SampleValue, b: &SampleValue, tolerance: f64) -> bool {
    match (a, b) {
        (SampleValue::Float(a), SampleValue::Float(b)) => is_close(*a, *b, tolerance),
        (SampleValue::Histogram(a), SampleValue::Histogram(b)) => {
            let buckets =
                |buckets: &Buckets<f64>| buckets.iter().filter(|bucket| bucket.1 != 0.0).collect::<Vec<_>>();
            let sides = [(&a.positive, &b.positive), (&a.negative, &b.negative)];
            let same_buckets = sides.into_iter().all(|(a, b)| {
                let (a, b) = (buckets(a), buckets(b));
                a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1, 1e-9))
            });
            a.schema == b.schema
                && same_buckets
                && is_close(a.count, b.count, 1e-9)
                && is_close(a.sum, b.sum, 1e-9)
        }
        _ => false,
    }
}

/// Exact, and those that are sums in another order.
const EXACT: [&str; 11] = [
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "first_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "delta",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "",
];
const SUMMED: [&str; 4] = ["sum_over_time", "avg_over_time", "rate", "increase"];

fn histogram(counts: [u64; 3], sum: i32) -> NativeHistogram {
    let histogram = IntegerHistogram {
        reset_hint: ResetHint::Unknown,
        sum: f64::from(sum),
        count: counts.iter().sum(),
        positive: Buckets::from_pairs((-1..).zip(counts)),
        ..IntegerHistogram::default()
    };
    histogram.into()
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        10 => (0..500_u32).prop_map(f64::from),
        4 => 0.0..1e3,
        1 => Just(stale_nan()),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0)],
    ]
}

prop_compose! {
    /// Samples over some hours: of floats, of histograms, or first the one and then the other.
    fn series()(
        kind in 0..4_u8,
        samples in prop::collection::vec(
            (prop_oneof![20 => Just(30_000_i64), 3 => 1_i64..400_000, 1 => 1_i64..3 * HOUR], value(), 0..40_u8,
             prop::array::uniform3(0..6_u64)),
            0..200,
        ),
    ) -> SeriesSamples {
        let (mut at, mut sum, mut counts) = (0, 0.0, [0; 3]);
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for (number, (gap, value, chance, more)) in samples.into_iter().enumerate() {
            at += gap;
            if chance == 0 {
                (sum, counts) = (0.0, [0; 3]);
            }
            counts = [counts[0] + more[0], counts[1] + more[1], counts[2] + more[2]];
            sum += f64::from(chance);
            match (kind, number > 100) {
                (0, _) => floats.push((at, value)),
                (1, _) | (3, false) => floats.push((at, if is_stale(value) { value } else { sum })),
                _ if chance == 1 => histograms.push(HistogramSample::new(at, NativeHistogram::stale())),
                _ => histograms.push(HistogramSample::new(at, histogram(counts, more[0] as i32))),
            }
        }
        let (timestamps, values): (Vec<i64>, Vec<f64>) = floats.into_iter().unzip();
        let (timestamps, starts) = (timestamps.into(), StartTimestamps::none());
        SeriesSamples { labels: Labels::empty(), timestamps, values, starts, histograms }
    }
}

fn named(all: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
    let named = all.into_iter().enumerate().map(|(number, series)| {
        let labels = Labels::from_pairs([("__name__", "m"), ("series", &format!("{number}"))]);
        SeriesSamples { labels, ..series }
    });
    named.collect()
}

/// What a function of a range is asked as; of none, the selector by itself.
fn asked(function: &str, range: &str, shift: &str) -> String {
    match function {
        "" => format!("m {shift}"),
        "absent_over_time" => format!("{function}(m{{series=\"0\"}}[{range}] {shift})"),
        _ => format!("{function}(m[{range}] {shift})"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// DWN-1 as queries see it: whole windows give what their samples give.
    #[test]
    fn windows_that_fit_give_what_samples_give(
        all in prop::collection::vec(series(), 1..4),
        (resolution, range_length) in prop_oneof![
            Just((Resolution::FiveMinutes, "5m")), Just((Resolution::FiveMinutes, "35m")),
            Just((Resolution::OneHour, "1h")), Just((Resolution::OneHour, "3h")),
        ],
        shift in prop_oneof![Just(""), Just("offset 1h"), Just("@ 7200"), Just("offset -1h")],
        steps in 1..30_i64,
        gone in prop_oneof![Just(i64::MIN), 0..6 * HOUR],
    ) {
        let all = named(all);
        let samples = Source::new(all.clone(), Resolutions::default());
        let millis = resolution.millis().unwrap();
        let times = (millis, millis * steps, millis);
        for function in EXACT.into_iter().chain(SUMMED) {
            let query = asked(function, range_length, shift);
            let tolerance = if SUMMED.contains(&function) { 1e-9 } else { 0.0 };
            let expected = range(&query, times, &samples);
            // By choice, and because samples are gone: of the steps before as well as of those after.
            let wished = up_to(resolution);
            let gone = vec![(TimeRange::new(i64::MIN, gone), resolution)];
            for offered in [wished, Resolutions { gone, ..Resolutions::default() }] {
                let source = Source::new(all.clone(), offered);
                let found = range(&query, times, &source);
                let (expected, seen) = (values(&expected), values(&found));
                let keys = |all: &[(String, i64, SampleValue)]| all.iter().map(|one| (one.0.clone(), one.1)).collect::<Vec<_>>();
                prop_assert_eq!(keys(&expected), keys(&seen), "{}", &query);
                for (one, other) in expected.iter().zip(&seen) {
                    prop_assert!(are_close(&one.2, &other.2, tolerance), "{query}: {one:?} and {other:?}");
                }
                prop_assert!(!found.warnings.iter().any(|text| text.contains("approximate")), "{:?}", &found.warnings);
            }
        }
    }
}

/// A counter that grows by one a second, scraped every 30 s, for six hours.
fn counter() -> Vec<SeriesSamples> {
    let timestamps: Vec<i64> = (1..=720).map(|number| number * 30_000).collect();
    let values = timestamps.iter().map(|at| *at as f64 / 1000.0).collect();
    let (timestamps, starts) = (timestamps.into(), StartTimestamps::none());
    named(vec![SeriesSamples { labels: Labels::empty(), timestamps, values, starts, histograms: Vec::new() }])
}

fn only(result: &QueryResult) -> f64 {
    let Value::Vector(vector) = &result.value else { panic!("a vector") };
    match vector.as_slice() {
        [sample] => match sample.value {
            SampleValue::Float(value) => value,
            SampleValue::Histogram(_) => panic!("a float"),
        },
        other => panic!("one sample and not {other:?}"),
    }
}

#[test]
fn the_coarsest_windows_that_fit_are_read() {
    let source = Source::new(counter(), up_to(Resolution::OneHour));
    for (query, time, read) in [
        ("rate(m[2h])", 5 * HOUR, Some(Resolution::OneHour)),
        ("rate(m[2h] offset 5m)", 5 * HOUR, Some(Resolution::FiveMinutes)),
        ("rate(m[2h5m])", 5 * HOUR, Some(Resolution::FiveMinutes)),
        ("rate(m[2h])", 5 * HOUR + MINUTE, None),
        ("m", 5 * HOUR, Some(Resolution::OneHour)),
        ("timestamp(m)", 5 * HOUR + 5 * MINUTE, Some(Resolution::FiveMinutes)),
        ("irate(m[2h])", 5 * HOUR, None),
        ("max_over_time(rate(m[5m])[1h:5m])", 5 * HOUR, Some(Resolution::FiveMinutes)),
    ] {
        source.read.lock().clear();
        instant(query, time, &source);
        assert_eq!(source.read.lock().first().copied(), read, "{query} at {time}");
    }
}

#[test]
fn where_samples_are_gone_windows_that_do_not_fit_are_read_with_a_warning() {
    let gone = vec![(TimeRange::new(i64::MIN, 3 * HOUR), Resolution::OneHour)];
    let differing = vec![TimeRange::new(HOUR + 1, 2 * HOUR)];
    let other = Resolutions { gone: gone.clone(), differing, ..Resolutions::default() };
    let source = Source::new(counter(), other);
    for (time, is_told) in [(HOUR, false), (2 * HOUR, true), (3 * HOUR, false)] {
        let told = instant("count_over_time(m[1h])", time, &source).warnings;
        assert_eq!(
            told.iter().any(|text| text.contains("approximate")),
            is_told,
            "of other series: {told:?}"
        );
    }
    let source = Source::new(counter(), Resolutions { gone, ..Resolutions::default() });
    for (query, expected) in [
        ("rate(m[7m])", 1.0),
        ("increase(m[7m])", 420.0),
        ("count_over_time(m[30m])", 60.0),
        // The last one of the hour before.
        ("m", 7200.0),
        ("max_over_time(m[95m])", 7200.0),
    ] {
        let result = instant(query, 2 * HOUR + 17 * MINUTE, &source);
        let value = only(&result);
        assert!((value - expected).abs() <= expected * 0.01, "{query}: {value}");
        assert!(
            result.warnings.iter().any(|text| text.contains("windows of 1h")),
            "{query}: {:?}",
            result.warnings
        );
        let later = instant(query, 5 * HOUR + 17 * MINUTE, &source);
        assert_eq!(later.warnings, [""; 0], "{query}");
    }
    // What windows say nothing of may be there all the same.
    let absent = instant("absent_over_time(m{series=\"none\"}[31m])", 2 * HOUR + 17 * MINUTE, &source);
    assert!(absent.warnings.iter().any(|text| text.contains("windows of 1h")), "{:?}", absent.warnings);
    // Steps on both sides, in one row.
    let both = range("rate(m[20m])", (HOUR + MINUTE, 6 * HOUR, 10 * MINUTE), &source);
    let both = values(&both);
    assert_eq!(both.len(), 30);
    assert!(
        both.iter()
            .all(|(_, _, value)| matches!(value, SampleValue::Float(rate) if (rate - 1.0).abs() < 0.02)),
        "{both:?}"
    );
}

#[test]
fn an_analysis_says_at_which_resolutions_a_selector_was_read() {
    let gone = vec![(TimeRange::new(i64::MIN, 3 * HOUR), Resolution::OneHour)];
    let source = Source::new(counter(), Resolutions { gone, ..Resolutions::default() });
    let query = RangeQuery {
        expr: parse("sum(rate(m[20m])) or m @ 20000 or rate(m[20m] @ 10000)", &options())
            .expect("a good query"),
        start: HOUR,
        end: 6 * HOUR,
        step: Duration::from_secs(600),
        lookback: None,
        report: ReportOptions { analysis: true, ..ReportOptions::default() },
    };
    let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
    let engine = Engine::new(EngineConfig::default());
    let result = engine.range(&query, Arc::clone(&source) as _, &control).expect("a good query");
    let nodes = result.report.analysis.expect("an analysis").0;
    let told =
        nodes.iter().map(|node| node.figures.read_at.iter().map(Resolution::as_str).collect::<Vec<_>>());
    let told: Vec<Vec<&str>> = told.filter(|read| !read.is_empty()).collect();
    assert_eq!(told, [vec!["raw", "1h"], vec!["raw"], vec!["1h"]]);
}

#[test]
fn windows_that_do_not_fit_are_read_where_that_is_wished() {
    let offered = Resolutions { may_be_inexact: true, ..up_to(Resolution::OneHour) };
    let source = Source::new(counter(), offered);
    for (query, read) in [
        ("rate(m[30m15s])", Some(Resolution::FiveMinutes)),
        ("rate(m[2h30s])", Some(Resolution::OneHour)),
        ("rate(m[1m])", None),
    ] {
        source.read.lock().clear();
        let result = instant(query, 5 * HOUR + MINUTE, &source);
        assert!((only(&result) - 1.0).abs() < 0.01);
        assert_eq!(source.read.lock().first().copied(), read, "{query}");
        assert_eq!(result.warnings.is_empty(), read.is_none(), "{query}");
    }
}

#[test]
fn infos_are_those_of_samples() {
    for (function, count) in [("rate", 1), ("increase", 1), ("delta", 0)] {
        let query = format!("{function}(m[1h])");
        let windows = Source::new(counter(), up_to(Resolution::OneHour));
        let samples = Source::new(counter(), Resolutions::default());
        let [told, expected] = [&windows, &samples].map(|source| instant(&query, 2 * HOUR, source).infos);
        assert_eq!(*windows.read.lock(), [Resolution::OneHour]);
        assert_eq!(told, expected, "{function}");
        let doubts = told.iter().filter(|text| text.contains("might not be a counter"));
        assert_eq!(doubts.count(), count, "{function}: {told:?}");
    }
}

#[test]
fn what_is_counted_and_told_is_of_the_windows() {
    let source = Source::new(counter(), up_to(Resolution::OneHour));
    let result = range("sum(rate(m[2h]))", (4 * HOUR, 6 * HOUR, HOUR), &source);
    assert_eq!(values(&result).len(), 3);
    assert_eq!(result.stats.samples_evaluated, 6);
}
