//! A plan as text, a node to a line, children indented: for tests and for people.

use std::fmt;

use super::node::{BucketCall, Node, Relabel, WindowInput};
use super::{Reading, Scan, SortOrder};
use crate::ast::Matching;

impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_node(self, 0, out)
    }
}

fn write_node(node: &Node, depth: usize, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(out, "{:indent$}{}", "", headline(node), indent = depth * 2)?;
    node.children().into_iter().try_for_each(|child| write_node(child, depth + 1, out))
}

fn headline(node: &Node) -> String {
    match node {
        Node::Number(value) => format!("number {value}"),
        Node::Time => "time".to_owned(),
        Node::Scan { scan, reading } => {
            let what = match reading {
                Reading::Value => "scan",
                Reading::Time => "sample times",
                Reading::Start => "start timestamps",
            };
            format!("{what} {}", describe(scan))
        }
        Node::Smoothed(scan, _) => format!("smoothed scan {}", describe(scan)),
        Node::Window(call) => match &call.input {
            WindowInput::Samples { scan, range_ms, .. } => {
                format!("{} over {range_ms}ms of {}", call.function, describe(scan))
            }
            WindowInput::Subquery { range_ms, step_ms, .. } => {
                format!("{} over {range_ms}ms every {step_ms}ms", call.function)
            }
        },
        Node::Element { function, .. } => function.clone(),
        Node::StepTimes(_) => "step times".to_owned(),
        Node::ScalarOf(_) => "scalar".to_owned(),
        Node::VectorOf(_) => "vector".to_owned(),
        Node::Extremum(greater, ..) => (if *greater { "max_of" } else { "min_of" }).to_owned(),
        Node::Absent(_, labels) => format!("absent {labels}"),
        Node::Relabel(_, Relabel::Replace(_)) => "label_replace".to_owned(),
        Node::Relabel(_, Relabel::Join(_)) => "label_join".to_owned(),
        Node::Sort(_, SortOrder::Value(descending), _) => format!("sort by value, descending {descending}"),
        Node::Sort(_, SortOrder::Labels(names, descending), _) => {
            format!("sort by {}, descending {descending}", names.join(","))
        }
        Node::Buckets(_, call, _) => match &**call {
            BucketCall::Quantile(_) => "histogram_quantile".to_owned(),
            BucketCall::Fraction(..) => "histogram_fraction".to_owned(),
            BucketCall::Quantiles(..) => "histogram_quantiles".to_owned(),
        },
        Node::Negate(_) => "negate".to_owned(),
        Node::ScalarBinary(op, ..) => format!("scalars {op:?}"),
        Node::VectorScalar { op, .. } => format!("vector and scalar {op:?}"),
        Node::VectorBinary(binary) => {
            let Matching { on, labels, cardinality, .. } = &binary.matching;
            let by = if *on { "on" } else { "ignoring" };
            format!("join {:?} {by} ({}) {}", binary.op, labels.join(","), cardinality.as_str())
        }
        Node::Aggregate(aggregate) => {
            let by = if aggregate.without { "without" } else { "by" };
            format!("{:?} {by} ({})", aggregate.op, aggregate.grouping.join(","))
        }
        Node::Info(call) => format!("info of {}", describe(&call.scan)),
        Node::Once(_) => "once".to_owned(),
    }
}

fn describe(scan: &Scan) -> String {
    let matchers: Vec<String> = scan.matchers.iter().map(ToString::to_string).collect();
    let at = scan.at.map_or_else(String::new, |at| format!(" @ {at}"));
    format!("{{{}}} offset {}ms{at}", matchers.join(","), scan.offset_ms)
}
