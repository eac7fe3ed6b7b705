//! The engine's limits and errors, from outside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use latewood_base::{Clock, ErrorKind, Kinded};
use latewood_model::{Labels, SeriesSamples, StartTimestamps};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Control, Engine, EngineConfig, Features, InstantQuery, QueryError, QueryLimits, QueryResult, RangeQuery,
    ReportOptions, Select, SeriesCursor, SeriesSource, SourceError, Value,
};
use latewood_testkit::promqltest::MemorySource;

/// A hundred series of a sample a second for a minute.
fn source() -> Arc<MemorySource> {
    let source = MemorySource::default();
    for series in 0..100 {
        let labels = Labels::from_pairs([("__name__", "m"), ("series", &format!("{series:03}"))]);
        (0..60).for_each(|second| source.add(&labels, second * 1_000, second as f64));
    }
    Arc::new(source)
}

fn range(query: &str, source: Arc<dyn SeriesSource>, control: &Control) -> Result<QueryResult, QueryError> {
    let features = Features { type_and_unit_labels: false, ..Features::ALL };
    let query = RangeQuery {
        expr: parse(query, &ParseOptions { features }).expect("a good query"),
        start: 0,
        end: 59_000,
        step: Duration::from_secs(1),
        lookback: None,
        report: ReportOptions::default(),
    };
    Engine::new(EngineConfig { features, ..EngineConfig::default() }).range(&query, source, control)
}

fn limited(limits: QueryLimits) -> Control {
    Control::new(Clock::manual(0).0, limits)
}

/// What a result of a range query holds.
fn held(result: &QueryResult) -> u64 {
    let Value::Matrix(series) = &result.value else { panic!("no matrix: {:?}", result.value) };
    series.iter().map(|series| series.size() as u64).sum()
}

#[test]
fn memory_follows_groups_and_steps_and_is_given_back() {
    let control = limited(QueryLimits::NONE);
    let result = range("sum(rate(m[10s]))", source(), &control).unwrap();
    assert!(matches!(&result.value, Value::Matrix(series) if series.len() == 1));
    assert_eq!(result.stats.series_read, 100);
    assert_eq!(result.stats.samples_read, 6_000);
    assert_eq!(control.bytes(), held(&result));
    drop(result);
    assert_eq!(control.bytes(), 0);
}

/// What an aggregation has of its groups goes while they are handed on, and does not stand beside all their results.
#[test]
fn groups_are_let_go_of_as_they_are_handed_on() {
    let (source, groups) = (MemorySource::default(), 3_000);
    for series in 0..groups {
        let labels = Labels::from_pairs([("__name__", "m"), ("series", &format!("{series:04}"))]);
        source.add(&labels, 0, f64::from(series));
    }
    let control = limited(QueryLimits::NONE);
    let result = range("count(sum by (series) (m))", Arc::new(source), &control).unwrap();
    let Value::Matrix(series) = &result.value else { panic!("no matrix: {:?}", result.value) };
    assert!(series[0].points.len() == 60 && series[0].points.iter().all(|point| point.value == 3_000.0));
    let (states, peak) = (3_000 * 60 * 16, control.stats().peak_bytes);
    assert!(peak > states && peak < states + 1_000_000, "{peak}");
}

/// Queries of experiments hold what they hold on account, and give it back.
#[test]
fn experiments_are_on_the_account() {
    let queries = [
        "m + on(series) fill(0) n",
        "n + on(series) fill_left(0) m",
        "m smoothed",
        "increase(m[10s] anchored)",
        r#"info(label_replace(m, "job", "a", "", ""), {__name__="m"})"#,
        r#"label_replace(rate(m[10s]), "name", "$1", "__name__", "(.*)")"#,
    ];
    for query in queries {
        let control = limited(QueryLimits::NONE);
        let result = range(query, source(), &control).unwrap();
        assert!(matches!(&result.value, Value::Matrix(series) if series.len() == 100), "{query}");
        assert_eq!(control.bytes(), held(&result), "{query}");
        drop(result);
        assert_eq!(control.bytes(), 0, "{query}");
        let little = QueryLimits { max_bytes: 20_000, ..QueryLimits::NONE };
        let error = range(query, source(), &limited(little)).unwrap_err();
        assert!(matches!(error, QueryError::TooMuchMemory { .. }), "{query}: {error}");
        let control = limited(QueryLimits::NONE);
        let endless = Arc::new(Endless { control: control.clone(), cancel: true });
        let error = range(query, endless, &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{query}");
    }
}

#[test]
fn limits_end_a_query_as_unprocessable() {
    let few_samples = QueryLimits { max_samples: 1_000, ..QueryLimits::NONE };
    let error = range("m", source(), &limited(few_samples)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unprocessable);
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
    let little_memory = QueryLimits { max_bytes: 20_000, ..QueryLimits::NONE };
    let error = range("m", source(), &limited(little_memory)).unwrap_err();
    assert!(matches!(error, QueryError::TooMuchMemory { limit: 20_000 }));
}

/// Counts what is selected, and gives a series at a time, with further samples long before.
struct Counting {
    selects: Mutex<Vec<Select>>,
    inner: Arc<MemorySource>,
    copies: usize,
}

impl SeriesSource for Counting {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        self.selects.lock().expect("no panic").push(select.clone());
        let mut cursor = self.inner.select(select)?;
        let mut all = Vec::new();
        while let Some(batch) = cursor.next_batch()? {
            all.extend(batch.into_iter().map(|series| repeated(series, self.copies)));
        }
        Ok(Box::new(OneByOne(all.into_iter())))
    }
}

fn repeated(mut series: SeriesSamples, copies: usize) -> SeriesSamples {
    let before = copies * series.values.len();
    let first = series.timestamps.first().copied().unwrap_or_default();
    let earlier = (0..before as i64).map(|at| first - 1_000_000 - before as i64 + at);
    series.timestamps = earlier.chain(series.timestamps.iter().copied()).collect();
    series.values.splice(0..0, std::iter::repeat_n(0.0, before));
    series
}

struct OneByOne(std::vec::IntoIter<SeriesSamples>);

impl SeriesCursor for OneByOne {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        Ok(self.0.next().map(|series| vec![series]))
    }
}

/// Samples that are needed twice are read once, whatever is computed of them; unless they are so many that those who come
/// second should not have them kept.
#[test]
fn selections_that_are_the_same_are_read_once() {
    let queries = [
        ("sum(rate(m[10s])) / sum(rate(m[10s]))", 1),
        ("max_over_time(m[10s]) - on(series) min_over_time(m[10s])", 1),
        (r#"m{series="001",n=""} + on() m{n="",series="001"} - on() m{series="001"}"#, 2),
        ("topk(2, m) or sum(m) or count(m)", 1),
        ("m + m offset 5s", 2),
        (r#"0 * sum(m{series=~"00.",series=~"00."}) + sum(m{series=~"00.",n=""})"#, 2),
        ("sum(rate(m[10s])) + sum(rate(m[20s]))", 2),
        ("limitk(1, m) + ignoring(series) group_right() m", 1),
    ];
    for (query, selects) in queries {
        for (copies, selects) in [(0, Some(selects)), (500, None)] {
            let ask = |copies| {
                let source = Arc::new(Counting { selects: Mutex::default(), inner: source(), copies });
                let control = limited(QueryLimits::NONE);
                let result = range(query, source.clone(), &control).unwrap();
                assert_eq!(control.bytes(), held(&result), "{query}");
                let count = source.selects.lock().unwrap().len();
                (format!("{:?}", result.value), count)
            };
            let (found, count) = ask(copies);
            selects.into_iter().for_each(|expected| assert_eq!(count, expected, "{query}"));
            assert_eq!(found, ask(0).0, "{query} with {copies} copies");
        }
    }
}

/// What is kept for those behind is on the account, and bounded.
#[test]
fn what_waits_is_on_the_account() {
    let query = "sum(m) / sum(m)";
    let peak = |query| {
        let source = Arc::new(Counting { selects: Mutex::default(), inner: source(), copies: 500 });
        let control = limited(QueryLimits::NONE);
        range(query, source.clone(), &control).unwrap();
        let selects = source.selects.lock().unwrap().len();
        (control.stats().peak_bytes, selects)
    };
    let ((once, _), (twice, selects)) = (peak("sum(m)"), peak(query));
    // 100 series of 30,060 samples.
    assert_eq!(selects, 2);
    assert!(twice > once + (8 << 20) && twice < once + (18 << 20), "{once} {twice}");
}

/// Where there is no memory for what waits, it is read twice.
#[test]
fn a_query_that_has_room_to_read_twice_is_not_refused() {
    let source = || Arc::new(Counting { selects: Mutex::default(), inner: source(), copies: 500 });
    let apart = limited(QueryLimits::NONE);
    range("count(m) / sum(m offset 1ms)", source(), &apart).unwrap();
    // Less than may wait, and more than what is remembered of times differs by.
    let max_bytes = apart.stats().peak_bytes + (6 << 20);
    range("count(m) / sum(m)", source(), &limited(QueryLimits { max_bytes, ..QueryLimits::NONE })).unwrap();
}

#[test]
fn a_subquery_without_end_is_refused_before_memory_is_taken() {
    let limits = QueryLimits { max_bytes: 1 << 30, ..QueryLimits::NONE };
    for query in ["max_over_time(m[250y:1ms])", "max_over_time(vector(time())[250y:1ms])"] {
        let error = range(query, source(), &limited(limits)).unwrap_err();
        assert!(matches!(error, QueryError::TooMuchMemory { .. }), "{query}: {error}");
    }
}

/// Never ends, and is canceled or runs out of time after some series.
struct Endless {
    control: Control,
    cancel: bool,
}

impl SeriesSource for Endless {
    fn select(&self, _: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let control = self.control.clone();
        Ok(Box::new(Endless { control, cancel: self.cancel }))
    }
}

impl SeriesCursor for Endless {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        if self.cancel {
            self.control.cancel();
        }
        Ok(Some(vec![SeriesSamples {
            labels: Labels::from_pairs([("__name__", "m")]),
            timestamps: Arc::from([0]),
            values: vec![1.0],
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        }]))
    }
}

#[test]
fn a_query_stops_when_canceled_or_late() {
    let control = limited(QueryLimits::NONE);
    let source = Arc::new(Endless { control: control.clone(), cancel: true });
    let error = range("sum(m)", source, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);

    let limits = QueryLimits { timeout: Duration::from_millis(5), ..QueryLimits::NONE };
    let control = Control::new(Clock::system(), limits);
    let source = Arc::new(Endless { control: control.clone(), cancel: false });
    let error = range("sum(m)", source, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "query timed out in expression evaluation");
}

#[test]
fn bad_parameters_are_invalid() {
    let engine = Engine::new(EngineConfig::default());
    let control = limited(QueryLimits::NONE);
    for (query, end, step, text) in [
        ("m", 0, 0, "zero or negative query resolution"),
        ("m", -1, 1, "end timestamp must not be before start time"),
        ("m", 20_000_000, 1, "exceeded maximum resolution of 11000 points"),
        ("m[5m]", 1, 1, "invalid expression type \"range vector\" for range query"),
        ("'m'", 1, 1, "invalid expression type \"string\" for range query"),
    ] {
        let query = RangeQuery {
            expr: parse(query, &ParseOptions::default()).unwrap(),
            start: 0,
            end,
            step: Duration::from_millis(step),
            lookback: None,
            report: ReportOptions::default(),
        };
        let error = engine.range(&query, source(), &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn times_at_the_end_of_time_do_no_harm() {
    let engine = Engine::new(EngineConfig::default());
    for time in [i64::MIN, i64::MIN + 1, i64::MAX] {
        for query in ["m", "rate(m[5m] offset 1y)", "m offset -1y", "sum_over_time(m[1h:1m])", "timestamp(m)"]
        {
            let query = InstantQuery {
                expr: parse(query, &ParseOptions::default()).unwrap(),
                time,
                lookback: None,
                report: ReportOptions::default(),
            };
            let result = engine.instant(&query, source(), &limited(QueryLimits::NONE));
            assert!(result.is_ok() || matches!(result, Err(QueryError::Invalid(_))), "{result:?}");
        }
    }
}

#[test]
fn annotations_say_where() {
    let control = limited(QueryLimits::NONE);
    for (query, expected) in [
        ("sum(\n  rate(m[10s]))", "_bucket: \"m\" (2:8)"),
        ("1 + quantile(3, m)", "got 3 (1:14)"),
        ("histogram_quantile(7, m)", "got 7 (1:20)"),
        ("histogram_quantile(0.5, m)", "metric name \"m\" (1:25)"),
        ("-quantile_over_time(7, m[10s])", "got 7 (1:21)"),
        ("1 + sort(m)", "ordered by labels (1:5)"),
        ("1 + quantile((3), m)", "got 3 (1:15)"),
        ("1 + rate(((m[10s])))", "_bucket: \"m\" (1:12)"),
        ("1 + rate((m[10s:5s]))", "_bucket: \"m\" (1:1)"),
        ("1 + quantile_over_time((7), m[10s:5s])", "got 7 (1:25)"),
        ("histogram_quantile(0.5, (m))", "metric name \"m\" (1:26)"),
    ] {
        let result = range(query, source(), &control).unwrap();
        let texts = [result.warnings, result.infos].concat();
        assert!(texts.iter().any(|text| text.ends_with(expected)), "{query}: {texts:?}");
    }
}
