//! Whether what an operator gives at a step depends on other steps, by the set or the order of its rows.
//!
//! Rows come in the order in which their series were first seen, and a series may be missing from a piece. That moves
//! no row of a selection, which is sorted, but the groups of an aggregation come in the order of their first members:
//! without these, in another one. It is seen by whatever adds up floats, or chooses among equals.

use crate::ast::{AggregateOp, BinaryOp, Cardinality};
use crate::exec::results_are_unique;
use crate::plan::{
    AggregateNode, MetricNames, Node, Reading, VectorBinary, WindowCall, WindowInput, WindowKernel,
    metric_names, names_of_scan,
};

/// Whether a plan, evaluated with this distance of steps, gives the same in pieces.
pub(super) fn may_be_cut(node: &Node, step_ms: i64) -> bool {
    let (itself, below_ms) = match node {
        // The same in all pieces.
        Node::Once(_) => return true,
        Node::Window(call) => (window_may_be_cut(call, step_ms), step_below(call, step_ms)),
        // Sorts, and says so, by whether there is one step. Info series are looked for by all rows of all steps.
        Node::Sort(..) | Node::Info(_) => (false, step_ms),
        Node::Aggregate(aggregate) => (aggregate_may_be_cut(aggregate), step_ms),
        Node::Buckets(input, call, _) => {
            // Of two spellings of a bound the counts are added, which commutes; of more series only by collisions.
            let has_order = is_ordered(input) || !metric_names(input, false).may_collide();
            (has_order && call.params().into_iter().all(is_constant), step_ms)
        }
        Node::VectorBinary(binary) => (!binary.matching.fill.is_some(), step_ms),
        _ => (true, step_ms),
    };
    itself && node.children().into_iter().all(|child| may_be_cut(child, below_ms))
}

fn window_may_be_cut(call: &WindowCall, step_ms: i64) -> bool {
    let (names, has_gaps) = match &call.input {
        WindowInput::Samples { scan, .. } => (names_of_scan(scan), false),
        // Between windows that do not meet a subquery is evaluated too, and may fail or warn.
        WindowInput::Subquery { input, range_ms, at, .. } => {
            (metric_names(input, false), at.is_none() && *range_ms < step_ms)
        }
    };
    let drops_name = matches!(call.kernel, WindowKernel::Value(..)) && !call.keeps_name;
    // Two series that become one fail the query even if they do not share a step.
    !(has_gaps || drops_name && names.may_collide())
}

/// The distance of the evaluations right below a call.
fn step_below(call: &WindowCall, step_ms: i64) -> i64 {
    match &call.input {
        WindowInput::Samples { .. } => step_ms,
        WindowInput::Subquery { step_ms, .. } => *step_ms,
    }
}

fn aggregate_may_be_cut(aggregate: &AggregateNode) -> bool {
    // The worst of all steps' parameters is warned of, or fails the query.
    if !aggregate.param.as_ref().is_none_or(is_constant) {
        return false;
    }
    match aggregate.op {
        AggregateOp::Count | AggregateOp::Group | AggregateOp::CountValues | AggregateOp::LimitRatio => true,
        // Of the signs of zero, and of kinds of NaN, the first one stays.
        AggregateOp::Min | AggregateOp::Max => is_ordered(&aggregate.input),
        AggregateOp::Sum
        | AggregateOp::Avg
        | AggregateOp::Stddev
        | AggregateOp::Stdvar
        | AggregateOp::Quantile
        | AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Limitk => is_ordered(&aggregate.input),
    }
}

fn is_constant(node: &Node) -> bool {
    matches!(node, Node::Number(_))
}

/// Whether rows come in the same order whichever of them are missing.
fn is_ordered(node: &Node) -> bool {
    match node {
        Node::Scan { reading: Reading::Time | Reading::Start, scan } => !names_of_scan(scan).may_collide(),
        // One row, or the same rows in all pieces.
        Node::Number(_)
        | Node::Time
        | Node::ScalarOf(_)
        | Node::VectorOf(_)
        | Node::Extremum(..)
        | Node::ScalarBinary(..)
        | Node::Absent(..)
        | Node::Once(_) => true,
        Node::Scan { .. } | Node::Smoothed(..) => true,
        Node::Window(call) => match (&call.kernel, &call.input) {
            (WindowKernel::Presence, _) | (_, WindowInput::Samples { .. }) => true,
            (_, WindowInput::Subquery { input, .. }) => is_ordered(input),
        },
        Node::Element { input, .. } | Node::StepTimes(input) | Node::Negate(input) => {
            is_ordered(input) && !metric_names(input, false).may_collide()
        }
        Node::VectorScalar { op, return_bool, vector, .. } => {
            let drops_name = *return_bool || op.changes_meaning();
            is_ordered(vector) && !(drops_name && metric_names(vector, false).may_collide())
        }
        Node::Aggregate(aggregate) => aggregate.is_of_all(),
        Node::VectorBinary(binary) => is_binary_ordered(binary),
        Node::Relabel(..) | Node::Sort(..) | Node::Buckets(..) | Node::Info(_) => false,
    }
}

fn is_binary_ordered(binary: &VectorBinary) -> bool {
    let names = [&binary.left, &binary.right].map(|side| metric_names(side, false));
    match binary.op {
        BinaryOp::And | BinaryOp::Unless => is_ordered(&binary.left),
        BinaryOp::Or => {
            let named = names.iter().all(|name| matches!(name, MetricNames::One(_)));
            named && names[0] != names[1] && is_ordered(&binary.left) && is_ordered(&binary.right)
        }
        _ => {
            let swapped = binary.matching.cardinality == Cardinality::OneToMany;
            let many = if swapped { &binary.right } else { &binary.left };
            results_are_unique(binary, &names) && is_ordered(many)
        }
    }
}

impl AggregateNode {
    /// Whether it makes one series of all.
    fn is_of_all(&self) -> bool {
        let keeps = matches!(
            self.op,
            AggregateOp::Topk
                | AggregateOp::Bottomk
                | AggregateOp::Limitk
                | AggregateOp::LimitRatio
                | AggregateOp::CountValues
        );
        !keeps && !self.without && self.grouping.is_empty()
    }
}
