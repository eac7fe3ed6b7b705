use super::*;
use crate::parse::{ParseOptions, parse};

fn expr(query: &str) -> crate::ast::Expr {
    parse(query, &ParseOptions::default()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn one_line_is_as_prometheus_prints_it() {
    for (query, expected) in [
        (r#"up{b='2', a!="1"}"#, r#"up{a!="1",b="2"}"#),
        (r#"{"x.y", "a b"=~`\d`}"#, r#"{"a b"=~"\\d",__name__="x.y"}"#),
        (r#"{__name__="up"}"#, r#"{__name__="up"}"#),
        ("up[90m] offset 1d @ 5", "up[1h30m] @ 5.000 offset 1d"),
        ("up[1w1d:5] @ start()", "up[8d:5s] @ start()"),
        ("up offset -365d", "up offset -1y"),
        ("sum(up) by (a, \"b c\")", "sum by (a, \"b c\") (up)"),
        ("sum without() (up)", "sum without () (up)"),
        ("sum by() (up)", "sum(up)"),
        ("topk without(a)(5, up)", "topk without (a) (5, up)"),
        ("a>bool ignoring(x)group_left b", "a > bool ignoring (x) group_left () b"),
        ("a + on() b", "a + on () b"),
        ("a + ignoring() b", "a + b"),
        ("a and b", "a and b"),
        ("-(1)+-2", "-(1) + -2"),
        ("1e21+1e-7+Inf", "1000000000000000000000 + 0.0000001 + +Inf"),
        ("'a\"\\n\\x01\\u200b ä'", r#""a\"\n\x01\u200b ä""#),
        ("ROUND", "ROUND"),
        ("SUM BY (a) (rate(x[5m]))", "sum by (a) (rate(x[5m]))"),
    ] {
        assert_eq!(format(&expr(query)), expected, "{query}");
    }
}

#[test]
fn long_expressions_are_broken_at_their_parts() {
    let query = "histogram_quantile(0.99, sum by (le, instance) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))) > 0.5 and on (instance) up";
    let expected = r#"    histogram_quantile(
      0.99,
      sum by (le, instance) (rate(http_request_duration_seconds_bucket{job="api"}[5m]))
    )
  >
    0.5
and on (instance)
  up"#;
    assert_eq!(pretty(&expr(query)), expected);
    assert_eq!(pretty(&expr("sum( up )")), "sum(up)");
}

#[test]
fn long_subqueries_and_negations_keep_upstreams_shape() {
    let name = "a_rather_long_metric_name_that_fills_a_good_part_of_the_line";
    let sum = format!("sum by (x) ({name})");
    let query = format!("max_over_time(({sum} / {sum})[1h:1m])");
    let expected = format!("max_over_time(\n  (\n      {sum}\n    /\n      {sum}\n  )[1h:1m]\n)");
    assert_eq!(pretty(&expr(&query)), expected);
    let query = format!("-({sum} / {sum})");
    assert_eq!(pretty(&expr(&query)), format!("-(\n    {sum}\n  /\n    {sum}\n)"));
}

#[test]
fn numbers_have_gos_exponents() {
    for (value, expected) in [
        (0.1, "0.1"),
        (123_456.0, "123456"),
        (1e7, "1e+07"),
        (1_234_567.5, "1.2345675e+06"),
        (1.5e-5, "1.5e-05"),
        (-2.0, "-2"),
    ] {
        assert_eq!(general(value), expected);
    }
    assert_eq!([f64::INFINITY, f64::NEG_INFINITY].map(fixed), ["+Inf", "-Inf"]);
}
