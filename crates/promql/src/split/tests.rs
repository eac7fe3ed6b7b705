//! Which expressions may be cut, and what they read.

use std::time::Duration;

use latewood_model::TimeRange;

use crate::parse::{ParseOptions, parse};
use crate::{Engine, EngineConfig, Features, Footprint, RangeQuery, ReportOptions};

const HOUR: i64 = 3_600_000;

fn footprint_with(query: &str, delayed: bool) -> Option<Footprint> {
    let features = Features { promql_delayed_name_removal: delayed, ..Features::ALL };
    let expr = parse(query, &ParseOptions { features }).unwrap();
    let engine = Engine::new(EngineConfig { features, ..EngineConfig::default() });
    engine.footprint(&RangeQuery {
        expr,
        start: 0,
        end: 100 * HOUR,
        step: Duration::from_secs(3600),
        lookback: None,
        report: ReportOptions::default(),
    })
}

fn footprint(query: &str) -> Option<Footprint> {
    footprint_with(query, false)
}

#[test]
fn what_gives_the_same_in_pieces_may_be_cut() {
    for query in [
        "m",
        "{__name__=~'m|n'}",
        "sum by (a) (rate(m[5m]))",
        "avg(m) / on () group_left () n",
        "sum(rate(m[5m])) by (a) / sum(rate(n[5m])) by (a) * 100",
        "histogram_quantile(0.9, sum by (le) (rate(m[5m])))",
        "topk(3, rate(m[1h]))",
        "limitk(3, m)",
        "limit_ratio(0.5, sum by (a) (m))",
        "count(sum by (a) (m) > 1)",
        "quantile(0.9, m)",
        "sum(m and on (a) n)",
        "sum(m or n)",
        "sum(m * ignoring (b) group_left () n)",
        "max_over_time(rate(m[5m])[1h:5m])",
        "sum_over_time(m[5m:1m] @ 77)",
        "m @ 3600 + m offset -1h",
        "absent(m) or absent_over_time(n[5m])",
        "label_replace(m, 'a', '$1', 'b', '(.*)')",
        "avg(avg(m))",
        "sum(sum by (a) (m @ 77))",
        "rate(m[step() * 4])",
        "m + time()",
        "-{a='b'}",
    ] {
        assert!(footprint(query).is_some(), "{query}");
    }
}

#[test]
fn what_names_the_range_of_the_query_is_not_cut() {
    for query in [
        "m @ start()",
        "sum(m @ end()) / m",
        "m offset range()",
        "rate(m[range() / 2])",
        "max_over_time(m[1h:5m] @ end())",
        "max_over_time(m[1h:range() / 100])",
        "m + start()",
        "m + end()",
        "m + range()",
        "m + step()",
        "topk(step(), m)",
    ] {
        assert_eq!(footprint(query), None, "{query}");
    }
}

#[test]
fn what_depends_on_which_series_there_are_at_other_steps_is_not_cut() {
    for query in [
        "sum(sum by (a) (m))",
        "max(sum by (a) (m))",
        "topk(1, sum by (a) (m))",
        "limitk(1, sum without (a) (m))",
        "sum(m * on (a) group_left (b) n)",
        "sum(label_replace(m, 'a', '$1', 'b', '(.*)'))",
        "sum(-{a='b'})",
        "sum(m or vector(0))",
        "avg(max_over_time(sum by (a) (m)[1h:]))",
        // Series of two metrics become one, which fails even if they share no step.
        "rate({__name__=~'m|n'}[5m])",
        // Evaluated between its windows, too.
        "max_over_time(m[59m:1m])",
        "max_over_time(max_over_time(m[1m:10s])[1h:5m])",
        // The worst parameter is warned of.
        "quantile(scalar(m), n)",
        "topk(scalar(m), n)",
        "histogram_quantile(time(), m)",
        "sort(m)",
        "info(m)",
        "m + fill(0) n",
        // Nothing is read.
        "time() + 1",
    ] {
        assert_eq!(footprint(query), None, "{query}");
    }
    assert_eq!(footprint_with("m", true), None);
}

#[test]
fn a_footprint_is_what_the_steps_read() {
    let of = |query: &str, first: i64, last: i64| {
        let footprint = footprint(query).unwrap();
        footprint.of_steps(first, last).collect::<Vec<_>>()
    };
    let minutes = |from: i64, to: i64| TimeRange::new(from * 60_000, to * 60_000);
    assert_eq!(of("m", HOUR, 2 * HOUR), [minutes(55, 120)]);
    assert_eq!(of("rate(m[30m] offset 10m)", HOUR, 2 * HOUR), [minutes(20, 110)]);
    assert_eq!(of("m offset -10m", HOUR, 2 * HOUR), [minutes(65, 130)]);
    assert_eq!(of("m + m", HOUR, HOUR), [minutes(55, 60)]);
    assert_eq!(of("m @ 600 + n", HOUR, HOUR), [minutes(5, 10), minutes(55, 60)]);
    assert_eq!(
        of("max_over_time(rate(m[10m] offset 1m)[1h:1m] offset 5m)", 3 * HOUR, 4 * HOUR),
        [minutes(180 - 5 - 60 - 1 - 10, 240 - 5 - 1)]
    );
    assert_eq!(of("max_over_time(m[20m:1m] @ 3600)", 3 * HOUR, 4 * HOUR), [minutes(60 - 20 - 5, 60)]);
    assert_eq!(of("m smoothed", HOUR, HOUR), [minutes(55, 65)]);
    assert_eq!(of("rate(m[10m] smoothed)", HOUR, HOUR), [minutes(45, 65)]);
    assert_eq!(of("rate(m[10m] anchored)", HOUR, HOUR), [minutes(45, 65)]);
    let wider = footprint("m").unwrap().reaching_back(HOUR);
    assert_eq!(wider.of_steps(HOUR, HOUR).collect::<Vec<_>>(), [minutes(-5, 60)]);
}
