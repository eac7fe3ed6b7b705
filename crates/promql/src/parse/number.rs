//! Numbers and durations: where they end, and what they are worth.

use super::lexer::is_alphanumeric;
use super::token::TokenKind;

/// How long the number or duration at a text's start is and which of both; `None` where it is none, then the length
/// is how much of it was read.
pub(super) fn scan(text: &str) -> (usize, Option<TokenKind>) {
    let mut cursor = Cursor { text, at: 0 };
    if cursor.number() {
        return (cursor.at, Some(TokenKind::Number));
    }
    let kind = cursor.duration().then_some(TokenKind::Duration);
    (cursor.at, kind)
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    /// Reads a character if it is one of these.
    fn accept(&mut self, set: &str) -> bool {
        let found = self.is(set);
        if found {
            self.at += 1;
        }
        found
    }

    fn is(&self, set: &str) -> bool {
        self.peek().is_some_and(|next| set.contains(next))
    }

    /// Reads what looks like a number: digits with underscores between them, a point, an exponent. An `e` ends a
    /// hexadecimal number as an exponent would.
    fn number(&mut self) -> bool {
        let mut digits = "0123456789";
        let is_hex = self.accept("0") && self.accept("xX");
        if is_hex {
            self.accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        self.accept(".");
        self.accept(digits);
        let (mut point, mut exponent) = (false, false);
        while self.is(digits) || self.is("._eE") {
            if (point && self.accept(".")) || (exponent && self.accept("eE")) {
                return false;
            }
            if self.accept(".") {
                point = true;
                if self.accept("_.") || is_hex {
                    return false;
                }
            } else if self.accept("eE") {
                exponent = true;
                self.accept("+-");
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else if self.accept("_") {
                if self.accept("._eE") || self.peek().is_none() {
                    return false;
                }
            } else {
                while self.accept(digits) {}
            }
        }
        self.at > 0 && !self.peek().is_some_and(is_alphanumeric)
    }

    /// Reads units with digits between them, of a duration whose first digits have been read.
    fn duration(&mut self) -> bool {
        let mut units = "smhdwy";
        loop {
            if !self.accept(units) {
                return false;
            }
            self.accept("s");
            if !self.accept("0123456789") {
                break;
            }
            while self.accept("0123456789") {}
            units = "smhdw";
        }
        match self.peek() {
            Some(next) if is_alphanumeric(next) => {
                self.at += 1;
                false
            }
            _ => true,
        }
    }
}

/// The value of a duration in seconds.
pub(super) fn duration(text: &str) -> Result<f64, String> {
    crate::parse_duration(text).map(|duration| duration.as_secs_f64())
}

/// The value of a number: decimal, hexadecimal or, with a leading 0, octal integers, underscores between their
/// digits; else a float. The error is Go's.
pub(super) fn number(text: &str) -> Result<f64, String> {
    if let Some(value) = integer(text) {
        return Ok(value);
    }
    let error = |what: &str| format!("strconv.ParseFloat: parsing {}: {what}", crate::print::quoted(text));
    let wrong = || error("invalid syntax");
    if text.contains('_') {
        return Err(wrong());
    }
    let value: f64 = text.parse().map_err(|_| wrong())?;
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if value.is_finite() || is_word { Ok(value) } else { Err(error("value out of range")) }
}

#[allow(clippy::cast_precision_loss)] // as upstream
fn integer(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.strip_prefix('0') {
        Some(rest) => match rest.strip_prefix('x') {
            Some(digits) => (16, digits),
            None if rest.is_empty() => (10, "0"),
            None => (8, rest),
        },
        None => (10, lower.as_str()),
    };
    if digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&digits, radix).ok().map(|value| value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("42", Some(42.0)),
            ("1_000", Some(1000.0)),
            ("1_000.5", None),
            ("0x1F", Some(31.0)),
            ("0x_1f", Some(31.0)),
            ("0755", Some(493.0)),
            ("089", Some(89.0)),
            ("0e5", Some(0.0)),
            ("1e-3", Some(0.001)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("99999999999999999999", Some(1e20)),
            ("1__0", None),
            ("1e400", None),
            ("iNF", Some(f64::INFINITY)),
        ] {
            assert_eq!(number(text).ok(), expected, "{text}");
        }
        assert!(number("NaN").is_ok_and(f64::is_nan));
    }

    #[test]
    fn what_is_neither_number_nor_duration_ends_where_upstream_stops_reading() {
        for (text, expected) in [
            ("5foo", (1, None)),
            ("5m30s)", (5, Some(TokenKind::Duration))),
            ("5mx", (3, None)),
            ("1e", (2, None)),
            ("0x1e", (4, None)),
            ("1.5.", (4, None)),
            ("0x1F+", (4, Some(TokenKind::Number))),
            ("1y2y", (3, None)),
        ] {
            assert_eq!(scan(text), expected, "{text}");
        }
    }
}
