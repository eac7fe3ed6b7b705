//! Durations of a query whose times are known.

use super::{QueryTimes, millis};
use crate::QueryError;
use crate::ast::{DurationExpr, DurationKind, DurationOp, Length, Offset, Span};
use crate::parse::MAX_DURATION_SECONDS;

/// A window's or step's length in milliseconds.
pub(super) fn length_ms(length: &Length, times: &QueryTimes) -> Result<i64, QueryError> {
    match length {
        Length::Fixed(length) => Ok(millis(*length)),
        Length::Computed(expr) => {
            let seconds = seconds(expr, times)?;
            if seconds.is_finite() && seconds <= 0.0 {
                return fail(expr.span, "duration must be greater than 0");
            }
            // Windows without a length are no windows.
            Ok(whole_milliseconds(seconds, expr.span)?.max(1))
        }
    }
}

/// How far to look back in milliseconds.
pub(super) fn offset_ms(offset: &Offset, times: &QueryTimes) -> Result<i64, QueryError> {
    match offset {
        Offset::Fixed(offset) => Ok(*offset),
        Offset::Computed(expr) => whole_milliseconds(seconds(expr, times)?, expr.span),
    }
}

#[allow(clippy::cast_possible_truncation)] // in range by then
fn whole_milliseconds(seconds: f64, span: Span) -> Result<i64, QueryError> {
    if seconds.is_finite() && seconds.abs() <= MAX_DURATION_SECONDS {
        Ok((seconds * 1000.0) as i64)
    } else if seconds.is_finite() {
        fail(span, "duration is out of range")
    } else {
        fail(span, "duration is NaN or infinite")
    }
}

#[allow(clippy::cast_precision_loss)] // as upstream
fn seconds(expr: &DurationExpr, times: &QueryTimes) -> Result<f64, QueryError> {
    Ok(match &expr.kind {
        DurationKind::Number(literal) => literal.value,
        DurationKind::Step => times.step_ms as f64 / 1000.0,
        DurationKind::Range => times.end.saturating_sub(times.start) as f64 / 1000.0,
        DurationKind::Unary(DurationOp::Sub, inner) => -seconds(inner, times)?,
        DurationKind::Unary(_, inner) => seconds(inner, times)?,
        DurationKind::Binary(op, left, right) => {
            let (left, right) = (seconds(left, times)?, seconds(right, times)?);
            match op {
                DurationOp::Add => left + right,
                DurationOp::Sub => left - right,
                DurationOp::Mul => left * right,
                DurationOp::Div if right == 0.0 => return fail(expr.span, "division by zero"),
                DurationOp::Div => left / right,
                DurationOp::Mod if right == 0.0 => return fail(expr.span, "modulo by zero"),
                DurationOp::Mod => left % right,
                DurationOp::Pow => left.powf(right),
                DurationOp::MinOf => left.min(right),
                DurationOp::MaxOf => left.max(right),
            }
        }
    })
}

/// Upstream puts the bytes before the text here, not line and column.
fn fail<T>(span: Span, message: &str) -> Result<T, QueryError> {
    Err(QueryError::execution(format!("{}:{}: {message}", span.start, span.end)))
}
