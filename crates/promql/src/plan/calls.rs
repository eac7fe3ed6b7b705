//! The plans of function calls.

use super::info::lower_info;
use super::lower::{QueryTimes, lower, lower_boxed, scan, window_input};
use super::node::{BucketCall, Node, Places, Reading, Relabel, SortOrder, WindowCall, WindowKernel};
use crate::QueryError;
use crate::ast::{Expr, ExprKind, Span, ValueType};
use crate::functions::{self, EngineFunction, Kernel, RangeKernel, absent, extended, relabel};

pub(super) fn lower_call(
    function: &str,
    args: &[Expr],
    span: Span,
    times: &QueryTimes,
) -> Result<Node, QueryError> {
    let spec = functions::lookup(function)
        .ok_or_else(|| QueryError::execution(format!("unknown function with name {function:?}")))?;
    match spec.kernel {
        Kernel::Range(kernel) => lower_window(function, kernel, args, times),
        Kernel::Element(kernel) => {
            let is_vector = |expr: &&Expr| expr.value_type() == ValueType::Vector;
            let input = match args.iter().find(is_vector) {
                Some(vector) => lower(vector, times)?,
                None => Node::VectorOf(Box::new(Node::Time)),
            };
            let params = args.iter().filter(|arg| !is_vector(arg));
            Ok(Node::Element {
                function: function.to_owned(),
                kernel,
                input: Box::new(input),
                params: params.map(|arg| lower(arg, times)).collect::<Result<_, _>>()?,
            })
        }
        Kernel::Engine(engine_function) => {
            lower_engine(function, engine_function, args, times).map(|node| sort_at(node, span))
        }
    }
}

fn lower_window(
    function: &str,
    kernel: RangeKernel,
    args: &[Expr],
    times: &QueryTimes,
) -> Result<Node, QueryError> {
    let (mut input, mut params) = (None, Vec::new());
    for arg in args {
        match window_input(arg, times, function)? {
            Some(window) => input = Some(window),
            None => params.push(lower(arg, times)?),
        }
    }
    let input = input.ok_or_else(|| missing(function))?;
    let kernel = match input.extension() {
        Some(extension) => {
            let kernels = extended::kernels(function, extension).map_err(QueryError::execution)?;
            WindowKernel::Value(kernels.0, Some(kernels.1))
        }
        None => WindowKernel::Value(kernel, functions::histograms::kernel(function)),
    };
    Ok(Node::Window(Box::new(WindowCall {
        place: place(args),
        function: function.to_owned(),
        kernel,
        keeps_name: functions::keeps_name(function),
        input,
        params,
    })))
}

/// `absent_over_time`
fn lower_presence(name: &str, args: &[Expr], times: &QueryTimes) -> Result<Node, QueryError> {
    let arg = args.first().ok_or_else(|| missing(name))?;
    let input = window_input(arg, times, name)?.ok_or_else(|| missing(name))?;
    if let Some(extension) = input.extension() {
        extended::kernels(name, extension).map_err(QueryError::execution)?;
    }
    Ok(Node::Window(Box::new(WindowCall {
        place: place(args),
        function: name.to_owned(),
        kernel: WindowKernel::Presence,
        keeps_name: false,
        input,
        params: Vec::new(),
    })))
}

fn lower_engine(
    name: &str,
    function: EngineFunction,
    args: &[Expr],
    times: &QueryTimes,
) -> Result<Node, QueryError> {
    let arg = |index: usize| args.get(index).ok_or_else(|| missing(name));
    let node = |index: usize| lower_boxed(arg(index)?, times);
    let seconds = |milliseconds: i64| Node::Number(milliseconds as f64 / 1000.0);
    Ok(match function {
        EngineFunction::Absent => {
            let labels = absent::labels_of(arg(0)?.unparen());
            Node::Absent(node(0)?, labels)
        }
        EngineFunction::AbsentOverTime => lower_presence(name, args, times)?,
        EngineFunction::End => seconds(times.end),
        EngineFunction::Start => seconds(times.start),
        EngineFunction::Range => seconds(times.end.saturating_sub(times.start)),
        EngineFunction::Step => seconds(if times.start == times.end { 0 } else { times.step_ms }),
        EngineFunction::HistogramFraction => {
            Node::Buckets(node(2)?, Box::new(BucketCall::Fraction(*node(0)?, *node(1)?)), places(args, 2))
        }
        EngineFunction::HistogramQuantile => {
            Node::Buckets(node(1)?, Box::new(BucketCall::Quantile(*node(0)?)), places(args, 1))
        }
        EngineFunction::HistogramQuantiles => {
            let phis = args.iter().skip(2).map(|phi| lower(phi, times));
            let call = BucketCall::Quantiles(text(arg(1)?)?, phis.collect::<Result<_, _>>()?);
            Node::Buckets(node(0)?, Box::new(call), places(args, 0))
        }
        EngineFunction::Info => lower_info(args, times)?,
        EngineFunction::LabelReplace | EngineFunction::LabelJoin => {
            Node::Relabel(node(0)?, lower_relabel(name, function, args)?)
        }
        EngineFunction::MaxOf => Node::Extremum(true, node(0)?, node(1)?),
        EngineFunction::MinOf => Node::Extremum(false, node(0)?, node(1)?),
        EngineFunction::Pi => Node::Number(std::f64::consts::PI),
        EngineFunction::Scalar => Node::ScalarOf(node(0)?),
        EngineFunction::Sort => Node::Sort(node(0)?, SortOrder::Value(false), place(args)),
        EngineFunction::SortDesc => Node::Sort(node(0)?, SortOrder::Value(true), place(args)),
        EngineFunction::SortByLabel => {
            Node::Sort(node(0)?, SortOrder::Labels(texts(args, 1)?, false), place(args))
        }
        EngineFunction::SortByLabelDesc => {
            Node::Sort(node(0)?, SortOrder::Labels(texts(args, 1)?, true), place(args))
        }
        EngineFunction::StartTimestamp => lower_start_timestamp(arg(0)?, name, times)?,
        EngineFunction::Time => Node::Time,
        EngineFunction::Timestamp => lower_timestamp(arg(0)?, times)?,
        EngineFunction::Vector => Node::VectorOf(node(0)?),
    })
}

/// A sort's annotation is about the whole call.
fn sort_at(node: Node, span: Span) -> Node {
    match node {
        Node::Sort(input, order, _) => Node::Sort(input, order, span),
        node => node,
    }
}

/// Where the first argument stands, without its parentheses. That of a subquery is the query's start, as upstream names
/// a subquery's result and not its text.
fn place(args: &[Expr]) -> Span {
    match args.first().map(Expr::unparen) {
        Some(arg) if matches!(arg.kind, ExprKind::Subquery(_)) => {
            Span { line: 1, column: 1, ..Span::default() }
        }
        Some(arg) => arg.span,
        None => Span::default(),
    }
}

/// Where the vector, whose number is given, and the scalars stand.
fn places(args: &[Expr], vector: usize) -> Places {
    let is_scalar = |arg: &&Expr| arg.value_type() == ValueType::Scalar;
    Places {
        vector: args.get(vector).map(|arg| arg.unparen().span).unwrap_or_default(),
        params: args.iter().filter(is_scalar).map(|arg| arg.unparen().span).collect(),
    }
}

/// `timestamp` of a selector is about its samples, of anything else about the step.
fn lower_timestamp(arg: &Expr, times: &QueryTimes) -> Result<Node, QueryError> {
    if let ExprKind::Selector(selector) = &arg.unparen().kind {
        return Ok(Node::Scan { scan: scan(selector, times, None)?, reading: Reading::Time });
    }
    Ok(Node::StepTimes(lower_boxed(arg, times)?))
}

/// `start_timestamp` of a selector is about its samples, of anything else it has no result.
fn lower_start_timestamp(arg: &Expr, name: &str, times: &QueryTimes) -> Result<Node, QueryError> {
    if let ExprKind::Selector(selector) = &arg.unparen().kind {
        return Ok(Node::Scan { scan: scan(selector, times, Some(name))?, reading: Reading::Start });
    }
    let (input, params) = (lower_boxed(arg, times)?, Vec::new());
    Ok(Node::Element { function: name.to_owned(), kernel: functions::start_of_expression, input, params })
}

fn lower_relabel(name: &str, function: EngineFunction, args: &[Expr]) -> Result<Relabel, QueryError> {
    if let Some(ExprKind::Text(target)) = args.get(1).map(|arg| &arg.unparen().kind)
        && target.as_str().is_none()
    {
        return Err(QueryError::execution(format!(
            "invalid destination label name in {name}(): {}",
            target.to_lossy()
        )));
    }
    let texts = texts(args, 1)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let made = match (function, texts.as_slice()) {
        (EngineFunction::LabelReplace, [dst, replacement, src, regex]) => {
            relabel::LabelReplace::new(dst, replacement, src, regex).map(Relabel::Replace)
        }
        (EngineFunction::LabelJoin, [dst, separator, sources @ ..]) => {
            relabel::LabelJoin::new(dst, separator, sources).map(Relabel::Join)
        }
        _ => return Err(missing("label_replace or label_join")),
    };
    Ok(made?)
}

/// The text of a literal.
pub(super) fn text(expr: &Expr) -> Result<String, QueryError> {
    match &expr.unparen().kind {
        ExprKind::Text(text) => Ok(text.to_lossy()),
        _ => Err(QueryError::execution("expected a string literal")),
    }
}

fn texts(args: &[Expr], from: usize) -> Result<Vec<String>, QueryError> {
    args.iter().skip(from).map(text).collect()
}

fn missing(function: &str) -> QueryError {
    QueryError::execution(format!("wrong arguments in call to {function:?}"))
}
