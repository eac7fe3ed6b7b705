//! What is told of an evaluation: plans, what operators took, samples of each step.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, ManualClock};
use latewood_model::{Labels, SeriesSamples, StartTimestamps};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    AnalyzedNode, Control, Engine, EngineConfig, QueryLimits, QueryResult, RangeQuery, ReportOptions, Select,
    SeriesCursor, SeriesSource, SourceError,
};

/// A batch takes so long.
const PULL: Duration = Duration::from_millis(3);

/// Three series with a sample every ten seconds; reading them takes time.
struct Slow(Arc<ManualClock>);

struct Cursor {
    hands: Arc<ManualClock>,
    left: Vec<SeriesSamples>,
}

impl SeriesSource for Slow {
    fn select(&self, _: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let series = |name: &str| SeriesSamples {
            labels: Labels::from_pairs([("__name__", "m"), ("x", name)]),
            timestamps: (0..10).map(|number| number * 10_000).collect(),
            values: vec![1.0; 10],
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        };
        let left = ["c", "b", "a"].map(series).into();
        Ok(Box::new(Cursor { hands: Arc::clone(&self.0), left }))
    }
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        self.hands.advance(PULL);
        Ok(self.left.pop().map(|series| vec![series]))
    }
}

fn query(text: &str, report: ReportOptions) -> RangeQuery {
    RangeQuery {
        expr: parse(text, &ParseOptions::default()).unwrap(),
        start: 0,
        end: 90_000,
        step: Duration::from_secs(30),
        lookback: None,
        report,
    }
}

fn run(text: &str, report: ReportOptions) -> QueryResult {
    let (clock, hands) = Clock::manual(0);
    let control = Control::new(clock, QueryLimits::NONE);
    let source = Arc::new(Slow(Arc::new(hands)));
    Engine::new(EngineConfig::default()).range(&query(text, report), source, &control).unwrap()
}

fn analyzed(text: &str) -> Vec<AnalyzedNode> {
    let result = run(text, ReportOptions { analysis: true, ..ReportOptions::default() });
    result.report.analysis.unwrap().0
}

#[test]
fn an_operator_is_told_what_it_took_itself_and_with_all_below() {
    let nodes = analyzed("sum(rate(m[1m])) / scalar(count(m))");
    let figures = |name: &str| {
        let found: Vec<_> = nodes.iter().filter(|node| node.node.name.starts_with(name)).collect();
        assert_eq!(found.len(), 1, "{name}: {nodes:?}");
        found[0].figures
    };
    // Three batches and the end.
    for name in ["rate", "scan"] {
        let read = figures(name);
        assert_eq!((read.own_time, read.time), (4 * PULL, 4 * PULL), "{name}");
        assert_eq!((read.series, read.samples), (3, 30), "{name}");
        assert!(read.tiles == 1 && read.peak_bytes >= 3 * 4 * 8, "{name}: {read:?}");
    }
    assert_eq!((figures("Sum").own_time, figures("Sum").time), (Duration::ZERO, 4 * PULL));
    assert_eq!((figures("Sum").series, figures("Sum").samples), (1, 0));
    // At steps 0, 30, 60, 90: windows of 1, 4, 6 and 6 samples of each series; one of each for the count.
    assert_eq!(figures("rate").total_samples, 3 * (1 + 4 + 6 + 6));
    assert_eq!(figures("scalar").total_samples, 3 * 4);
    let root = nodes[0].figures;
    assert_eq!((root.time, root.total_samples), (8 * PULL, 3 * 21));
    let own: Duration = nodes.iter().map(|node| node.figures.own_time).sum();
    assert_eq!(own, root.time);
    assert!(root.peak_bytes >= figures("Sum").peak_bytes);
}

#[test]
fn what_is_analyzed_is_what_is_explained() {
    let engine = Engine::new(EngineConfig::default());
    for text in [
        "1",
        "time() + 1",
        "m",
        "m + m",
        "m @ 10 + on(x) group_left() sum by (x) (m)",
        "vector(time())",
        "clamp(m, scalar(m{x=\"a\"}), scalar(m{x=\"a\"}))",
        "max_over_time(rate(m[1m])[2m:10s])",
        "topk(scalar(count(m)), m) or absent(m) unless label_replace(m, 'y', '$1', 'x', '(.*)')",
        "quantile_over_time(scalar(m), m[1m])",
        "absent_over_time(m[1m:10s])",
        "histogram_quantile(0.5, m)",
        "-m > bool 3 + scalar(m @ 3)",
        "sort(m{x=\"nothing\"} * scalar(m))",
    ] {
        let explained = engine.explain_range(&query(text, ReportOptions::default())).unwrap();
        let nodes = analyzed(text);
        let names: Vec<_> = nodes.iter().map(|node| node.node.clone()).collect();
        assert_eq!(names, explained.0, "{text}");
        assert_eq!(explained.0[0].depth, 0);
        // All time was taken by reading, and each selector that was needed reads for four pulls.
        let selectors = nodes.iter().filter(|node| node.figures.samples > 0);
        assert!(selectors.clone().all(|node| node.figures.own_time == 4 * PULL), "{text}: {nodes:?}");
        assert_eq!(nodes[0].figures.time, 4 * PULL * selectors.count() as u32, "{text}: {nodes:?}");
    }
}

#[test]
fn nothing_is_told_unasked() {
    let result = run("sum(m)", ReportOptions::default());
    assert_eq!(result.report, latewood_promql::Report::default());
}

#[test]
fn samples_are_counted_at_their_steps() {
    let asked = ReportOptions { samples_per_step: true, ..ReportOptions::default() };
    for (text, expected) in [
        ("m", [3, 3, 3, 3]),
        ("sum(m) + 1", [3, 3, 3, 3]),
        ("m offset 1m", [0, 0, 3, 3]),
        ("rate(m[1m])", [3, 12, 18, 18]),
        ("m @ 30", [3, 3, 3, 3]),
        ("m + rate(m[1m] @ 30)", [15, 15, 15, 15]),
        // The subquery's values are at 0, 30, 60 and 90 s: windows of them count, what they are made of does not.
        ("sum_over_time(m[1m:30s])", [3, 6, 6, 6]),
        ("sum_over_time(rate(m[20s])[1m:30s])", [0, 3, 6, 6]),
        ("absent_over_time(m[20s])", [3, 6, 6, 6]),
        ("timestamp(m)", [3, 3, 3, 3]),
        ("m + scalar(m @ 30)", [6, 6, 6, 6]),
        ("time()", [0, 0, 0, 0]),
    ] {
        let result = run(text, asked);
        let counts: Vec<u64> = result.report.samples_per_step.iter().map(|step| step.1).collect();
        assert_eq!(counts, expected, "{text}");
        assert_eq!(result.stats.samples_evaluated, counts.iter().sum::<u64>(), "{text}");
        assert_eq!(run(text, ReportOptions::default()).stats.samples_evaluated, counts.iter().sum::<u64>());
    }
}
