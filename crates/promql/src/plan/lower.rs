//! From the syntax tree to a plan.

use std::time::Duration;

use latewood_model::TimestampMs;

use super::calls::lower_call;
use super::duration;
use super::node::{AggregateNode, Node, Reading, Scan, VectorBinary, WindowInput};
use crate::QueryError;
use crate::ast::{
    Aggregate, AggregateOp, At, Binary, Expr, ExprKind, Extension, Shift, Span, Subquery, UnaryOp, ValueType,
    VectorSelector,
};

/// The times of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryTimes {
    /// The first step.
    pub start: TimestampMs,
    /// No step lies after this.
    pub end: TimestampMs,
    /// The distance of steps in milliseconds.
    pub step_ms: i64,
    /// The distance of evaluations in subqueries that give none, in milliseconds.
    pub subquery_step_ms: i64,
}

impl QueryTimes {
    pub(super) fn resolve(&self, shift: &Shift) -> Option<TimestampMs> {
        shift.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.start,
            At::End => self.end,
        })
    }
}

/// The plan of an expression that is a scalar or an instant vector.
///
/// # Errors
/// [`QueryError::Execution`] for what cannot be evaluated.
pub fn lower(expr: &Expr, times: &QueryTimes) -> Result<Node, QueryError> {
    match &expr.kind {
        ExprKind::Number(literal) => Ok(Node::Number(literal.value)),
        ExprKind::Paren(inner) => lower(inner, times),
        ExprKind::Selector(selector) => {
            let scan = scan(selector, times, None)?;
            Ok(match scan.extension {
                Some(Extension::Smoothed) => Node::Smoothed(scan, expr.span),
                // Without a window there is no bound to anchor.
                Some(Extension::Anchored) | None => Node::Scan { scan, reading: Reading::Value },
            })
        }
        ExprKind::Unary(UnaryOp::Plus, inner) => lower(inner, times),
        ExprKind::Unary(UnaryOp::Minus, inner) => Ok(Node::Negate(Box::new(lower(inner, times)?))),
        ExprKind::Binary(binary) => lower_binary(binary, expr.span, times),
        ExprKind::Aggregate(aggregate) => lower_aggregate(aggregate, times),
        ExprKind::Call { function, args } => lower_call(function, args, expr.span, times),
        ExprKind::Text(_) | ExprKind::Matrix { .. } | ExprKind::Subquery(_) => {
            let found = expr.value_type().documented();
            Err(QueryError::execution(format!("expected a scalar or an instant vector, found a {found}")))
        }
    }
}

pub(super) fn lower_boxed(expr: &Expr, times: &QueryTimes) -> Result<Box<Node>, QueryError> {
    lower(expr, times).map(Box::new)
}

pub(crate) fn scan(
    selector: &VectorSelector,
    times: &QueryTimes,
    function: Option<&str>,
) -> Result<Scan, QueryError> {
    Ok(Scan {
        matchers: selector.matchers.clone(),
        offset_ms: duration::offset_ms(&selector.shift.offset, times)?,
        at: times.resolve(&selector.shift),
        function: function.map(str::to_owned),
        stats: false,
        extension: selector.extension,
    })
}

/// Milliseconds, saturating: a longer window than time itself is no error.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The windows of a range selector or subquery; `None` for anything else.
pub(crate) fn window_input(
    expr: &Expr,
    times: &QueryTimes,
    function: &str,
) -> Result<Option<WindowInput>, QueryError> {
    match &expr.unparen().kind {
        ExprKind::Matrix { selector, range } => Ok(Some(WindowInput::Samples {
            scan: scan(selector, times, Some(function))?,
            range_ms: duration::length_ms(range, times)?,
            absent_labels: crate::functions::absent::labels_of(expr.unparen()),
        })),
        ExprKind::Subquery(subquery) => lower_subquery(subquery, times).map(Some),
        _ => Ok(None),
    }
}

fn lower_subquery(subquery: &Subquery, times: &QueryTimes) -> Result<WindowInput, QueryError> {
    let step_ms = match &subquery.step {
        Some(step) => duration::length_ms(step, times)?,
        None => times.subquery_step_ms,
    };
    Ok(WindowInput::Subquery {
        input: lower_boxed(&subquery.expr, times)?,
        range_ms: duration::length_ms(&subquery.range, times)?,
        step_ms,
        offset_ms: duration::offset_ms(&subquery.shift.offset, times)?,
        at: times.resolve(&subquery.shift),
    })
}

fn lower_binary(binary: &Binary, place: Span, times: &QueryTimes) -> Result<Node, QueryError> {
    let left_scalar = binary.left.value_type() == ValueType::Scalar;
    let right_scalar = binary.right.value_type() == ValueType::Scalar;
    let (left, right) = (lower(&binary.left, times)?, lower(&binary.right, times)?);
    Ok(match (left_scalar, right_scalar) {
        (true, true) if binary.op.is_trim() => {
            let text = format!("operator \"{}\" not allowed for Scalar operations", binary.op.as_str());
            return Err(QueryError::execution(text));
        }
        (true, true) => Node::ScalarBinary(binary.op, Box::new(left), Box::new(right)),
        (false, false) => Node::VectorBinary(Box::new(VectorBinary {
            place,
            op: binary.op,
            return_bool: binary.return_bool,
            matching: binary.matching.clone().unwrap_or_default(),
            left,
            right,
        })),
        (scalar_left, _) => {
            let (vector, scalar) = if scalar_left { (right, left) } else { (left, right) };
            Node::VectorScalar {
                op: binary.op,
                return_bool: binary.return_bool,
                vector: Box::new(vector),
                scalar: Box::new(scalar),
                scalar_left,
                place,
            }
        }
    })
}

/// The label that `count_values` gives the values: any UTF-8 text but the empty one.
fn label_of_values(expr: &Expr) -> Result<String, QueryError> {
    let ExprKind::Text(text) = &expr.unparen().kind else {
        return Err(QueryError::execution("expected a string literal"));
    };
    let name = text.as_str().filter(|name| !name.is_empty());
    let refused = || QueryError::execution(format!("invalid label name {}", text.quoted()));
    name.map(str::to_owned).ok_or_else(refused)
}

fn lower_aggregate(aggregate: &Aggregate, times: &QueryTimes) -> Result<Node, QueryError> {
    let mut grouping = aggregate.grouping.clone();
    let (mut param, mut label) = (None, None);
    match &aggregate.param {
        Some(expr) if aggregate.op == AggregateOp::CountValues => {
            let text = label_of_values(expr)?;
            if !aggregate.without {
                grouping.push(text.clone());
            }
            label = Some(text);
        }
        Some(expr) => param = Some(lower(expr, times)?),
        None => {}
    }
    grouping.sort_unstable();
    grouping.dedup();
    Ok(Node::Aggregate(Box::new(AggregateNode {
        place: aggregate.param.as_ref().unwrap_or(&aggregate.expr).unparen().span,
        op: aggregate.op,
        param,
        label,
        grouping,
        without: aggregate.without,
        input: lower(&aggregate.expr, times)?,
    })))
}
