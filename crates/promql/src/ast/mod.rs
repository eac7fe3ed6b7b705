//! The syntax tree: what a query says, before anything is known about its times and data.
//!
//! Trees are values. They compare equal when they say the same, wherever in a text they stand.

mod duration;
mod expr;
mod operators;
mod selector;
mod span;
mod text;
mod types;

pub use duration::{DurationExpr, DurationKind, DurationOp, Length, Offset};
pub use expr::{
    Aggregate, Binary, Cardinality, Expr, ExprKind, Fill, Matching, NumberLiteral, Subquery, UnaryOp,
};
pub use operators::{AggregateOp, BinaryOp};
pub use selector::{At, Extension, Shift, VectorSelector};
pub use span::Span;
pub use text::Text;
pub use types::ValueType;
