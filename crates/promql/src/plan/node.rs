//! The nodes of a plan.

use latewood_model::{Labels, Matcher, TimestampMs};

use crate::ast::{AggregateOp, BinaryOp, Extension, Matching, Span};
use crate::functions::histograms::HistogramKernel;
use crate::functions::{ElementKernel, RangeKernel, relabel};

/// A step of a plan. Scalars are series without labels that have a value at every step.
#[derive(Clone, Debug)]
pub enum Node {
    /// A constant scalar.
    Number(f64),
    /// The step's time in seconds, a scalar.
    Time,
    /// The newest sample within the lookback.
    Scan {
        /// What is read.
        scan: Scan,
        /// Which part of a sample is wanted.
        reading: Reading,
    },
    /// The value on the line between the samples around the step; the place is what annotations are about.
    Smoothed(Scan, Span),
    /// A function over windows of samples.
    Window(Box<WindowCall>),
    /// A function of each element.
    Element {
        /// Its name.
        function: String,
        /// What computes it.
        kernel: ElementKernel,
        /// The vector.
        input: Box<Node>,
        /// Its scalar arguments.
        params: Vec<Node>,
    },
    /// `timestamp` of anything but a selector: the step's time for each element.
    StepTimes(Box<Node>),
    /// `scalar(v)`
    ScalarOf(Box<Node>),
    /// `vector(s)`
    VectorOf(Box<Node>),
    /// The greater (true) or lesser of two scalars.
    Extremum(bool, Box<Node>, Box<Node>),
    /// `absent(v)`, with the labels of its only possible element.
    Absent(Box<Node>, Labels),
    /// `label_replace` and `label_join`.
    Relabel(Box<Node>, Relabel),
    /// The `sort` family: effective at a single step only.
    Sort(Box<Node>, SortOrder, Span),
    /// Functions of classic histograms.
    Buckets(Box<Node>, Box<BucketCall>, Places),
    /// `-v`
    Negate(Box<Node>),
    /// Two scalars.
    ScalarBinary(BinaryOp, Box<Node>, Box<Node>),
    /// A vector and a scalar.
    VectorScalar {
        /// The operator.
        op: BinaryOp,
        /// `bool`
        return_bool: bool,
        /// The vector.
        vector: Box<Node>,
        /// The scalar.
        scalar: Box<Node>,
        /// Whether the scalar is the left operand.
        scalar_left: bool,
        /// Where the operation stands.
        place: Span,
    },
    /// Two vectors.
    VectorBinary(Box<VectorBinary>),
    /// An aggregation.
    Aggregate(Box<AggregateNode>),
    /// `info`
    Info(Box<InfoCall>),
    /// The same at every step: evaluated at the first one only.
    Once(Box<Node>),
}

/// Which part of a sample a [`Node::Scan`] yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its value.
    Value,
    /// Its time in seconds; the metric's name is dropped.
    Time,
    /// Its start timestamp in seconds; the metric's name is dropped.
    Start,
}

/// A selection of series, moved in time.
#[derive(Clone, Debug)]
pub struct Scan {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Milliseconds to look back.
    pub offset_ms: i64,
    /// The fixed time, if there is one.
    pub at: Option<TimestampMs>,
    /// The function around a range selector.
    pub function: Option<String>,
    /// Whether native histograms are wanted without their buckets.
    pub stats: bool,
    /// Whether samples beyond the window are wanted, too.
    pub extension: Option<Extension>,
}

/// Where the arguments of a call stand, for annotations.
#[derive(Clone, Debug)]
pub struct Places {
    /// The vector.
    pub vector: Span,
    /// The scalars.
    pub params: Vec<Span>,
}

/// A function over windows.
#[derive(Clone, Debug)]
pub struct WindowCall {
    /// Where its first argument stands, which its annotations are about.
    pub place: Span,
    /// Its name.
    pub function: String,
    /// What computes it.
    pub kernel: WindowKernel,
    /// Whether the metric's name stays.
    pub keeps_name: bool,
    /// Where samples come from.
    pub input: WindowInput,
    /// Its scalar arguments.
    pub params: Vec<Node>,
}

/// What becomes of a window.
#[derive(Clone, Copy, Debug)]
pub enum WindowKernel {
    /// One value; of windows with histograms by the second kernel, which not all functions have.
    Value(RangeKernel, Option<HistogramKernel>),
    /// Whether any series has a sample in it: `absent_over_time`.
    Presence,
}

/// Where windows get their samples.
#[derive(Clone, Debug)]
pub enum WindowInput {
    /// A range selector.
    Samples {
        /// What is read.
        scan: Scan,
        /// The window's length in milliseconds.
        range_ms: i64,
        /// The labels that `absent_over_time` gives.
        absent_labels: Labels,
    },
    /// A subquery.
    Subquery {
        /// What is evaluated.
        input: Box<Node>,
        /// The window's length in milliseconds.
        range_ms: i64,
        /// The distance of evaluations in milliseconds.
        step_ms: i64,
        /// Milliseconds to look back.
        offset_ms: i64,
        /// The fixed time, if there is one.
        at: Option<TimestampMs>,
    },
}

/// How labels are rewritten.
#[derive(Clone, Debug)]
pub enum Relabel {
    /// `label_replace`
    Replace(relabel::LabelReplace),
    /// `label_join`
    Join(relabel::LabelJoin),
}

/// The order of a `sort` function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// By value, descending if true.
    Value(bool),
    /// By the named labels, descending if true.
    Labels(Vec<String>, bool),
}

/// A function of classic histograms and its scalars.
#[derive(Clone, Debug)]
pub enum BucketCall {
    /// `histogram_quantile`
    Quantile(Node),
    /// `histogram_fraction` from one bound to another.
    Fraction(Node, Node),
    /// `histogram_quantiles`: the label that says which quantile, and the quantiles.
    Quantiles(String, Vec<Node>),
}

/// A call of `info`.
#[derive(Clone, Debug)]
pub struct InfoCall {
    /// What gets labels.
    pub input: Node,
    /// Which metrics are info metrics: all must match.
    pub names: Vec<Matcher>,
    /// Which labels are added, where there are any; their values must match.
    pub labels: Vec<Matcher>,
    /// The info series, of all targets.
    pub scan: Scan,
}

/// An operation on two vectors.
#[derive(Clone, Debug)]
pub struct VectorBinary {
    /// Where it stands.
    pub place: Span,
    /// The operator.
    pub op: BinaryOp,
    /// `bool`
    pub return_bool: bool,
    /// How series match.
    pub matching: Matching,
    /// The left side.
    pub left: Node,
    /// The right side.
    pub right: Node,
}

/// An aggregation.
#[derive(Clone, Debug)]
pub struct AggregateNode {
    /// Where its parameter stands, or else the whole.
    pub place: Span,
    /// The operator.
    pub op: AggregateOp,
    /// Its scalar parameter.
    pub param: Option<Node>,
    /// The label of `count_values`.
    pub label: Option<String>,
    /// The names in `by` or `without`, sorted, each once.
    pub grouping: Vec<String>,
    /// Whether they are those of `without`.
    pub without: bool,
    /// What is aggregated.
    pub input: Node,
}

impl Node {
    /// The nodes right below.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Time | Self::Scan { .. } | Self::Smoothed(..) => Vec::new(),
            Self::Window(call) => call.input.node().into_iter().chain(&call.params).collect(),
            Self::Element { input, params, .. } => std::iter::once(&**input).chain(params).collect(),
            Self::StepTimes(input)
            | Self::ScalarOf(input)
            | Self::VectorOf(input)
            | Self::Absent(input, _)
            | Self::Relabel(input, _)
            | Self::Sort(input, ..)
            | Self::Negate(input)
            | Self::Once(input) => vec![input],
            Self::Buckets(input, call, _) => std::iter::once(&**input).chain(call.params()).collect(),
            Self::Extremum(_, left, right) | Self::ScalarBinary(_, left, right) => vec![left, right],
            Self::VectorScalar { vector, scalar, .. } => vec![vector, scalar],
            Self::VectorBinary(binary) => vec![&binary.left, &binary.right],
            Self::Info(call) => vec![&call.input],
            Self::Aggregate(aggregate) => std::iter::once(&aggregate.input).chain(&aggregate.param).collect(),
        }
    }

    /// The nodes right below, to be changed.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Number(_) | Self::Time | Self::Scan { .. } | Self::Smoothed(..) => Vec::new(),
            Self::Window(call) => {
                let (input, params) = (&mut call.input, &mut call.params);
                input.node_mut().into_iter().chain(params).collect()
            }
            Self::Element { input, params, .. } => std::iter::once(&mut **input).chain(params).collect(),
            Self::StepTimes(input)
            | Self::ScalarOf(input)
            | Self::VectorOf(input)
            | Self::Absent(input, _)
            | Self::Relabel(input, _)
            | Self::Sort(input, ..)
            | Self::Negate(input)
            | Self::Once(input) => vec![input],
            Self::Buckets(input, call, _) => std::iter::once(&mut **input).chain(call.params_mut()).collect(),
            Self::Extremum(_, left, right) | Self::ScalarBinary(_, left, right) => vec![left, right],
            Self::VectorScalar { vector, scalar, .. } => vec![vector, scalar],
            Self::VectorBinary(binary) => vec![&mut binary.left, &mut binary.right],
            Self::Info(call) => vec![&mut call.input],
            Self::Aggregate(aggregate) => {
                std::iter::once(&mut aggregate.input).chain(&mut aggregate.param).collect()
            }
        }
    }
}

impl Relabel {
    /// The label that is written.
    pub fn target(&self) -> &str {
        match self {
            Self::Replace(replace) => replace.target(),
            Self::Join(join) => join.target(),
        }
    }
}

impl WindowInput {
    /// Whether samples beyond the windows are wanted, too.
    pub fn extension(&self) -> Option<Extension> {
        match self {
            Self::Samples { scan, .. } => scan.extension,
            Self::Subquery { .. } => None,
        }
    }

    pub(super) fn node(&self) -> Option<&Node> {
        match self {
            Self::Samples { .. } => None,
            Self::Subquery { input, .. } => Some(input),
        }
    }

    fn node_mut(&mut self) -> Option<&mut Node> {
        match self {
            Self::Samples { .. } => None,
            Self::Subquery { input, .. } => Some(input),
        }
    }
}

impl BucketCall {
    /// The scalars.
    pub fn params(&self) -> Vec<&Node> {
        match self {
            Self::Quantile(phi) => vec![phi],
            Self::Fraction(lower, upper) => vec![lower, upper],
            Self::Quantiles(_, phis) => phis.iter().collect(),
        }
    }

    fn params_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::Quantile(phi) => vec![phi],
            Self::Fraction(lower, upper) => vec![lower, upper],
            Self::Quantiles(_, phis) => phis.iter_mut().collect(),
        }
    }
}
