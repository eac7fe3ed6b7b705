//! Durations in ranges, steps and offsets: given, or computed from the query's step and range.

use std::time::Duration;

use super::{NumberLiteral, Span};

/// The length of a window or of a subquery's step.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Given; at least a millisecond.
    Fixed(Duration),
    /// To be computed.
    Computed(Box<DurationExpr>),
}

/// How far a selector looks back.
#[derive(Clone, Debug, PartialEq)]
pub enum Offset {
    /// Milliseconds; negative looks ahead.
    Fixed(i64),
    /// To be computed.
    Computed(Box<DurationExpr>),
}

impl Default for Offset {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

/// An arithmetic expression of durations, in seconds.
#[derive(Clone, Debug)]
pub struct DurationExpr {
    /// What it is.
    pub kind: DurationKind,
    /// Whether it stands in parentheses.
    pub wrapped: bool,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for DurationExpr {
    fn eq(&self, other: &Self) -> bool {
        (self.wrapped, &self.kind) == (other.wrapped, &other.kind)
    }
}

/// The kinds of duration expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationKind {
    /// `5m`, `300`
    Number(NumberLiteral),
    /// `step()`: the distance of the query's steps.
    Step,
    /// `range()`: from the query's first step to its end.
    Range,
    /// `-d`; only [`DurationOp::Add`] and [`DurationOp::Sub`].
    Unary(DurationOp, Box<DurationExpr>),
    /// `d * 2`, `min_of(d, 1m)`
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>),
}

/// The operators of duration expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    MinOf,
    MaxOf,
}

impl DurationOp {
    /// As queries write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::MinOf => "min_of",
            Self::MaxOf => "max_of",
        }
    }
}
