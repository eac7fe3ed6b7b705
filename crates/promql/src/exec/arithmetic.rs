//! Binary operators on values.

use super::tile::computed;
use crate::ast::BinaryOp;

/// The result of an operator on two elements of vectors, `None` where a comparison filters it out.
/// Comparisons give the left value.
pub(super) fn element_binary(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    match compare(op, left, right) {
        Some(holds) => holds.then_some(left),
        None => Some(computed(arithmetic(op, left, right))),
    }
}

/// The result of an operator on two scalars; comparisons give 1 or 0.
pub(crate) fn scalar_binary(op: BinaryOp, left: f64, right: f64) -> f64 {
    match compare(op, left, right) {
        Some(holds) => f64::from(u8::from(holds)),
        None => computed(arithmetic(op, left, right)),
    }
}

/// Whether a comparison holds; `None` for other operators.
pub(super) fn compare(op: BinaryOp, left: f64, right: f64) -> Option<bool> {
    match op {
        BinaryOp::Equal => Some(left == right),
        BinaryOp::NotEqual => Some(left != right),
        BinaryOp::Greater => Some(left > right),
        BinaryOp::Less => Some(left < right),
        BinaryOp::GreaterOrEqual => Some(left >= right),
        BinaryOp::LessOrEqual => Some(left <= right),
        _ => None,
    }
}

fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::NAN,
    }
}
