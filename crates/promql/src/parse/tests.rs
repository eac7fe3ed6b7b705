use proptest::prelude::*;

use super::*;
use crate::ast::{At, Cardinality, ExprKind};
use crate::print;

fn experimental() -> ParseOptions {
    ParseOptions { features: Features { promql_experimental_functions: true } }
}

fn error(query: &str) -> String {
    parse(query, &ParseOptions::default())
        .map(|expr| panic!("{query} is {expr:?}"))
        .unwrap_or_else(|error| error.to_string())
}

fn kind(query: &str) -> ExprKind {
    parse(query, &ParseOptions::default()).unwrap_or_else(|error| panic!("{query}: {error}")).kind
}

#[test]
fn what_is_wrong_is_said_in_prometheus_words() {
    for (query, expected) in [
        ("", "1:1: parse error: no expression found in input"),
        (" # up", "1:6: parse error: no expression found in input"),
        ("{}", "parse error: vector selector must contain at least one non-empty matcher"),
        (r#"{a=~".*",b!~".+"}"#, "parse error: vector selector must contain at least one non-empty matcher"),
        ("up + bool 1", "parse error: bool modifier can only be used on comparison operators"),
        ("1 == 1", "parse error: comparisons between scalars must use BOOL modifier"),
        ("1 and up", r#"parse error: set operator "and" not allowed in binary scalar expression"#),
        ("up and on(a) group_left(b) up", r#"parse error: no grouping allowed for "and" operation"#),
        (
            "up + on(a) group_left(a) up",
            r#"parse error: label "a" must not occur in ON and GROUP clause at once"#,
        ),
        ("1 + on(a) up", "parse error: vector matching only allowed between instant vectors"),
        (
            "rate(up)",
            r#"parse error: expected type range vector in call to function "rate", got instant vector"#,
        ),
        ("rate()", r#"parse error: expected 1 argument(s) in call to "rate", got 0"#),
        ("round(up, 1, 2)", r#"parse error: expected at most 2 argument(s) in call to "round", got 3"#),
        (
            "label_join(up, \"a\")",
            r#"parse error: expected at least 3 argument(s) in call to "label_join", got 2"#,
        ),
        ("ln(0)", r#"parse error: expected type instant vector in call to function "ln", got scalar"#),
        ("nosuch(up)", r#"parse error: unknown function with name "nosuch""#),
        ("xrate(up[5m])", r#"parse error: unknown function with name "xrate""#),
        (
            "sum(up, 1)",
            "parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
        ),
        ("mad_over_time(up[5m])", r#"parse error: function "mad_over_time" is not enabled"#),
        (
            "limitk(1, up)",
            "parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        (r#"up{__name__="x y"}"#, r#"parse error: metric name must not be set twice: "up" or "x y""#),
        (r#"up{a=~"("}"#, "parse error: error parsing regexp: missing closing ): `^(?s:()$`"),
        ("up[0s]", "parse error: duration must be greater than 0"),
        ("up[1e30]", "parse error: duration out of range"),
        ("up @ NaN", "parse error: timestamp out of bounds for @ modifier: NaN"),
        ("sum(up)[5m:][1m:]", "parse error: subquery is only allowed on instant vector, got matrix instead"),
        ("(up", "1:4: parse error: unclosed left parenthesis"),
        ("up)", "1:3: parse error: unexpected right parenthesis ')'"),
        ("\nup{a=\"b", "2:6: parse error: unterminated quoted string"),
        (r#"up{a="b\d"}"#, "1:8: parse error: unknown escape sequence U+0064 'd'"),
        ("up 5foo", r#"1:4: parse error: bad number or duration syntax: "5foo""#),
        ("up ; up", "1:4: parse error: unexpected character: ';'"),
    ] {
        assert_eq!(error(query), expected, "{query}");
    }
}

#[test]
fn what_only_other_dialects_have_is_refused() {
    for (query, expected) in [
        (r#"up{a="b" or c="d"}"#, "unexpected identifier \"or\" in label matching, expected \",\" or \"}\""),
        ("rate(up[5m] anchored)", "the experimental modifiers anchored and smoothed are not supported"),
        ("a + fill(0) b", "the experimental fill modifiers are not supported"),
        ("up[5m + 1m]", "the experimental duration expressions are not supported"),
        ("a </ 5", "histogram trims (</ and >/) are not supported"),
        ("integral(up[5m])", r#"unknown function with name "integral""#),
    ] {
        assert!(error(query).ends_with(expected), "{query}: {}", error(query));
    }
}

#[test]
fn labels_that_look_like_operators_are_labels() {
    for query in [r#"up{or="x"}"#, "up{or =\"x\", org\n!=\"y\", and=\"z\"}", "sum by (or, and, by) (up)"] {
        assert!(parse(query, &ParseOptions::default()).is_ok(), "{query}");
    }
}

#[test]
fn strings_and_numbers_are_read_as_prometheus_reads_them() {
    assert_eq!(kind(r"`\d+\`"), ExprKind::Text(r"\d+\".to_owned()));
    assert_eq!(kind(r#"'it\'s \u00e4 # no comment'"#), ExprKind::Text("it's ä # no comment".to_owned()));
    for (query, expected) in [
        ("0x1F", 31.0),
        ("-017", -15.0),
        ("1h30m", 5400.0),
        ("-5ms", -0.005),
        ("inf", f64::INFINITY),
        ("1_000", 1000.0),
    ] {
        assert_eq!(kind(query), ExprKind::Number(expected), "{query}");
    }
}

#[test]
fn shifts_keep_their_signs() {
    for (query, offset_ms, at) in [
        ("up offset -5m", -300_000, None),
        ("up offset 1.5 @ -1.25", 1500, Some(At::Time(-1250))),
        ("up @ end() offset 1d", 86_400_000, Some(At::End)),
    ] {
        let ExprKind::Selector(selector) = kind(query) else {
            panic!("{query}");
        };
        assert_eq!((selector.shift.offset_ms, selector.shift.at), (offset_ms, at), "{query}");
    }
}

#[test]
fn matching_has_prometheus_defaults() {
    for (query, expected) in [
        ("a + b", Some((false, Cardinality::OneToOne))),
        ("a and b", Some((false, Cardinality::ManyToMany))),
        ("a + on() b", Some((true, Cardinality::OneToOne))),
        ("a + ignoring(x) group_right b", Some((false, Cardinality::OneToMany))),
        ("a + 1", None),
    ] {
        let ExprKind::Binary(binary) = kind(query) else {
            panic!("{query}");
        };
        assert_eq!(binary.matching.map(|matching| (matching.on, matching.cardinality)), expected, "{query}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = [
        "(".repeat(400_000),
        "-".repeat(400_000) + "up",
        "1+".repeat(400_000) + "1",
        "1^".repeat(400_000) + "1",
        "sum(".repeat(400_000),
        format!("up{}", "[5m:]".repeat(100_000)),
        "(1+1+".repeat(60_000),
        "a or ".repeat(100_000) + "a",
    ];
    for query in deep {
        let text = error(&query);
        let start: String = query.chars().take(20).collect();
        assert!(
            text.contains("nested more than 128 deep") || text.contains("longer than"),
            "{start}: {text}"
        );
    }
    assert!(error(&" ".repeat(MAX_QUERY_LENGTH + 1)).contains("longer than"));
}

#[test]
fn what_is_deep_but_allowed_is_parsed_and_printed() {
    let half = MAX_QUERY_DEPTH - 1;
    for query in [
        format!("{}up{}", "(".repeat(half), ")".repeat(half)),
        format!("{}up", "- ".repeat(half)),
        format!("{}1", "1^".repeat(half)),
        format!("{}{}up{}", "abs(".repeat(60), "up + ".repeat(60), ")".repeat(60)),
        format!("{}up{}", "sum by (a) (".repeat(half), ")".repeat(half)),
    ] {
        let expr = parse(&query, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parse(&print::pretty(&expr), &ParseOptions::default()).as_ref(), Ok(&expr));
    }
}

/// Pieces of queries, most of which fit together somewhere.
const PIECES: [&str; 60] = [
    "up",
    "a:b",
    "sum",
    "topk",
    "rate",
    "label_replace",
    "time",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "atan2",
    "start",
    "end",
    "inf",
    "NaN",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    "==",
    "!=",
    "=~",
    "!~",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "@",
    "1",
    "0x1f",
    "1e400",
    "5m",
    "1y2w",
    "9999999999999y",
    "\"a\"",
    "`\\d`",
    "'('",
    "\"x y\"",
    "\"\\",
    "#",
    "\n",
    "ä",
    "\u{1}",
    "1.5",
];

proptest! {
    #[test]
    fn nothing_panics(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40), spaces in any::<bool>()) {
        let query = pieces.join(if spaces { " " } else { "" });
        if let Ok(expr) = parse(&query, &experimental()) {
            let printed = print::format(&expr);
            let again = parse(&printed, &experimental());
            prop_assert_eq!(again.as_ref().map(print::format), Ok(printed), "{}", query);
        }
    }
}
