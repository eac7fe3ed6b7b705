//! Constant folding: scalars computed of constants become constants.

use super::Node;
use crate::exec::scalar_binary;

pub(super) fn fold_constants(node: &mut Node) {
    for child in node.children_mut() {
        fold_constants(child);
    }
    let folded = match node {
        Node::Negate(inner) => constant(inner).map(|value| -value),
        Node::ScalarBinary(op, left, right) => {
            let sides = constant(left).zip(constant(right));
            sides.map(|(left, right)| scalar_binary(*op, left, right))
        }
        Node::ScalarOf(inner) => match &**inner {
            Node::VectorOf(scalar) => constant(scalar),
            _ => None,
        },
        _ => None,
    };
    if let Some(value) = folded {
        *node = Node::Number(value);
    }
}

fn constant(node: &Node) -> Option<f64> {
    match node {
        Node::Number(value) => Some(*value),
        _ => None,
    }
}
