//! Plans as text.

use super::{QueryTimes, plan_instant, plan_range};
use crate::Features;
use crate::parse::{ParseOptions, parse};

fn explain(query: &str) -> String {
    let times = QueryTimes { start: 1_000, end: 61_000, step_ms: 1_000, subquery_step_ms: 60_000 };
    let expr = parse(query, &ParseOptions { features: Features::ALL }).unwrap();
    plan_range(&expr, &times).unwrap().explain().to_string()
}

#[test]
fn constants_are_folded() {
    assert_eq!(explain("-(2 ^ 3) + 1"), "number -7\n");
    assert_eq!(
        explain("m * (60 * 60)"),
        "vector and scalar Mul\n  scan {__name__=\"m\"} offset 0ms\n  number 3600\n"
    );
}

#[test]
fn what_no_step_changes_is_evaluated_once() {
    assert_eq!(
        explain("m / sum(m @ end())"),
        "join Div ignoring () one-to-one\n  \
         scan {__name__=\"m\"} offset 0ms\n  once\n    Sum by ()\n      \
         scan {__name__=\"m\"} offset 0ms @ 61000\n"
    );
    assert!(explain("rate(m[5m] @ 10)").starts_with("once\n"));
    assert!(explain("predict_linear(m[5m] @ 10, 60)").starts_with("predict_linear"));
    assert!(explain("timestamp(m @ 10)").starts_with("once\n"));
    assert!(explain("hour(m @ 10) + time()").starts_with("vector and scalar"));
}

#[test]
fn subqueries_take_the_default_step() {
    assert!(
        explain("max_over_time(rate(m[1m])[1h:])")
            .starts_with("max_over_time over 3600000ms every 60000ms\n")
    );
}

#[test]
fn info_series_are_read_at_the_time_of_the_first_selector() {
    assert_eq!(
        explain(r#"info(rate(m[5m] offset 1m) + n @ 7, {x=~".+"})"#),
        "info of {__name__=\"target_info\",x=~\".+\"} offset 60000ms\n  \
         join Add ignoring () one-to-one\n    \
         rate over 300000ms of {__name__=\"m\"} offset 60000ms\n    once\n      \
         scan {__name__=\"n\"} offset 0ms @ 7000\n"
    );
    assert!(
        explain(r#"info(sum_over_time((m offset 1m)[5m:] offset 2m @ 9), {__name__!="a_info"})"#)
            .starts_with(
                "once\n  info of {__name__=~\".+_info\",__name__!=\"a_info\"} offset 180000ms @ 9000\n"
            )
    );
}

#[test]
fn what_is_no_vector_has_a_plan_of_an_instant_query() {
    let times = QueryTimes { start: 1_000, end: 1_000, step_ms: 0, subquery_step_ms: 60_000 };
    let explain = |query: &str| {
        let expr = parse(query, &ParseOptions::default()).unwrap();
        plan_instant(&expr, &times).unwrap().explain().to_string()
    };
    assert_eq!(explain("(m[5m])"), "samples over 300000ms of {__name__=\"m\"} offset 0ms\n");
    assert_eq!(
        explain("m[5m:1m]"),
        "samples over 300000ms every 60000ms\n  scan {__name__=\"m\"} offset 0ms\n"
    );
    assert_eq!(explain("'m'"), "string\n");
}
