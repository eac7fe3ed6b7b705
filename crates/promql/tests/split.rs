//! Random expressions that have a footprint, over series that come and go: the answers of pieces, joined, are the
//! answer of the whole, bit for bit, and each piece needs no sample outside its footprint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Rng};
use latewood_model::{Labels, TimeRange};
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Control, Engine, EngineConfig, Features, MatrixSeries, QueryLimits, QueryResult, RangeQuery,
    ReportOptions, Value,
};
use latewood_testkit::RandomExpressions;
use latewood_testkit::promqltest::MemorySource;

const MINUTE: i64 = 60_000;
const SPAN: i64 = 600 * MINUTE;

/// Series with samples a minute, which are there for some of the time, with values that round.
fn samples(rng: &Rng) -> Vec<(Labels, i64, f64)> {
    let mut all = Vec::new();
    for (metric, a, b, c) in combinations(&["m_total", "n"], &["1", "2", "3"], &["x", "y"], &["p", "q"]) {
        if rng.below(4) == 0 {
            continue;
        }
        let pairs = [("__name__", metric), ("a", a), ("b", b), ("c", c)];
        let (labels, mut value) = (Labels::from_pairs(pairs), 0.0);
        let (from, length) = (rng.below(500) as i64 * MINUTE, rng.below(400) as i64 * MINUTE);
        for at in (from..from + length).step_by(MINUTE as usize) {
            value = if rng.below(50) == 0 { -0.0 } else { value + rng.unit() / 3.0 };
            let value = if rng.below(100) == 0 { f64::NAN } else { value };
            all.push((labels.clone(), at + rng.below(999) as i64, value));
        }
    }
    all
}

fn combinations<'a>(
    a: &[&'a str],
    b: &[&'a str],
    c: &[&'a str],
    d: &[&'a str],
) -> Vec<(&'a str, &'a str, &'a str, &'a str)> {
    let mut all = Vec::new();
    for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (*a, *b))) {
        all.extend(c.iter().flat_map(|c| d.iter().map(move |d| (a, b, *c, *d))));
    }
    all
}

fn source(samples: &[(Labels, i64, f64)], within: &[TimeRange]) -> Arc<MemorySource> {
    let source = MemorySource::default();
    for (labels, at, value) in samples {
        if within.iter().any(|range| range.contains(*at)) {
            source.add(labels, *at, *value);
        }
    }
    Arc::new(source)
}

/// What is compared: values in their order, and annotations.
type Seen = (Vec<MatrixSeries>, BTreeSet<String>, BTreeSet<String>);

fn seen(result: QueryResult) -> Seen {
    let Value::Matrix(series) = result.value else { panic!("no matrix") };
    (series, result.warnings.into_iter().collect(), result.infos.into_iter().collect())
}

fn joined(pieces: Vec<Seen>) -> Seen {
    let (mut series, mut all): (BTreeMap<Labels, MatrixSeries>, Seen) = Default::default();
    for (piece, warnings, infos) in pieces {
        for one in piece {
            let labels = one.labels.clone();
            let joined =
                series.entry(labels.clone()).or_insert_with(|| MatrixSeries { labels, ..Default::default() });
            joined.points.extend(one.points);
            joined.histograms.extend(one.histograms);
        }
        all.1.extend(warnings);
        all.2.extend(infos);
    }
    all.0 = series.into_values().collect();
    all
}

fn query(text: &str, start: i64, end: i64, step: i64) -> RangeQuery {
    let expr =
        parse(text, &ParseOptions { features: FEATURES }).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (step, report) = (Duration::from_millis(step as u64), ReportOptions::default());
    RangeQuery { expr, start, end, step, lookback: None, report }
}

const FEATURES: Features = Features { promql_delayed_name_removal: false, ..Features::ALL };

#[test]
fn pieces_are_the_whole_and_need_what_their_footprint_says() {
    let rng =
        Rng::seeded(std::env::var("LATEWOOD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7));
    let engine = Engine::new(EngineConfig { features: FEATURES, ..EngineConfig::default() });
    let evaluate = |query: &RangeQuery, source: Arc<MemorySource>| {
        engine.range(query, source, &Control::new(Clock::manual(0).0, QueryLimits::NONE)).map(seen)
    };
    let (mut cut, mut with_series, mut refused, mut failed) = (0, 0, 0, 0);
    let rounds = std::env::var("LATEWOOD_EXPRESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    for round in 0..rounds {
        let data = samples(&rng);
        let text = RandomExpressions(&rng).vector(1 + rng.below(3) as u32);
        let step = [MINUTE, 7 * MINUTE, 20 * MINUTE, 90_500][rng.below(4) as usize];
        let (start, end) = (rng.below(200) as i64 * MINUTE, SPAN - rng.below(200) as i64 * MINUTE);
        let whole = query(&text, start, end, step);
        let Some(footprint) = engine.footprint(&whole) else {
            refused += 1;
            continue;
        };
        let (mut pieces, mut from) = (Vec::new(), start);
        while from <= end {
            let to = (from + rng.below(30) as i64 * step).min(end);
            let piece = query(&text, from, to, step);
            let last = from + (to - from) / step * step;
            let needed: Vec<TimeRange> = footprint.of_steps(from, last).collect();
            pieces.push(evaluate(&piece, source(&data, &needed)));
            from = last + step;
        }
        let expected = evaluate(&whole, source(&data, &[TimeRange::ALL]));
        let pieces: Result<Vec<Seen>, _> = pieces.into_iter().collect();
        match (expected, pieces) {
            (Ok(expected), Ok(pieces)) => {
                with_series += usize::from(!expected.0.is_empty());
                assert_eq!(joined(pieces), expected, "round {round}: {text} from {start} to {end} by {step}");
            }
            (Err(_), Err(_)) => failed += 1,
            (expected, pieces) => panic!("round {round}: {text}: {expected:?} but {pieces:?}"),
        }
        cut += 1;
    }
    println!("{cut} cut, {with_series} with series, {failed} failed, {refused} not to be cut");
    assert!(cut > rounds / 3 && with_series > rounds / 5);
}
