//! The types of expressions.

use crate::ast::{Expr, ExprKind, ValueType};
use crate::functions;

/// The type of an expression's result.
#[must_use]
pub fn value_type(expr: &Expr) -> ValueType {
    match &expr.kind {
        ExprKind::Number(_) => ValueType::Scalar,
        ExprKind::Text(_) => ValueType::String,
        ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
        ExprKind::Matrix { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => value_type(inner),
        ExprKind::Binary(binary) => {
            let sides = [value_type(&binary.left), value_type(&binary.right)];
            if sides == [ValueType::Scalar; 2] { ValueType::Scalar } else { ValueType::Vector }
        }
        ExprKind::Call { function, .. } => {
            functions::lookup(function).map_or(ValueType::Vector, |spec| spec.returns)
        }
    }
}

/// A type's name in error texts.
pub(crate) fn documented(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "instant vector",
        ValueType::Matrix => "range vector",
        ValueType::String => "string",
    }
}

/// The expression inside any parentheses.
pub(crate) fn unparen(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}
