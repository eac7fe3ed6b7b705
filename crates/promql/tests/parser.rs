//! The parser beside `promql-parser`, over real expressions: what both take must be the same expression.

use std::path::PathBuf;

use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{Features, print};

/// The file of expressions, one a line. Without it a test says so and passes, in CI it fails.
fn corpus() -> Option<String> {
    let found = std::env::var_os("LATEWOOD_CORPUS").map(|folder| PathBuf::from(folder).join("queries.txt"));
    if let Some(path) = found.filter(|path| path.exists()) {
        return Some(std::fs::read_to_string(path).expect("a readable corpus"));
    }
    assert!(std::env::var_os("CI").is_none(), "LATEWOOD_CORPUS is not set");
    println!("skipped: LATEWOOD_CORPUS is not set");
    None
}

/// What the other parser prints of a text, read and printed by ours: the two print some things differently.
fn through_the_other(text: &str, options: &ParseOptions) -> Option<String> {
    let theirs = promql_parser::parser::parse(text).ok()?;
    let again = parse(&theirs.to_string(), options).ok()?;
    Some(print::format(&again))
}

#[test]
fn real_expressions_are_what_the_other_parser_says() {
    let Some(corpus) = corpus() else { return };
    let options = ParseOptions { features: Features::ALL };
    let (mut same, mut different) = (0, Vec::new());
    // The other parser forgets a leading plus.
    for text in corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('+')) {
        let expr = parse(text, &options).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = print::format(&expr);
        for again in [&printed, &print::pretty(&expr)] {
            assert_eq!(parse(again, &options).as_ref().map(print::format).as_ref(), Ok(&printed), "{text}");
        }
        match through_the_other(text, &options) {
            Some(theirs) if theirs == printed => same += 1,
            Some(theirs) => different.push((printed, theirs)),
            None => {}
        }
    }
    println!("{same} expressions are the same");
    assert!(same > 2_500, "only {same} expressions could be compared");
    assert!(different.is_empty(), "{different:#?}");
}
