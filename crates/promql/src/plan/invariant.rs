//! Parts that are the same at every step are evaluated at one step only: [`Node::Once`] goes around the
//! largest of them.

use super::node::WindowInput;
use super::{Node, Scan};

/// Marks what does not depend on the step.
pub(super) fn evaluate_once(mut node: Node) -> Node {
    if worth_it(&node) && is_invariant(&node) {
        return Node::Once(Box::new(node));
    }
    for child in node.children_mut() {
        let inner = std::mem::replace(child, Node::Time);
        *child = evaluate_once(inner);
    }
    node
}

/// Constants are as cheap at every step.
fn worth_it(node: &Node) -> bool {
    !matches!(node, Node::Number(_) | Node::Once(_))
}

fn is_invariant(node: &Node) -> bool {
    let itself = match node {
        Node::Time | Node::StepTimes(_) | Node::Once(_) => false,
        Node::Scan { scan, .. } | Node::Smoothed(scan, _) => is_fixed(scan),
        Node::Info(call) => is_fixed(&call.scan),
        Node::Window(call) => {
            let fixed = match &call.input {
                WindowInput::Samples { scan, .. } => is_fixed(scan),
                WindowInput::Subquery { at, .. } => return at.is_some() && reads_no_step(call),
            };
            fixed && reads_no_step(call)
        }
        _ => true,
    };
    itself && node.children().into_iter().all(is_invariant)
}

fn is_fixed(scan: &Scan) -> bool {
    scan.at.is_some()
}

/// Whether a function over fixed windows gives the same at every step: `predict_linear` does not.
fn reads_no_step(call: &super::WindowCall) -> bool {
    call.function != "predict_linear" && call.params.iter().all(is_invariant)
}
