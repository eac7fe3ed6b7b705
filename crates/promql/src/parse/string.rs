//! Strings: where they end, and what they say.

use crate::ast::Text;

/// How many bytes after its opening quote a string ends, the closing quote included.
pub(super) fn scan(text: &str, quote: char) -> Result<usize, String> {
    if quote == '`' {
        return text.find('`').map(|at| at + 1).ok_or_else(|| "unterminated raw string".to_owned());
    }
    let mut rest = text;
    loop {
        let at = rest.find([quote, '\\', '\n']);
        let (Some(at), unterminated) = (at, "unterminated quoted string") else {
            return Err("unterminated quoted string".to_owned());
        };
        let (_, tail) = rest.split_at(at);
        match tail.chars().next() {
            Some('\\') => rest = escape(tail, quote, &mut Vec::new())?,
            Some(found) if found == quote => return Ok(text.len() - tail.len() + 1),
            _ => return Err(unterminated.to_owned()),
        }
    }
}

/// The string that a token which [`scan`] found good stands for.
pub(super) fn unquote(token: &str) -> Text {
    let Some(quote) = token.chars().next() else {
        return Text::default();
    };
    let inside = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if quote == '`' || !inside.contains('\\') {
        return Text::new(inside);
    }
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(backslash) = rest.find('\\') {
        let (plain, tail) = rest.split_at(backslash);
        bytes.extend_from_slice(plain.as_bytes());
        rest = escape(tail, quote, &mut bytes).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Text::new(bytes)
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
        '"' if quote == '"' => b'"',
        '\'' if quote == '\'' => b'\'',
        '0'..='7' => return code(text.get(1..).unwrap_or_default(), 3, 8, out),
        'x' => return code(after, 2, 16, out),
        'u' => return code(after, 4, 16, out),
        'U' => return code(after, 8, 16, out),
        c => return Err(format!("unknown escape sequence {}", code_point(c))),
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
            return Err(format!("illegal character {} in escape sequence", code_point(c)));
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

/// `U+0064 'd'`: Go's `%#U`, which shows the character itself only where it can be printed.
fn code_point(c: char) -> String {
    let code = format!("U+{:04X}", u32::from(c));
    if c.is_control() { code } else { format!("{code} '{c}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        for (token, expected) in [
            (r#""a\tb\n\\""#, "a\tb\n\\"),
            (r#""\u00e4\U0001F600""#, "ä😀"),
            (r#""\xc3\xa4\303\244""#, "ää"),
            (r#""\x41\101""#, "AA"),
            (r"'it\'s'", "it's"),
            (r"`\d`", r"\d"),
            (r#""a\xff\xc3b""#, "a\u{fffd}\u{fffd}b"),
        ] {
            let quote = token.chars().next().unwrap();
            assert_eq!(scan(&token[1..], quote), Ok(token.len() - 1), "{token}");
            assert_eq!(unquote(token).to_lossy(), expected, "{token}");
        }
    }

    #[test]
    fn broken_strings_are_refused() {
        for (inside, expected) in [
            (r#"\d""#, "unknown escape sequence U+0064 'd'"),
            (r#"\'""#, "unknown escape sequence U+0027 '''"),
            (r#"\x4""#, "illegal character U+0022 '\"' in escape sequence"),
            (r#"\400""#, "escape sequence is an invalid Unicode code point"),
            (r#"\uD800""#, "escape sequence is an invalid Unicode code point"),
            (r"a\", "escape sequence not terminated"),
            ("a\n\"", "unterminated quoted string"),
        ] {
            assert_eq!(scan(inside, '"'), Err(expected.to_owned()), "{inside}");
        }
    }
}
