//! Expressions that name the query's own start, end, length or step: a piece has others.

use crate::ast::{At, DurationExpr, DurationKind, Expr, ExprKind, Length, Offset, Shift};

/// Whether any part of an expression does.
pub(super) fn names_its_range(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => false,
        ExprKind::Selector(selector) => is_shifted_by_it(&selector.shift),
        ExprKind::Matrix { selector, range } => is_shifted_by_it(&selector.shift) || is_as_long(range),
        ExprKind::Subquery(subquery) => {
            let lengths = std::iter::once(&subquery.range).chain(&subquery.step);
            is_shifted_by_it(&subquery.shift)
                || lengths.into_iter().any(is_as_long)
                || names_its_range(&subquery.expr)
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => names_its_range(inner),
        ExprKind::Binary(binary) => names_its_range(&binary.left) || names_its_range(&binary.right),
        ExprKind::Aggregate(aggregate) => {
            names_its_range(&aggregate.expr) || aggregate.param.as_ref().is_some_and(names_its_range)
        }
        // `step()` is 0 in a piece of one step, as in an instant query.
        ExprKind::Call { function, args } => {
            matches!(function.as_str(), "start" | "end" | "range" | "step")
                || args.iter().any(names_its_range)
        }
    }
}

fn is_shifted_by_it(shift: &Shift) -> bool {
    let by_offset = match &shift.offset {
        Offset::Fixed(_) => false,
        Offset::Computed(expr) => is_computed_of_it(expr),
    };
    by_offset || matches!(shift.at, Some(At::Start | At::End))
}

fn is_as_long(length: &Length) -> bool {
    match length {
        Length::Fixed(_) => false,
        Length::Computed(expr) => is_computed_of_it(expr),
    }
}

fn is_computed_of_it(expr: &DurationExpr) -> bool {
    match &expr.kind {
        // Here the step is that of the query even where it has but one.
        DurationKind::Number(_) | DurationKind::Step => false,
        DurationKind::Range => true,
        DurationKind::Unary(_, inner) => is_computed_of_it(inner),
        DurationKind::Binary(_, left, right) => is_computed_of_it(left) || is_computed_of_it(right),
    }
}
