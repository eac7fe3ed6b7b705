//! Where only count and sum of native histograms are asked for, selections leave the buckets out: they are most of
//! the work, and of the memory.

use super::Node;
use super::node::WindowInput;

/// Marks the selections below `histogram_count`, `histogram_sum` and `histogram_avg`. Below a subquery buckets are
/// needed to see counter resets, as its samples are not those that follow each other in storage; so they are where
/// histograms are interpolated.
pub(super) fn leave_out_buckets(node: &mut Node) {
    mark(node, false);
}

fn mark(node: &mut Node, stats: bool) {
    let below = match node {
        Node::Scan { scan, .. } => {
            scan.stats = stats;
            return;
        }
        Node::Window(call) => match &mut call.input {
            WindowInput::Samples { scan, .. } => {
                scan.stats = stats && scan.extension.is_none();
                false
            }
            WindowInput::Subquery { .. } => return,
        },
        Node::Element { function, .. } => stats || is_stat(function),
        Node::Buckets(..) | Node::Smoothed(..) => return,
        // Which observations a trim leaves is a question of the buckets.
        Node::VectorScalar { op, .. } => stats && !op.is_trim(),
        Node::VectorBinary(binary) => stats && !binary.op.is_trim(),
        _ => stats,
    };
    node.children_mut().into_iter().for_each(|child| mark(child, below));
}

fn is_stat(function: &str) -> bool {
    matches!(function, "histogram_avg" | "histogram_count" | "histogram_sum")
}
