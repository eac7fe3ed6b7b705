//! A plan as a list of names and depths: what tests compare, `explain` answers and `analyze` adds figures to.

use std::fmt;

use super::node::{BucketCall, Node, Relabel, WindowInput};
use super::{QueryPlan, Reading, Scan, SortOrder};
use crate::ast::Matching;

/// The nodes of a plan, each before those below it. Shown as text a node is a line, children are indented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation(pub Vec<ExplainedNode>);

/// A node of a plan, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedNode {
    /// What it does.
    pub name: String,
    /// How many nodes are above it.
    pub depth: usize,
}

impl Explanation {
    /// The numbers of the nodes right below one.
    pub(crate) fn children(&self, parent: usize) -> impl Iterator<Item = usize> {
        let depth = self.0.get(parent).map_or(usize::MAX - 1, |node| node.depth);
        let below = self.0.iter().enumerate().skip(parent.saturating_add(1));
        let below = below.take_while(move |(_, node)| node.depth > depth);
        below.filter(move |(_, node)| node.depth == depth + 1).map(|(number, _)| number)
    }

    fn add(&mut self, node: &Node, depth: usize) {
        self.0.push(ExplainedNode { name: node.headline(), depth });
        node.children().into_iter().for_each(|child| self.add(child, depth + 1));
    }
}

impl QueryPlan {
    /// The plan in words.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut explanation = Explanation::default();
        let mut root = |name: String| explanation.0.push(ExplainedNode { name, depth: 0 });
        match self {
            Self::Vector(node) => explanation.add(node, 0),
            Self::Text(_) => root("string".to_owned()),
            Self::Windows(input) => {
                root(format!("samples over {}", describe_input(input)));
                input.node().into_iter().for_each(|node| explanation.add(node, 1));
            }
        }
        explanation
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = self.0.iter();
        nodes.try_for_each(|node| writeln!(out, "{:indent$}{}", "", node.name, indent = node.depth * 2))
    }
}

impl Node {
    /// What it does, in words.
    pub(crate) fn headline(&self) -> String {
        headline(self)
    }
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
        Node::Window(call) => format!("{} over {}", call.function, describe_input(&call.input)),
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

fn describe_input(input: &WindowInput) -> String {
    match input {
        WindowInput::Samples { scan, range_ms, .. } => format!("{range_ms}ms of {}", describe(scan)),
        WindowInput::Subquery { range_ms, step_ms, .. } => format!("{range_ms}ms every {step_ms}ms"),
    }
}

fn describe(scan: &Scan) -> String {
    let matchers: Vec<String> = scan.matchers.iter().map(ToString::to_string).collect();
    let at = scan.at.map_or_else(String::new, |at| format!(" @ {at}"));
    format!("{{{}}} offset {}ms{at}", matchers.join(","), scan.offset_ms)
}
