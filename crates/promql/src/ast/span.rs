//! Where a part of a query stands.

use std::fmt;

/// Where a part of a query stands in its text. Shows as `line:column` of its start, as errors and annotations do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// The line of the first byte, from 1; 0 where the place is not known.
    pub line: u32,
    /// The byte within that line, from 1.
    pub column: u32,
}

impl Span {
    /// From the start of this to the end of a later one.
    #[must_use]
    pub fn to(self, later: Self) -> Self {
        Self { end: later.end, ..self }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}
