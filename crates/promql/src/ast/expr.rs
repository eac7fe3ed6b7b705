//! Expressions.

use super::{AggregateOp, BinaryOp, Length, Shift, Span, Text, VectorSelector};

/// An expression with its place in the query's text.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1`, `Inf`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    Text(Text),
    /// `up{job="a"} offset 5m @ 0`
    Selector(VectorSelector),
    /// `up[5m]`; the range applies before the selector's offset.
    Matrix {
        /// What is selected, with its offset and `@`.
        selector: VectorSelector,
        /// The window's length.
        range: Length,
    },
    /// `expr[1h:1m] offset 5m @ 0`
    Subquery(Box<Subquery>),
    /// `(expr)`
    Paren(Box<Expr>),
    /// `-expr`, `+expr`; the sign of a number is part of the number.
    Unary(UnaryOp, Box<Expr>),
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

/// A number.
#[derive(Clone, Copy, Debug)]
pub struct NumberLiteral {
    /// Its value; seconds where it is a duration.
    pub value: f64,
    /// Whether it was written as a duration, such as `5m`.
    pub is_duration: bool,
}

impl PartialEq for NumberLiteral {
    /// NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        let same = self.value == other.value || (self.value.is_nan() && other.value.is_nan());
        same && self.is_duration == other.is_duration
    }
}

/// The operators before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`, which changes nothing.
    Plus,
    /// `-`
    Minus,
}

/// A subquery.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// The window's length.
    pub range: Length,
    /// The distance of evaluations; the default interval where it is not given.
    pub step: Option<Length>,
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

/// How the two sides of a binary operation match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// `on` (true) or `ignoring` (false).
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Which side may have many series.
    pub cardinality: Cardinality,
    /// The labels of `group_left` or `group_right`, taken from the "one" side.
    pub include: Vec<String>,
    /// What stands in for partners that are missing.
    pub fill: Fill,
}

/// The values that stand in for a side's series that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    /// `fill_left`
    pub left: Option<f64>,
    /// `fill_right`
    pub right: Option<f64>,
}

impl Expr {
    /// How many levels it has: a leaf has one.
    #[must_use]
    pub fn levels(&self) -> usize {
        1 + match &self.kind {
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Selector(_) | ExprKind::Matrix { .. } => 0,
            ExprKind::Subquery(subquery) => subquery.expr.levels(),
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => inner.levels(),
            ExprKind::Binary(binary) => binary.left.levels().max(binary.right.levels()),
            ExprKind::Aggregate(aggregate) => {
                aggregate.expr.levels().max(aggregate.param.as_ref().map_or(0, Self::levels))
            }
            ExprKind::Call { args, .. } => args.iter().map(Self::levels).max().unwrap_or(0),
        }
    }
}

impl UnaryOp {
    /// As queries write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

impl Cardinality {
    /// The name in Prometheus's API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

impl Fill {
    /// Whether either side is filled.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.left.is_some() || self.right.is_some()
    }
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
