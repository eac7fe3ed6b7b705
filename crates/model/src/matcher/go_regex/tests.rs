//! Expressions and what they match in Go.

use super::*;
use regex::Regex;

fn matches(expression: &str, text: &str) -> bool {
    let translated = translate(&format!("^(?s:{expression})$")).expect("valid in Go");
    Regex::new(&translated)
        .unwrap_or_else(|error| panic!("{expression} became {translated}: {error}"))
        .is_match(text)
}

#[test]
fn what_go_matches_is_matched() {
    for (expression, yes, no) in [
        (r"\d+", "123", "١٢٣"),
        (r"\w+", "az_09", "é"),
        (r"\s", "\t", "\x0b"),
        (r"\W", "é", "e"),
        (r"a\b.*", "a é", "ab"),
        (r".\B.", "ab", "a "),
        (r"[\w.-]+", "a-b.c", "a b"),
        (r"[^\d]", "a", "1"),
        (r"[\D1]", "1", "2"),
        ("[a[b]", "[", "c"),
        ("[a&&b]+", "a&b", "c"),
        ("[+--]+", "+,-", "."),
        ("[a~~b]+", "~ab", "c"),
        ("[]a]", "]", "b"),
        ("[^]a]", "b", "]"),
        ("[a-]", "-", "b"),
        ("[[:alpha:]_]+", "ab_", "1"),
        ("[[:^alpha:]]", "1", "a"),
        (r"\pL+", "äb", "1"),
        (r"\p{Greek}", "α", "a"),
        (r"\p{^Greek}", "a", "α"),
        (r"\PL", "1", "a"),
        ("a{b}", "a{b}", "a"),
        ("a{,2}", "a{,2}", "aa"),
        ("a{2}", "aa", "a{2}"),
        ("a{01}", "a{01}", "a"),
        ("{", "{", ""),
        ("a{1,2}?", "aa", "aaa"),
        (r"\101\x42\x{43}", "ABC", "abc"),
        (r"\Qa.b\E+", "a.bb", "axb"),
        (r"\Qa|b\E", "a|b", "a"),
        (r"\_\-\/\<", "_-/<", ""),
        ("(?i)straße", "STRAßE", "STRASSE"),
        ("(?i:a)b", "Ab", "AB"),
        ("(?P<x>a)(?<y>b)", "ab", ""),
        ("#& ~-", "#& ~-", ""),
        ("a|", "", "b"),
        ("^*a", "a", "b"),
        ("(?)a", "a", ""),
    ] {
        assert!(matches(expression, yes), "{expression} matches {yes:?}");
        assert!(!matches(expression, no), "{expression} does not match {no:?}");
    }
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (expression, expected) in [
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("(|+?)", "missing argument to repetition operator: `+?`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"[\d-\z]", r"invalid escape sequence: `\z`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P<1-2>a)", "invalid named capture: `(?P<1-2>`"),
    ] {
        assert_eq!(translate(expression), Err(expected.to_owned()), "{expression}");
    }
}
