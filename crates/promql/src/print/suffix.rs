//! What stands behind selectors and subqueries: ranges, `@`, `offset`, and what durations are computed of.

use std::time::Duration;

use crate::ast::{
    At, DurationExpr, DurationKind, DurationOp, Length, Offset, Shift, Subquery, VectorSelector,
};
use crate::format_duration;
use crate::print::literal::number;

/// ` @ 1.000`, or nothing.
pub(super) fn at(shift: &Shift) -> String {
    match shift.at {
        None => String::new(),
        #[allow(clippy::cast_precision_loss)] // as upstream
        Some(At::Time(time)) => format!(" @ {:.3}", time as f64 / 1000.0),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
    }
}

/// ` offset 5m`, or nothing.
pub(super) fn offset(shift: &Shift) -> String {
    match &shift.offset {
        Offset::Fixed(0) => String::new(),
        Offset::Fixed(offset) => {
            let sign = if *offset < 0 { "-" } else { "" };
            let length = Duration::from_millis(offset.unsigned_abs());
            format!(" offset {sign}{}", format_duration(length))
        }
        Offset::Computed(expr) => format!(" offset {}", duration(expr)),
    }
}

/// ` anchored`, ` smoothed`, or nothing.
pub(super) fn extension(selector: &VectorSelector) -> String {
    selector.extension.map_or_else(String::new, |extension| format!(" {}", extension.as_str()))
}

/// `[1h:1m] @ 1.000 offset 5m`
pub(super) fn subquery(subquery: &Subquery) -> String {
    let step = subquery.step.as_ref().map(length).unwrap_or_default();
    let (at, offset) = (at(&subquery.shift), offset(&subquery.shift));
    format!("[{}:{step}]{at}{offset}", length(&subquery.range))
}

pub(super) fn length(length: &Length) -> String {
    match length {
        Length::Fixed(length) => format_duration(*length),
        Length::Computed(expr) => duration(expr),
    }
}

fn duration(expr: &DurationExpr) -> String {
    let text = match &expr.kind {
        DurationKind::Number(literal) => number(literal),
        DurationKind::Step => "step()".to_owned(),
        DurationKind::Range => "range()".to_owned(),
        DurationKind::Unary(DurationOp::Sub, inner) => format!("-{}", duration(inner)),
        DurationKind::Unary(_, inner) => duration(inner),
        DurationKind::Binary(op @ (DurationOp::MinOf | DurationOp::MaxOf), left, right) => {
            format!("{}({}, {})", op.as_str(), duration(left), duration(right))
        }
        DurationKind::Binary(op, left, right) => {
            format!("{} {} {}", duration(left), op.as_str(), duration(right))
        }
    };
    if expr.wrapped { format!("({text})") } else { text }
}
