//! Numbers and strings as Go reads them.

/// A number: decimal, hexadecimal or, with a leading 0, octal integers, underscores between their digits; else a float.
pub(super) fn number(text: &str) -> Option<f64> {
    let float = || text.parse().ok().filter(|value: &f64| value.is_finite() && !text.contains('_'));
    integer(text).or_else(float)
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

/// The text of a string whose quotes have been taken off, its escapes resolved. The error is a message and the byte
/// that it is about.
pub(super) fn unescape(inside: &str, quote: char) -> Result<String, (usize, String)> {
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(backslash) = rest.find('\\') {
        let (plain, tail) = rest.split_at(backslash);
        bytes.extend_from_slice(plain.as_bytes());
        let at = inside.len() - tail.len();
        rest = escape(tail, quote, &mut bytes).map_err(|message| (at, message))?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| (0, "invalid UTF-8 in string".to_owned()))
}

/// Resolves the escape that a text starts with; returns what follows it.
fn escape<'a>(text: &'a str, quote: char, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let mut chars = text.chars();
    chars.next();
    let Some(c) = chars.next() else {
        return Err("escape sequence not terminated".to_owned());
    };
    let after = chars.as_str();
    let simple = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        '\\' => b'\\',
        '\'' | '"' if c == quote => {
            if quote == '"' {
                b'"'
            } else {
                b'\''
            }
        }
        '0'..='7' => return code(text.get(1..).unwrap_or_default(), 3, 8, out),
        'x' => return code(after, 2, 16, out),
        'u' => return code(after, 4, 16, out),
        'U' => return code(after, 8, 16, out),
        c => return Err(format!("unknown escape sequence U+{:04X} '{c}'", u32::from(c))),
    };
    out.push(simple);
    Ok(after)
}

/// Resolves a numeric escape: bytes with up to three digits, characters with more.
fn code<'a>(text: &'a str, digits: usize, radix: u32, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let mut chars = text.chars();
    let mut value = 0_u32;
    for _ in 0..digits {
        let Some(c) = chars.next() else {
            return Err("escape sequence not terminated".to_owned());
        };
        let Some(digit) = c.to_digit(radix) else {
            return Err(format!("illegal character U+{:04X} '{c}' in escape sequence", u32::from(c)));
        };
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    let invalid = || "escape sequence is an invalid Unicode code point".to_owned();
    if digits < 4 {
        out.push(u8::try_from(value).map_err(|_| invalid())?);
    } else {
        let c = char::from_u32(value).ok_or_else(invalid)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(chars.as_str())
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
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn escapes_are_resolved() {
        for (inside, quote, expected) in [
            (r"a\tb\n\\", '"', "a\tb\n\\"),
            (r"\u00e4\U0001F600", '"', "ä😀"),
            (r"\xc3\xa4\303\244", '"', "ää"),
            (r"\x41\101", '"', "AA"),
            (r"it\'s", '\'', "it's"),
            ("plain ä", '"', "plain ä"),
        ] {
            assert_eq!(unescape(inside, quote).as_deref(), Ok(expected), "{inside}");
        }
        for inside in [r"\d", r"\'", r"\x4", r"\xff", r"\400", r"\uD800", r"\U00110000", r"\x4ä", "a\\"] {
            assert!(unescape(inside, '"').is_err(), "{inside}");
        }
        assert_eq!(unescape(r"ab\d", '"'), Err((2, "unknown escape sequence U+0064 'd'".to_owned())));
    }
}
