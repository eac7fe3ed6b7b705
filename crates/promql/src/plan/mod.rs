//! From the syntax tree to a logical plan, and the optimizers that improve it: one to a file.
//!
//! A plan is a value: it knows the query's times but no data. `@ start()` and `@ end()` are resolved here,
//! parentheses are gone, functions are looked up; what is left to `exec` is work.

mod calls;
mod duration;
mod explain;
mod fold;
mod info;
mod invariant;
mod lower;
mod names;
mod node;
mod stats;
#[cfg(test)]
mod tests;

pub use explain::{ExplainedNode, Explanation};
pub(crate) use lower::millis;
use lower::window_input;
pub use lower::{QueryTimes, lower};
pub(crate) use names::{MetricNames, metric_names, names_of_scan};
pub use node::{
    AggregateNode, BucketCall, InfoCall, Node, Places, Reading, Relabel, Scan, SortOrder, VectorBinary,
    WindowCall, WindowInput, WindowKernel,
};

use crate::QueryError;
use crate::ast::{Expr, ExprKind, ValueType};

/// What a query is evaluated by.
#[derive(Clone, Debug)]
pub enum QueryPlan {
    /// A string literal.
    Text(String),
    /// A range selector or subquery by itself, for an instant query alone.
    Windows(WindowInput),
    /// A scalar or an instant vector.
    Vector(Node),
}

/// The plan of an instant query.
///
/// # Errors
/// [`QueryError::Execution`] for what cannot be evaluated.
pub fn plan_instant(expr: &Expr, times: &QueryTimes) -> Result<QueryPlan, QueryError> {
    match (expr.value_type(), &expr.unparen().kind) {
        (ValueType::String, ExprKind::Text(text)) => Ok(QueryPlan::Text(text.to_lossy())),
        (ValueType::Matrix, _) => {
            let input = window_input(expr, times, "")?;
            input.map(QueryPlan::Windows).ok_or_else(|| QueryError::execution("expected a range vector"))
        }
        _ => plan(expr, times).map(QueryPlan::Vector),
    }
}

/// The plan of a range query.
///
/// # Errors
/// [`QueryError::Invalid`] for an expression of another type, [`QueryError::Execution`] for what cannot be evaluated.
pub fn plan_range(expr: &Expr, times: &QueryTimes) -> Result<QueryPlan, QueryError> {
    match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => plan(expr, times).map(QueryPlan::Vector),
        other => Err(QueryError::Invalid(format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            other.documented()
        ))),
    }
}

/// The plan of a scalar or an instant vector, optimized.
fn plan(expr: &Expr, times: &QueryTimes) -> Result<Node, QueryError> {
    let mut node = lower(expr, times)?;
    fold::fold_constants(&mut node);
    stats::leave_out_buckets(&mut node);
    Ok(invariant::evaluate_once(node))
}
