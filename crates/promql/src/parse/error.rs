//! Why a text is no expression.

use latewood_base::{ErrorKind, Kinded};

/// Why a text is no expression, and where. Like Prometheus, it shows the first of several errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}parse error: {message}")]
pub struct ParseError {
    message: String,
    /// `line:column: `, from 1.
    place: String,
}

impl ParseError {
    /// Of the text as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: String::new() }
    }

    /// At this byte of the text.
    pub(super) fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let place = match text.get(..byte) {
            _ if text.is_empty() => "unknown position: ".to_owned(),
            None => "invalid position: ".to_owned(),
            Some(before) => {
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
                format!("{line}:{}: ", 1 + before.len() - line_start)
            }
        };
        Self { message: message.into(), place }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Kinded for ParseError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}
