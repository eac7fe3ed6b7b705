//! Strings of queries.

use std::fmt::Write;

/// A string: any bytes, as in Go. Whatever leaves for series or JSON is UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<u8>);

impl Text {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, each byte that is no part of a character a U+FFFD, as Go's JSON has it.
    #[must_use]
    pub fn to_lossy(&self) -> String {
        self.fold(|out, _| out.push(char::REPLACEMENT_CHARACTER), str::to_owned)
    }

    /// The text between quotes, each byte that is no part of a character as `\xff`.
    #[must_use]
    pub fn quoted(&self) -> String {
        let inside = |text: &str| {
            let quoted = crate::print::quoted(text);
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let escape = |out: &mut String, byte| {
            let _ = write!(out, "\\x{byte:02x}");
        };
        format!("\"{}\"", self.fold(escape, inside))
    }

    fn fold(&self, invalid: impl Fn(&mut String, u8), valid: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            out.push_str(&valid(chunk.valid()));
            chunk.invalid().iter().for_each(|byte| invalid(&mut out, *byte));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_one_by_one() {
        let text = Text::new(*b"a\xff\xc3\"b");
        assert_eq!(text.as_str(), None);
        assert_eq!(text.to_lossy(), "a\u{fffd}\u{fffd}\"b");
        assert_eq!(text.quoted(), r#""a\xff\xc3\"b""#);
    }
}
