//! The syntax tree. It is ours: the parser behind `parse` can change without the engine noticing.

use std::time::Duration;

use latewood_model::{Matcher, TimestampMs};

/// An expression with its place in the query's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands: byte offsets `[start, end)`; `0..0` where the parser does not know.
    pub span: Span,
}

/// Byte offsets into the query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1`, `Inf`
    Number(f64),
    /// `"text"`
    Text(String),
    /// `up{job="a"} offset 5m @ 0`
    Selector(VectorSelector),
    /// `up[5m]`; the range applies before the selector's offset.
    Matrix {
        /// What is selected, with its offset and `@`.
        selector: VectorSelector,
        /// The window's length.
        range: Duration,
    },
    /// `expr[1h:1m] offset 5m @ 0`
    Subquery(Box<Subquery>),
    /// `(expr)`
    Paren(Box<Expr>),
    /// `-expr`; `+expr` is its operand.
    Negate(Box<Expr>),
    /// `a + on(x) group_left(y) b`
    Binary(Box<Binary>),
    /// `sum by (x) (expr)`
    Aggregate(Box<Aggregate>),
    /// `rate(x[5m])`
    Call {
        /// The function's name; the parser has checked name, number and types of arguments.
        function: String,
        /// Its arguments.
        args: Vec<Expr>,
    },
}

/// An instant vector selector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name where it stood before the braces; it is among `matchers` too.
    pub name: Option<String>,
    /// All must match; the metric's name included.
    pub matchers: Vec<Matcher>,
    /// How it moves in time.
    pub shift: Shift,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shift {
    /// Milliseconds to look back; negative looks ahead.
    pub offset_ms: i64,
    /// The fixed time, if there is one.
    pub at: Option<At>,
}

/// The time of an `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `@ 1609746000`
    Time(TimestampMs),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// A subquery.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// The window's length.
    pub range: Duration,
    /// The distance of evaluations; the default interval where it is not given.
    pub step: Option<Duration>,
    /// How it moves in time.
    pub shift: Shift,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// `bool` after a comparison.
    pub return_bool: bool,
    /// How series find their partners; `None` when a side is a scalar.
    pub matching: Option<Matching>,
    /// The left side.
    pub left: Expr,
    /// The right side.
    pub right: Expr,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

/// How the two sides of a binary operation match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `on` (true) or `ignoring` (false).
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Which side may have many series.
    pub cardinality: Cardinality,
    /// The labels of `group_left` or `group_right`, taken from the "one" side.
    pub include: Vec<String>,
}

/// Which side of a binary operation may have many series for one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cardinality {
    /// One on either side.
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// `quantile`'s φ, `topk`'s k, `count_values`' label.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// `without` (true) or `by` (false; also where neither is given).
    pub without: bool,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
}

/// Aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

/// The type of an expression's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ValueType {
    Scalar,
    Vector,
    Matrix,
    String,
}
