//! Whether a range query may be evaluated in pieces, each of some of its steps, and which samples a step depends on.
//!
//! Invariant: the answers of the pieces of a query that [`Engine::footprint`] lets be split, joined by series, are the
//! answer of the whole, bit for bit: values, annotations and the order of series. Where that is not certain of all data,
//! there is no footprint. Pure: knows the expression and its times, and no data.

mod order;
mod reads;
mod whole;

pub use reads::Footprint;

use crate::ast::Expr;
use crate::plan::{QueryPlan, QueryTimes, millis, plan_range};
use crate::{Engine, RangeQuery, with_room};

impl Engine {
    /// What the answers of a range query depend on, if it may be evaluated in pieces; none for one that reads nothing
    /// or cannot be evaluated.
    #[must_use]
    pub fn footprint(&self, query: &RangeQuery) -> Option<Footprint> {
        let config = self.config();
        if config.features.promql_delayed_name_removal {
            // Whether a row loses its name is decided by its first or last step.
            return None;
        }
        let times = QueryTimes {
            start: query.start,
            end: query.end,
            step_ms: millis(query.step),
            subquery_step_ms: millis(config.subquery_step),
        };
        let lookback = query.lookback.filter(|given| !given.is_zero()).unwrap_or(config.lookback);
        with_room(query.expr.levels(), || footprint(&query.expr, &times, millis(lookback))).ok()?
    }
}

fn footprint(expr: &Expr, times: &QueryTimes, lookback_ms: i64) -> Option<Footprint> {
    if whole::names_its_range(expr) {
        return None;
    }
    let QueryPlan::Vector(node) = plan_range(expr, times).ok()? else { return None };
    if !order::may_be_cut(&node, times.step_ms) {
        return None;
    }
    Some(Footprint::of(&node, lookback_ms)).filter(|footprint| !footprint.is_empty())
}

#[cfg(test)]
mod tests;
