//! Why a text is no expression.

use latewood_base::{ErrorKind, Kinded};

use crate::parse::lex::Words;

/// Why a text is no expression, with the place where it is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}parse error: {message}", self.place())]
pub struct ParseError {
    message: String,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
}

impl ParseError {
    /// Somewhere in the text.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    /// At this byte of the text.
    pub(super) fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Self { message: message.into(), place: Some((line, 1 + before.len() - line_start)) }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    fn place(&self) -> String {
        self.place.map(|(line, column)| format!("{line}:{column}: ")).unwrap_or_default()
    }
}

impl Kinded for ParseError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// What promql-parser says of a text it does not take.
const NO_GRAMMAR: &str = "invalid promql query";

/// promql-parser's message as Prometheus would put it, placeholders filled in.
pub(super) fn in_prometheus_words(words: &Words, message: &str) -> String {
    if message == NO_GRAMMAR {
        return words.unsupported.map_or_else(
            || "the query does not follow the grammar of PromQL".to_owned(),
            |what| format!("{what} are not supported"),
        );
    }
    let mut message = message.replace('\'', "\"");
    for (theirs, ours) in WORDS {
        message = message.replace(theirs, ours);
    }
    words.fill_in(&message)
}

/// promql-parser's words and Prometheus's, replaced in this order.
const WORDS: [(&str, &str); 13] = [
    ("expected type vector ", "expected type instant vector "),
    ("expected type matrix ", "expected type range vector "),
    (", got vector", ", got instant vector"),
    (", got matrix", ", got range vector"),
    ("got range vector instead", "got matrix instead"),
    ("scalar or vector, got: string", "scalar or instant vector, got \"string\""),
    ("scalar or vector, got: matrix", "scalar or instant vector, got \"range vector\""),
    ("only allowed on vector", "only allowed on instant vector"),
    ("only allowed between vectors", "only allowed between instant vectors"),
    ("by an vector selector or matrix selector", "by an instant vector selector or range vector selector"),
    ("identifier or right_brace", "identifier or \"}\""),
    ("unexpected second colon(:) in brackets", "unexpected colon ':'"),
    (
        "expect duration before first colon(:) in brackets",
        "unexpected colon before duration in duration expression",
    ),
];
