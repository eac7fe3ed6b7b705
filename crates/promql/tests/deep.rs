//! As many operators one after the other as are allowed, on a thread with no more stack than a runtime's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::Labels;
use latewood_promql::parse::{MAX_QUERY_LEVELS, ParseOptions, parse};
use latewood_promql::print::{format, pretty};
use latewood_promql::{
    Control, Engine, EngineConfig, InstantQuery, QueryLimits, RangeQuery, ReportOptions, with_room,
};
use latewood_testkit::promqltest::MemorySource;

fn everything_about(text: &str) {
    let expr = parse(text, &ParseOptions::default()).unwrap();
    assert_eq!(expr.levels(), MAX_QUERY_LEVELS);
    let (printed, lines) =
        with_room(expr.levels(), || (format(&expr), pretty(&expr).lines().count())).unwrap();
    assert!(lines >= MAX_QUERY_LEVELS);
    assert_eq!(parse(&printed, &ParseOptions::default()).unwrap().levels(), expr.levels());
    drop(expr.clone());

    let source = MemorySource::default();
    for name in ["a", "b"] {
        source.add(&Labels::from_pairs([("__name__", name), ("x", name)]), 0, 1.0);
    }
    let source = Arc::new(source);
    let engine = Engine::new(EngineConfig::default());
    let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
    let report = ReportOptions { analysis: true, samples_per_step: true };
    let instant = InstantQuery { expr: expr.clone(), time: 0, lookback: None, report };
    let nodes = engine.explain_instant(&instant).unwrap().0.len();
    let result = engine.instant(&instant, source.clone(), &control).unwrap();
    assert_eq!(result.report.analysis.unwrap().0.len(), nodes);
    let (start, end, step) = (0, 2_000, Duration::from_secs(1));
    let range = RangeQuery { expr, start, end, step, lookback: None, report };
    engine.range(&range, source, &control).unwrap();
}

#[test]
fn long_chains_of_operators_fit_on_a_stack() {
    let most = MAX_QUERY_LEVELS - 1;
    let chain = |first: &str, operator: &str, other: &str| {
        format!("{first}{}", format!(" {operator} {other}").repeat(most))
    };
    let queries = [
        chain("a", "or", "b"),
        chain("a", "+", "a"),
        chain("a", "and on()", "b"),
        chain("a", "unless", "b"),
        chain("a", "*", "2"),
        chain("1", "+", "1"),
        chain("time()", "-", "1"),
        chain("a", "== bool", "a"),
    ];
    for text in queries {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || everything_about(&text));
        thread.unwrap().join().unwrap();
    }
}

#[test]
fn longer_ones_are_refused_for_their_length() {
    for operators in [MAX_QUERY_LEVELS, 5_000, 150_000] {
        let text = format!("a{}", " or a".repeat(operators));
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let refused = thread.spawn(move || parse(&text, &ParseOptions::default()).unwrap_err().to_string());
        let refused = refused.unwrap().join().unwrap();
        assert!(refused.contains("more than 1000 levels: operators one after the other"), "{refused}");
    }
}
