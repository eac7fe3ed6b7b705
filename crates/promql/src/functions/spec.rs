//! What a function takes, gives and is made of.

use crate::annotations::CallContext;
use crate::ast::ValueType;
use crate::functions::Window;

/// A function of PromQL.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSpec {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments; a variadic function repeats the last one.
    pub args: &'static [ValueType],
    /// 0: exactly `args`; n > 0: the last of `args` is optional and may be given n times; -1: the last of `args`
    /// is optional and may be given any number of times.
    pub variadic: i32,
    /// The type of its result.
    pub returns: ValueType,
    /// Whether it needs the feature `promql-experimental-functions`.
    pub experimental: bool,
    /// How it is evaluated.
    pub kernel: Kernel,
}

/// One value of a window, `None` where there is none. `params` are the function's scalar arguments in order.
pub type RangeKernel = fn(&Window<'_>, params: &[f64], ctx: &mut CallContext) -> Option<f64>;

/// One value of a value at a step (milliseconds), `None` drops the element. `params` are the function's scalar
/// arguments in order.
pub type ElementKernel = fn(value: f64, step_time: i64, params: &[f64], ctx: &mut CallContext) -> Option<f64>;

/// How a function is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum Kernel {
    /// Matrix to one value a window.
    Range(RangeKernel),
    /// Vector to vector, element by element. The date functions may be called without their argument: then it is
    /// `vector(time())`.
    Element(ElementKernel),
    /// By the engine itself, because it needs more than one element, or labels, or none of both.
    Engine(EngineFunction),
}

/// The functions that the engine evaluates itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineFunction {
    /// `absent(v)`: see [`super::absent`].
    Absent,
    /// `absent_over_time(m)`: see [`super::absent`].
    AbsentOverTime,
    /// `end()`, the query's end in seconds.
    End,
    /// `histogram_fraction(lower, upper, v)`: see [`super::buckets`].
    HistogramFraction,
    /// `histogram_quantile(φ, v)`: see [`super::buckets`].
    HistogramQuantile,
    /// `histogram_quantiles(v, label, φ…)`: see [`super::buckets`].
    HistogramQuantiles,
    /// `info(v, {labels})`: adds labels of info metrics.
    Info,
    /// `label_join(v, dst, separator, src…)`: see [`super::relabel::LabelJoin`].
    LabelJoin,
    /// `label_replace(v, dst, replacement, src, regex)`: see [`super::relabel::LabelReplace`].
    LabelReplace,
    /// `max_of(a, b)` of scalars.
    MaxOf,
    /// `min_of(a, b)` of scalars.
    MinOf,
    /// `pi()`
    Pi,
    /// `range()`, the query's length in seconds.
    Range,
    /// `scalar(v)`: the only element, else NaN.
    Scalar,
    /// `sort(v)`: see [`super::ordering`].
    Sort,
    /// `sort_by_label(v, label…)`: see [`super::ordering`].
    SortByLabel,
    /// `sort_by_label_desc(v, label…)`: see [`super::ordering`].
    SortByLabelDesc,
    /// `sort_desc(v)`: see [`super::ordering`].
    SortDesc,
    /// `start()`, the query's start in seconds.
    Start,
    /// `start_timestamp(v)`: of a selector the samples' start timestamps, else nothing.
    StartTimestamp,
    /// `step()`, the query's step in seconds.
    Step,
    /// `time()`: the step's time in seconds.
    Time,
    /// `timestamp(v)`: of a selector the samples' times, else the step's, in seconds.
    Timestamp,
    /// `vector(s)`: one element without labels.
    Vector,
}

/// Why a call cannot be evaluated; Prometheus's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FunctionError(pub String);
