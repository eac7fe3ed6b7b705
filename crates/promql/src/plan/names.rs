//! Whether the series of a result can differ in nothing but the metric's name: then operators that drop the
//! name must look for collisions, else they may stream.

use latewood_model::{METRIC_NAME, MatchOp};

use super::{Node, Reading, Scan, WindowInput};
use crate::ast::{AggregateOp, BinaryOp};

/// What is known about the metric names of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetricNames {
    /// No series has one, or one of the reserved labels that go with it.
    None,
    /// All have this one.
    One(String),
    /// Nothing is known.
    Any,
}

impl MetricNames {
    /// Whether dropping the name can make two series equal.
    pub(crate) fn may_collide(&self) -> bool {
        *self == Self::Any
    }
}

/// What is known about the metric names of a node's result. `delayed` says that operators do not drop names, but leave
/// that to the end of the query.
pub(crate) fn metric_names(node: &Node, delayed: bool) -> MetricNames {
    let metric_names = |node: &Node| metric_names(node, delayed);
    match node {
        Node::Scan { reading: Reading::Time | Reading::Start, .. } if !delayed => MetricNames::None,
        Node::Scan { scan, .. } => names_of_scan(scan),
        Node::Smoothed(scan, _) => names_of_scan(scan),
        Node::Window(call) if call.keeps_name || delayed => match &call.input {
            WindowInput::Samples { scan, .. } => names_of_scan(scan),
            WindowInput::Subquery { input, .. } => metric_names(input),
        },
        Node::Info(call) => metric_names(&call.input),
        Node::Element { input, .. }
        | Node::StepTimes(input)
        | Node::Negate(input)
        | Node::Buckets(input, ..)
            if delayed =>
        {
            metric_names(input)
        }
        Node::Sort(input, ..) | Node::Once(input) => metric_names(input),
        Node::Relabel(_, relabel) if relabel.target() == METRIC_NAME => MetricNames::Any,
        Node::Relabel(input, _) => metric_names(input),
        Node::VectorScalar { op, return_bool, vector, .. }
            if delayed || !(*return_bool || op.changes_meaning()) =>
        {
            metric_names(vector)
        }
        Node::VectorBinary(binary) => match binary.op {
            BinaryOp::And | BinaryOp::Unless => metric_names(&binary.left),
            BinaryOp::Or => either(metric_names(&binary.left), &metric_names(&binary.right)),
            _ => MetricNames::Any,
        },
        Node::Aggregate(aggregate) if keeps_series(aggregate.op) => metric_names(&aggregate.input),
        Node::Aggregate(aggregate) => {
            let named = aggregate.label.as_deref() == Some(METRIC_NAME)
                || (!aggregate.without && aggregate.grouping.iter().any(|name| name == METRIC_NAME));
            if named { MetricNames::Any } else { MetricNames::None }
        }
        _ => MetricNames::None,
    }
}

/// What is known about the metric names of a selection.
pub(crate) fn names_of_scan(scan: &Scan) -> MetricNames {
    let exact = |matcher: &&latewood_model::Matcher| {
        matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal && !matcher.value().is_empty()
    };
    let name = scan.matchers.iter().find(exact);
    name.map_or(MetricNames::Any, |matcher| MetricNames::One(matcher.value().to_owned()))
}

/// Whether an aggregation gives some of its input's series instead of new ones.
fn keeps_series(op: AggregateOp) -> bool {
    matches!(op, AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio)
}

fn either(a: MetricNames, b: &MetricNames) -> MetricNames {
    if a == *b { a } else { MetricNames::Any }
}
