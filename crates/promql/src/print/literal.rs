//! Numbers, strings and label names as Go writes them.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::ast::NumberLiteral;
use crate::format_duration;

/// A number without an exponent, with as few digits as tell it apart; `+Inf`, `-Inf`, `NaN`. Go's format `f`.
#[must_use]
pub fn fixed(value: f64) -> String {
    special(value).unwrap_or_else(|| value.to_string())
}

/// A number as it was written: a duration as a duration.
pub(super) fn number(literal: &NumberLiteral) -> String {
    if !literal.is_duration {
        return fixed(literal.value);
    }
    let sign = if literal.value < 0.0 { "-" } else { "" };
    let duration = Duration::try_from_secs_f64(literal.value.abs()).unwrap_or(Duration::MAX);
    format!("{sign}{}", format_duration(duration))
}

/// A number with an exponent where that is below -4 or above 5: Go's `%g` and `%v`.
#[must_use]
pub fn general(value: f64) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn special(value: f64) -> Option<String> {
    let text = match value {
        f64::INFINITY => "+Inf",
        f64::NEG_INFINITY => "-Inf",
        value if value.is_nan() => "NaN",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A string in quotes, escaped as Go's `strconv.Quote` does.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&escaped(u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn escaped(code: u32) -> String {
    match code {
        0..0x80 => format!("\\x{code:02x}"),
        0x80..0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    static PRINTABLE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").ok());
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    let mut buffer = [0; 4];
    PRINTABLE.as_ref().is_some_and(|printable| printable.is_match(c.encode_utf8(&mut buffer)))
}

/// A label's name, in quotes where it is no plain identifier.
pub(super) fn label_name(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if plain { name.to_owned() } else { quoted(name) }
}
