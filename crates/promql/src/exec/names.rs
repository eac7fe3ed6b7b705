//! What becomes of a metric's name where an operation changes what a series is about. At once is the rule: the labels
//! that say what the metric is go. With `promql-delayed-name-removal` they stay so that `label_replace` and others can
//! still see them, the row is marked, and they go at the end.

use latewood_model::Labels;

use super::map::{Map, RowFunction};
use super::matching::drop_reserved;
use super::row::RowMut;
use super::{BoxOperator, Env, Grid, build};
use crate::QueryError;
use crate::plan::{Node, metric_names};

impl Env {
    /// The labels of a row that is about something else from here on.
    pub(super) fn without_name(&self, row: &mut RowMut<'_>) -> Labels {
        if !self.delays_names {
            return drop_reserved(row.labels);
        }
        *row.drops_name = true;
        row.labels.clone()
    }
}

/// Marks each row.
pub(super) struct MarkNames;

impl RowFunction for MarkNames {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        Ok(env.without_name(row))
    }
}

/// Drops the names of marked rows.
struct RemoveNames;

impl RowFunction for RemoveNames {
    fn apply(&mut self, _: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        let is_marked = std::mem::take(row.drops_name);
        Ok(if is_marked { drop_reserved(row.labels) } else { row.labels.clone() })
    }
}

/// The operators of a whole query: like [`build`], and no row of the result is marked.
pub(crate) fn build_root(node: &Node, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    let root = build(node, grid, env)?;
    if !env.delays_names {
        return Ok(root);
    }
    let merges = metric_names(node, true).may_collide();
    Ok(Box::new(Map::new(env, grid, root, merges, RemoveNames)))
}
