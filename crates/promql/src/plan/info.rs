//! The plan of `info`: which info series are asked for, and at which time.

use latewood_model::{METRIC_NAME, MatchOp, Matcher, TimestampMs};

use super::duration;
use super::lower::{QueryTimes, lower};
use super::node::{InfoCall, Node, Scan};
use crate::QueryError;
use crate::ast::{Expr, ExprKind, Shift};

/// The info metric that is meant where the call names none.
const TARGET_INFO: &str = "target_info";

/// `info(v, {labels})`
pub(super) fn lower_info(args: &[Expr], times: &QueryTimes) -> Result<Node, QueryError> {
    let vector = args.first().ok_or_else(|| QueryError::execution("info() needs a vector"))?;
    let given = match args.get(1).map(|labels| &labels.kind) {
        Some(ExprKind::Selector(selector)) => selector.matchers.clone(),
        _ => Vec::new(),
    };
    let (names, labels): (Vec<Matcher>, Vec<Matcher>) =
        given.into_iter().partition(|matcher| matcher.name() == METRIC_NAME);
    let names = effective_names(names)?;
    let time = reference(vector, times)?.unwrap_or_default();
    let scan = Scan {
        matchers: names.iter().chain(&labels).cloned().collect(),
        offset_ms: time.offset_ms,
        at: time.at,
        function: Some("info".to_owned()),
        stats: false,
        extension: None,
    };
    Ok(Node::Info(Box::new(InfoCall { input: lower(vector, times)?, names, labels, scan })))
}

/// Which metrics are info metrics: where a call says only what they are not, those called so.
fn effective_names(mut given: Vec<Matcher>) -> Result<Vec<Matcher>, QueryError> {
    let (op, value) = if given.is_empty() {
        (MatchOp::Equal, TARGET_INFO)
    } else if given.iter().all(|matcher| matcher.op().is_negative()) {
        (MatchOp::Regex, ".+_info")
    } else {
        return Ok(given);
    };
    let added = Matcher::new(op, METRIC_NAME, value);
    given.insert(0, added.map_err(|error| QueryError::execution(error.to_string()))?);
    Ok(given)
}

/// The time of a selector: that of the step, or a fixed one, less an offset.
#[derive(Clone, Copy, Default)]
struct Reference {
    at: Option<TimestampMs>,
    offset_ms: i64,
}

impl Reference {
    fn of(shift: &Shift, times: &QueryTimes) -> Result<Self, QueryError> {
        Ok(Self { at: times.resolve(shift), offset_ms: duration::offset_ms(&shift.offset, times)? })
    }

    /// Within a subquery: its offset comes on top, unless the time is fixed.
    fn within(self, outer: Self) -> Self {
        match self.at {
            Some(_) => self,
            None => Self { at: outer.at, offset_ms: self.offset_ms.saturating_add(outer.offset_ms) },
        }
    }
}

/// The time of the first selector in an expression, which is that of the info series.
fn reference(expr: &Expr, times: &QueryTimes) -> Result<Option<Reference>, QueryError> {
    let first_of = |parts: &mut dyn Iterator<Item = &Expr>| {
        let found = parts.map(|part| reference(part, times));
        found.filter_map(Result::transpose).next().transpose()
    };
    match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
            Reference::of(&selector.shift, times).map(Some)
        }
        ExprKind::Subquery(subquery) => {
            let outer = Reference::of(&subquery.shift, times)?;
            Ok(reference(&subquery.expr, times)?.map(|inner| inner.within(outer)))
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => reference(inner, times),
        ExprKind::Binary(binary) => first_of(&mut [&binary.left, &binary.right].into_iter()),
        ExprKind::Aggregate(aggregate) => {
            first_of(&mut std::iter::once(&aggregate.expr).chain(&aggregate.param))
        }
        ExprKind::Call { args, .. } => first_of(&mut args.iter()),
        ExprKind::Number(_) | ExprKind::Text(_) => Ok(None),
    }
}
