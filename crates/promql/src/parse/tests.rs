//! Queries and what becomes of them, as data; the differential test beside `promql-parser` is in `tests/parser.rs`.

use proptest::prelude::*;

use super::*;
use crate::ast::{At, Cardinality, DurationKind, DurationOp, ExprKind, Length, Offset};
use crate::print;

fn plain() -> ParseOptions {
    ParseOptions::default()
}

fn everything() -> ParseOptions {
    ParseOptions { features: Features::ALL }
}

fn error(query: &str, options: &ParseOptions) -> String {
    parse(query, options).map(|expr| panic!("{query} is {expr:?}")).unwrap_or_else(|error| error.to_string())
}

fn good(query: &str) -> Expr {
    parse(query, &everything()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// A query and its error, taken from Prometheus 3.5's answers where that has the syntax.
const ERRORS: &[(&str, &str)] = &[
    ("", "unknown position: parse error: no expression found in input"),
    (" # up", "1:1: parse error: no expression found in input"),
    ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
    (
        r#"1 + {a=~".*",b!~".+"}"#,
        "1:5: parse error: vector selector must contain at least one non-empty matcher",
    ),
    ("up + bool 1", "1:4: parse error: bool modifier can only be used on comparison operators"),
    ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
    ("1 and up", r#"1:1: parse error: set operator "and" not allowed in binary scalar expression"#),
    ("up and on(a) group_left(b) up", r#"1:1: parse error: no grouping allowed for "and" operation"#),
    (
        "up + on(a) group_left(a) up",
        r#"1:4: parse error: label "a" must not occur in ON and GROUP clause at once"#,
    ),
    ("1 + on(a) up", "1:1: parse error: vector matching only allowed between instant vectors"),
    (r#""a" + 1"#, "1:1: parse error: binary expression must contain only scalar and instant vector types"),
    (
        r#"-"a""#,
        r#"1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "string""#,
    ),
    (
        "rate(up)",
        r#"1:6: parse error: expected type range vector in call to function "rate", got instant vector"#,
    ),
    ("rate()", r#"1:1: parse error: expected 1 argument(s) in call to "rate", got 0"#),
    ("round(up, 1, 2)", r#"1:1: parse error: expected at most 2 argument(s) in call to "round", got 3"#),
    (
        r#"label_join(up, "a")"#,
        r#"1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 2"#,
    ),
    ("ln(0)", r#"1:4: parse error: expected type instant vector in call to function "ln", got scalar"#),
    ("nosuch(up)", r#"1:1: parse error: unknown function with name "nosuch""#),
    ("rate(up[5m],)", "1:12: parse error: trailing commas not allowed in function call args"),
    ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
    (
        "1 + sum(up, 1)",
        "1:5: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
    ),
    (r#"topk("a", foo)"#, "1:6: parse error: expected type scalar in aggregation parameter, got string"),
    ("mad_over_time(up[5m])", r#"1:1: parse error: function "mad_over_time" is not enabled"#),
    ("start()", r#"1:1: parse error: function "start" is not enabled"#),
    (
        "limitk(1, up)",
        "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
    ),
    ("foo anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
    ("rate(foo[5m] smoothed)", "1:6: parse error: smoothed modifier is experimental and not enabled"),
    ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    (r#"up{__name__="x y"}"#, r#"1:1: parse error: metric name must not be set twice: "up" or "x y""#),
    (r#"up{a=~"("}"#, "1:4: parse error: error parsing regexp: missing closing ): `(`"),
    ("up[0s]", "1:4: parse error: duration must be greater than 0"),
    ("up[1e30]", "1:4: parse error: duration out of range"),
    ("up[300y]", "1:4: parse error: duration out of range"),
    ("up[5hs]", r#"1:4: parse error: unknown unit "hs" in duration "5hs""#),
    ("up[5m / 0]", "1:7: parse error: division by zero"),
    ("up[5m % 0]", "1:7: parse error: modulo by zero"),
    ("up @ NaN", "1:1: parse error: timestamp out of bounds for @ modifier: NaN"),
    ("up @ 1e19", "1:1: parse error: timestamp out of bounds for @ modifier: 10000000000000000000.000000"),
    ("sum(up)[5m:][1m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"),
    ("sum(up)[5m]", "1:8: parse error: ranges only allowed for vector selectors"),
    ("up offset 5m [5m]", "1:14: parse error: no offset modifiers allowed before range"),
    ("up @ 5 [5m]", "1:8: parse error: no @ modifiers allowed before range"),
    ("up offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"),
    (
        "(up) offset 5m",
        "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    ),
    ("up @ 1 @ start()", "1:1: parse error: @ <timestamp> may not be set multiple times"),
    ("(up", "1:4: parse error: unclosed left parenthesis"),
    ("up)", "1:4: parse error: unexpected right parenthesis ')'"),
    ("up[5m", "1:6: parse error: unclosed left bracket"),
    ("up[", "1:4: parse error: unexpected end of input in duration expression"),
    ("up{", "1:4: parse error: unexpected end of input inside braces"),
    ("\nup{a=\"b", "2:6: parse error: unterminated quoted string"),
    (r#"up{a="b\d"}"#, "1:6: parse error: unknown escape sequence U+0064 'd'"),
    ("up 5foo", r#"1:4: parse error: bad number or duration syntax: "5""#),
    ("up ; up", "1:4: parse error: unexpected character: ';'"),
    ("up foo", r#"1:4: parse error: unexpected identifier "foo""#),
    ("up a:b", r#"1:4: parse error: unexpected metric identifier "a:b""#),
    (r#"up "abcdefghijkl""#, r#"1:4: parse error: unexpected string "\"abcdefghi"..."#),
    ("up 5m", r#"1:4: parse error: unexpected duration "5m""#),
    ("up sum", "1:4: parse error: unexpected <aggr:sum>"),
    ("up BOOL", "1:4: parse error: unexpected <BOOL>"),
    ("up + * up", "1:6: parse error: unexpected <op:*>"),
    ("sum(up foo)", r#"1:8: parse error: unexpected identifier "foo" in aggregation"#),
    ("sum by (a) up", r#"1:12: parse error: unexpected identifier "up" in aggregation"#),
    ("sum(up) by a", r#"1:12: parse error: unexpected identifier "a" in grouping opts, expected "(""#),
    ("a + on (b) group_left", r#"1:22: parse error: unexpected end of input in grouping opts, expected "(""#),
    ("sum by (,) (up)", r#"1:9: parse error: unexpected "," in grouping opts, expected label"#),
    (
        "sum by (a b) (up)",
        r#"1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")""#,
    ),
    (r#"sum by ("") (up)"#, r#"1:9: parse error: invalid label name for grouping: """#),
    (
        "up{a b}",
        r#"1:6: parse error: unexpected identifier "b" in label matching, expected label matching operator"#,
    ),
    ("up{a=b}", r#"1:6: parse error: unexpected identifier "b" in label matching, expected string"#),
    ("up{,}", r#"1:4: parse error: unexpected "," in label matching, expected identifier or "}""#),
    (
        r#"up{a="b" or c="d"}"#,
        r#"1:10: parse error: unexpected identifier "or" in label matching, expected "," or "}""#,
    ),
    ("up @ foo", r#"1:6: parse error: unexpected identifier "foo" in @, expected timestamp"#),
    ("up @ start(1)", r#"1:12: parse error: unexpected number "1" in @, expected timestamp"#),
    (
        "up offset foo",
        r#"1:11: parse error: unexpected identifier "foo" in offset, expected number, duration, step(), or range()"#,
    ),
    (
        "up[]",
        r#"1:4: parse error: unexpected "]" in subquery or range selector, expected number, duration, step(), or range()"#,
    ),
    ("up[5m 5m]", r#"1:7: parse error: unexpected duration "5m" in subquery or range, expected ":" or "]""#),
    (
        "up[5m:+]",
        r#"1:8: parse error: unexpected "]" in subquery selector, expected number, duration, step(), range(), or "]""#,
    ),
    ("up[5m:1s 1]", r#"1:10: parse error: unexpected number "1" in subquery selector, expected "]""#),
    ("up[5m:1s:1]", "1:9: parse error: unexpected colon ':'"),
    ("up[x]", "1:4: parse error: unexpected character in duration expression: 'x'"),
    ("up[5m x]", "1:7: parse error: unexpected character: 'x', expected ':'"),
];

/// The same with every feature on.
const ERRORS_OF_EXPERIMENTS: &[(&str, &str)] = &[
    ("foo anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
    ("foo[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
    ("sum(foo) smoothed", "1:1: parse error: smoothed modifier not implemented"),
    ("1 + fill(0) up", "1:1: parse error: filling in missing series only allowed between instant vectors"),
    ("a or fill(0) b", "1:1: parse error: filling in missing series not allowed for set operators"),
    ("info(up, foo)", "1:10: parse error: expected label selectors only, got vector selector instead"),
    ("info(up, sum(foo))", "1:10: parse error: expected label selectors only"),
    (
        "info(up, 1)",
        r#"1:1: parse error: expected type instant vector in call to function "info", got scalar"#,
    ),
    ("integral(up[5m])", r#"1:1: parse error: unknown function with name "integral""#),
];

#[test]
fn what_is_wrong_is_said_in_prometheus_words_at_its_place() {
    for (query, expected) in ERRORS {
        assert_eq!(error(query, &plain()), *expected, "{query}");
    }
    for (query, expected) in ERRORS_OF_EXPERIMENTS {
        assert_eq!(error(query, &everything()), *expected, "{query}");
    }
}

#[test]
fn expressions_mean_what_upstreams_precedence_says() {
    for (query, expected) in [
        ("1 + 2 * 3 ^ 4 ^ 5", "(+ 1 (* 2 (^ 3 (^ 4 5))))"),
        ("1 - 2 - 3", "(- (- 1 2) 3)"),
        ("-2 ^ 2", "(-(^ 2 2))"),
        ("-a * b", "(* (-a) b)"),
        ("2 ^ -a * b", "(* (^ 2 (-a)) b)"),
        ("a or b and c unless d", "(or a (unless (and b c) d))"),
        ("a == bool b > c", "(> (== a b) c)"),
        ("a </ 5 + 1", "(</ a (+ 5 1))"),
        ("a % b atan2 c", "(atan2 (% a b) c)"),
        ("+a - +b", "(- (+a) (+b))"),
        ("- -1", "1"),
        ("a offset 5m * 2", "(* a offset 5m 2)"),
        ("a offset -2 ^ 2", "(^ a offset -2s 2)"),
        ("offset offset 5m", "offset offset 5m"),
        ("fill + fill", "(+ fill fill)"),
        ("a + fill (1) fill_left", "(+ a fill_left)"),
    ] {
        assert_eq!(lisp(&good(query)), expected, "{query}");
    }
}

/// Operators in front and in brackets.
fn lisp(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Binary(binary) => {
            format!("({} {} {})", binary.op.as_str(), lisp(&binary.left), lisp(&binary.right))
        }
        ExprKind::Unary(op, inner) => format!("({}{})", op.as_str(), lisp(inner)),
        _ => print::format(expr),
    }
}

#[test]
fn nodes_know_their_places() {
    let text = "sum by (a) (\n  rate(x[5m] offset 1h) # rate\n)\n/ -(b)";
    let expr = good(text);
    let ExprKind::Binary(binary) = &expr.kind else { panic!("{expr:?}") };
    let ExprKind::Aggregate(sum) = &binary.left.kind else { panic!("{expr:?}") };
    let ExprKind::Call { args, .. } = &sum.expr.kind else { panic!("{expr:?}") };
    for (part, covers, place) in [
        (&expr, text, "1:1"),
        (&binary.left, "sum by (a) (\n  rate(x[5m] offset 1h) # rate\n)", "1:1"),
        (&sum.expr, "rate(x[5m] offset 1h)", "2:3"),
        (&args[0], "x[5m] offset 1h", "2:8"),
        (&binary.right, "-(b)", "4:3"),
    ] {
        let span = part.span;
        assert_eq!(&text[span.start as usize..span.end as usize], covers);
        assert_eq!(span.to_string(), place, "{covers}");
    }
}

#[test]
fn labels_that_look_like_operators_are_labels() {
    for query in [r#"up{or="x"}"#, "up{or =\"x\", org\n!=\"y\", and=\"z\"}", "sum by (or, and, by) (up)"] {
        assert!(parse(query, &plain()).is_ok(), "{query}");
    }
}

#[test]
fn strings_and_numbers_are_read_as_prometheus_reads_them() {
    for (query, expected) in [
        (r"`\d+\`", r"\d+\"),
        (r"'it\'s \u00e4 # no comment'", "it's ä # no comment"),
        (r"'\xff'", "\u{fffd}"),
    ] {
        let ExprKind::Text(text) = good(query).kind else { panic!("{query}") };
        assert_eq!(text.to_lossy(), expected);
    }
    for (query, expected, duration) in [
        ("0x1F", 31.0, false),
        ("-017", -15.0, false),
        ("1h30m", 5400.0, true),
        ("-5ms", -0.005, true),
        ("inf", f64::INFINITY, false),
        ("1_000", 1000.0, false),
    ] {
        let ExprKind::Number(number) = good(query).kind else { panic!("{query}") };
        assert_eq!((number.value, number.is_duration), (expected, duration), "{query}");
    }
}

#[test]
fn shifts_keep_their_signs() {
    for (query, offset, at) in [
        ("up offset -5m", -300_000, None),
        ("up offset 1.5 @ -1.25", 1500, Some(At::Time(-1250))),
        ("up @ end() offset 1d", 86_400_000, Some(At::End)),
        ("up offset 0.0019", 1, None),
    ] {
        let ExprKind::Selector(selector) = good(query).kind else { panic!("{query}") };
        assert_eq!((selector.shift.offset, selector.shift.at), (Offset::Fixed(offset), at), "{query}");
    }
}

#[test]
fn durations_are_expressions() {
    let ExprKind::Matrix { range: Length::Computed(range), .. } = good("up[STEP() * 2 + 1m]").kind else {
        panic!("not computed")
    };
    let DurationKind::Binary(DurationOp::Add, left, _) = &range.kind else { panic!("{range:?}") };
    assert!(matches!(left.kind, DurationKind::Binary(DurationOp::Mul, ..)));
    for (query, printed) in [
        ("up[5m+-1m]", "up[5m + -1m]"),
        ("up[(5m)]", "up[(5m)]"),
        ("up[max_of(step(),5s):range()/2]", "up[max_of(step(), 5s):range() / 2]"),
        ("up offset (5m * 2)", "up offset (5m * 2)"),
        ("up offset -min_of(1m, step())", "up offset -min_of(1m, step())"),
        ("up offset +step()", "up offset step()"),
        ("up offset -(5m)", "up offset -(5m)"),
    ] {
        assert_eq!(print::format(&good(query)), printed, "{query}");
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
        let ExprKind::Binary(binary) = good(query).kind else { panic!("{query}") };
        assert_eq!(binary.matching.map(|matching| (matching.on, matching.cardinality)), expected, "{query}");
    }
    let ExprKind::Binary(binary) = good("a + fill_right(-1) fill_left(5m) b").kind else { panic!() };
    let fill = binary.matching.unwrap_or_default().fill;
    assert_eq!((fill.left, fill.right), (Some(300.0), Some(-1.0)));
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
        format!("up[{}1]", "1+".repeat(100_000)),
        format!("up[{}1]", "(".repeat(100_000)),
        format!("up offset {}1", "-".repeat(100_000)),
    ];
    for query in deep {
        let text = error(&query, &plain());
        let start: String = query.chars().take(20).collect();
        assert!(
            ["nested more than 128 deep", "more than 1000 levels", "longer than"]
                .iter()
                .any(|told| text.contains(told)),
            "{start}: {text}"
        );
    }
    // No level of brackets starts the count of operators anew.
    let mut query = "a".to_owned();
    for _ in 0..20 {
        query = format!("({query}){}", " + a".repeat(50));
    }
    assert!(error(&query, &plain()).contains("more than 1000 levels"));
    assert!(error(&" ".repeat(MAX_QUERY_LENGTH + 1), &plain()).contains("longer than"));
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
        "a or ".repeat(MAX_QUERY_LEVELS / 2) + "a",
        format!("{}up{}", "(a + ".repeat(half / 2), ")".repeat(half / 2)),
    ] {
        let expr = good(&query);
        let pretty = with_room(expr.levels(), || print::pretty(&expr)).unwrap();
        assert_eq!(parse(&pretty, &everything()).as_ref(), Ok(&expr));
    }
}

/// Pieces of queries, most of which fit together somewhere.
const PIECES: &[&str] = &[
    "up",
    "a:b",
    "sum",
    "topk",
    "rate",
    "label_replace",
    "info",
    "time",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "fill",
    "fill_left",
    "anchored",
    "smoothed",
    "and",
    "or",
    "unless",
    "atan2",
    "start",
    "end",
    "step",
    "range",
    "min_of",
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
    "</",
    ">/",
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

/// Expressions, built from the leaves up.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "up",
        "a:b{\"u v\"!=\"\",x=~\"y.*\"}",
        "{\"x.y\"}",
        "1",
        "1.5e-7",
        "5m",
        // In parentheses: printed as upstream does it, with its sign, it would bind less than `^`.
        "(Inf)",
        "'a\\x00\"b'",
        "up[5m]",
        "up[step() * 2] offset -1h",
        "up[1h] anchored",
        "up @ 5",
        "up offset (1m + step())",
        "offset",
        "time()",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 4, |inner| {
        let operators = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "^",
            "== bool",
            "> on (a)",
            "/ ignoring (a, \"b c\") group_left (c)",
            "and",
            "or",
            "unless on ()",
            "</",
            "+ fill (0)",
            "- on (a) group_right fill_left (-1.5)",
        ]);
        prop_oneof![
            inner.clone().prop_map(|expr| format!("({expr})")),
            inner.clone().prop_map(|expr| format!("-({expr})")),
            inner.clone().prop_map(|expr| format!("+({expr})")),
            inner.clone().prop_map(|expr| format!("({expr})[1h:1m] @ end()")),
            inner.clone().prop_map(|expr| format!("rate({expr})")),
            inner.clone().prop_map(|expr| format!("sum by (a, \"b c\") ({expr})")),
            inner.clone().prop_map(|expr| format!("topk without () (3, {expr})")),
            (inner.clone(), operators, inner).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
        spaces in any::<bool>(),
    ) {
        let query = pieces.join(if spaces { " " } else { "" });
        if let Ok(expr) = parse(&query, &everything()) {
            let again = parse(&print::format(&expr), &everything());
            // Upstream prints infinity with a sign, and a sign binds less than `^`.
            let is_signed = query.contains('^') && query.to_ascii_lowercase().contains("inf");
            prop_assert!(is_signed || again.as_ref() == Ok(&expr), "{}", query);
        }
    }

    #[test]
    fn what_is_printed_is_the_same_expression(query in expressions()) {
        if let Ok(expr) = parse(&query, &everything()) {
            for printed in [print::format(&expr), print::pretty(&expr)] {
                let again = parse(&printed, &everything());
                prop_assert_eq!(again.as_ref(), Ok(&expr), "{} printed as {}", query, printed);
            }
        }
    }
}
