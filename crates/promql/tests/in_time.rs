//! A query ends soon after its time is over, whatever it is at: no operator works for long between two looks at the
//! clock. Cancellation is seen at the same places.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::{Labels, SeriesSamples, StartTimestamps};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Engine, EngineConfig, InstantQuery, QueryError, RangeQuery, ReportOptions, Select, SeriesCursor,
    SeriesSource, SourceError,
};

/// How long a query may go on after its end.
const LATE: Duration = Duration::from_millis(100);
/// What all queries may hold together: as much as one.
const ALL_BYTES: u64 = 2 << 30;
const SERIES: usize = 15_000;
const NOW: i64 = 1_700_000_000_000;

/// `many` series of a sample each, ten of `le` to a histogram, and `one` of a week.
struct Source {
    many: Arc<[SeriesSamples]>,
    one: SeriesSamples,
}

impl Source {
    fn new() -> Self {
        let now: Arc<[i64]> = [NOW].into();
        let many = (0..SERIES).map(|number| {
            let (x, le) = (format!("{:05}-of-many", number / 10), format!("{}", number % 10));
            let pairs = [("__name__", "many"), ("le", &le), ("x", &x)];
            SeriesSamples {
                labels: Labels::from_pairs(pairs),
                timestamps: Arc::clone(&now),
                values: vec![(number * 7_919 % SERIES) as f64],
                starts: StartTimestamps::none(),
                histograms: Vec::new(),
            }
        });
        let times = (0..7 * 24 * 60).map(|minute| NOW - minute * 60_000);
        let mut times: Vec<i64> = times.collect();
        times.reverse();
        let one = SeriesSamples {
            labels: Labels::from_pairs([("__name__", "one")]),
            values: times.iter().map(|time| *time as f64).collect(),
            timestamps: times.into(),
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        };
        Self { many: many.collect(), one }
    }
}

struct Cursor {
    series: Arc<[SeriesSamples]>,
    next: usize,
}

impl SeriesSource for Source {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let is_one = select.matchers.iter().any(|matcher| matcher.value() == "one");
        let series = if is_one { [self.one.clone()].into() } else { Arc::clone(&self.many) };
        Ok(Box::new(Cursor { series, next: 0 }))
    }
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch: Vec<_> = self.series.iter().skip(self.next).take(500).cloned().collect();
        self.next += batch.len();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// Runs a query; how long it took, and whether it ended for lack of time.
fn run(text: &str, source: &Arc<Source>, timeout: Duration) -> (Duration, bool) {
    let clock = Clock::system();
    let timeout = timeout.min(Duration::from_secs(1_000));
    let config = EngineConfig { timeout, max_total_bytes: ALL_BYTES, ..EngineConfig::default() };
    let engine = Engine::new(config);
    let control = engine.control(&clock, None);
    let begun = clock.elapsed();
    let source = Arc::clone(source) as Arc<dyn SeriesSource>;
    let (text, is_range) = text.strip_prefix("range ").map_or((text, false), |text| (text, true));
    let expr = parse(text, &ParseOptions { features: latewood_promql::Features::ALL }).unwrap();
    let (lookback, report) = (None, ReportOptions::default());
    let result = if is_range {
        let (start, end, step) = (NOW, NOW + 10_000, Duration::from_secs(1));
        engine.range(&RangeQuery { expr, start, end, step, lookback, report }, source, &control)
    } else {
        engine.instant(&InstantQuery { expr, time: NOW, lookback, report }, source, &control)
    };
    // One of them joins what is ambiguous.
    let is_told = matches!(&result, Ok(_) | Err(QueryError::Timeout | QueryError::Execution(_)));
    assert!(is_told, "{text}: {result:?}");
    let is_late = matches!(result, Err(QueryError::Timeout));
    drop(result);
    assert_eq!(control.bytes(), 0, "{text}");
    drop(control);
    // Nothing is left of what queries share.
    assert!(engine.control(&clock, None).reserve(ALL_BYTES).is_ok(), "{text}");
    (clock.elapsed() - begun, is_late)
}

/// By how much a query is late at worst, told to end at several times.
fn latest(text: &str, source: &Arc<Source>) -> Duration {
    let (whole, _) = run(text, source, Duration::MAX);
    let late_at = |part: u32| {
        let timeout = whole * part / 5;
        // Others work on the machine too: the best of some counts.
        let tries = (0..4).map(|_| {
            let (took, was_late) = run(text, source, timeout);
            if was_late { took.saturating_sub(timeout) } else { Duration::ZERO }
        });
        let mut best = Duration::MAX;
        for late in tries {
            best = best.min(late);
            if best < LATE {
                break;
            }
        }
        best
    };
    let late = (1..5).map(late_at).max().unwrap_or_default();
    eprintln!("{text}: {whole:?}, late by {late:?}");
    late
}

fn assert_in_time(queries: &[&str]) {
    let source = Arc::new(Source::new());
    let found = queries.iter().map(|text| (*text, latest(text, &source)));
    let late: Vec<_> = found.filter(|(_, late)| *late > LATE).collect();
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn over_many_series() {
    assert_in_time(&[
        "many",
        "range many",
        "sort(many)",
        "sort_by_label(many, \"x\")",
        "range quantile(0.5, many)",
        "range sum by (x) (many)",
        "label_replace(many, \"y\", \"$1\", \"x\", \"(.*)-of-(.*)\")",
        "count_values(\"v\", many)",
        "topk(1e5, many)",
        "range topk by (le) (3, many)",
        "many + many",
        "many + on() many",
        "many + on(x, le) group_left() many",
        "range many and many",
        "many unless many",
        "range many or many",
        "histogram_quantile(0.9, many)",
        "range -many",
    ]);
}

#[test]
fn over_many_steps() {
    assert_in_time(&[
        "max_over_time(one[7d:1s])",
        "one[7d:1s]",
        "quantile_over_time(0.5, one[7d:1s])",
        "max_over_time(rate(one[5m])[7d:1s])",
        "max_over_time((one + one)[7d:1s])",
        "max_over_time((one * 2 > bool 7)[7d:1s])",
        "max_over_time(abs(one)[7d:1s])",
        "max_over_time(clamp(one, time(), scalar(one))[7d:1s])",
        "max_over_time(sum(one)[7d:1s])",
        "max_over_time(quantile(0.5, one)[7d:1s])",
        "max_over_time(topk(1, one)[7d:1s])",
        "max_over_time((one or one)[7d:1s])",
        "max_over_time(absent(one)[7d:1s])",
        "max_over_time((one @ 1700000000)[7d:1s])",
        "max_over_time(timestamp(one)[7d:1s])",
        "max_over_time(hour()[7d:1s])",
    ]);
}
