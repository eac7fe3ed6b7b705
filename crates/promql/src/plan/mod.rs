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

pub use lower::{QueryTimes, lower};
pub(crate) use lower::{millis, window_input};
pub(crate) use names::{MetricNames, metric_names, names_of_scan};
pub use node::{
    AggregateNode, BucketCall, InfoCall, Node, Places, Reading, Relabel, Scan, SortOrder, VectorBinary,
    WindowCall, WindowInput, WindowKernel,
};

use crate::QueryError;
use crate::ast::Expr;

/// The plan of an expression, optimized.
///
/// # Errors
/// [`QueryError::Execution`] for what cannot be evaluated.
pub fn plan(expr: &Expr, times: &QueryTimes) -> Result<Node, QueryError> {
    let mut node = lower(expr, times)?;
    fold::fold_constants(&mut node);
    stats::leave_out_buckets(&mut node);
    Ok(invariant::evaluate_once(node))
}
