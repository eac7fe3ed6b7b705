//! The types of expressions.

use super::{Expr, ExprKind};
use crate::functions;

/// The type of an expression's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ValueType {
    Scalar,
    Vector,
    Matrix,
    String,
}

impl ValueType {
    /// The name in Prometheus's API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }

    /// The name in Prometheus's documentation and errors.
    #[must_use]
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}

impl Expr {
    /// The type of the result.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::Text(_) => ValueType::String,
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Matrix { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => inner.value_type(),
            ExprKind::Binary(binary) => {
                let is_scalar = |side: &Self| side.value_type() == ValueType::Scalar;
                let both = is_scalar(&binary.left) && is_scalar(&binary.right);
                if both { ValueType::Scalar } else { ValueType::Vector }
            }
            ExprKind::Call { function, .. } => {
                functions::lookup(function).map_or(ValueType::Vector, |spec| spec.returns)
            }
        }
    }

    /// The expression inside any parentheses.
    #[must_use]
    pub fn unparen(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
