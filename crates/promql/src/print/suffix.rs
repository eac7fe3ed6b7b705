//! What stands behind selectors and subqueries: ranges, `@` and `offset`.

use std::fmt::Write;
use std::time::Duration;

use crate::ast::{At, Shift, Subquery};
use crate::format_duration;

/// ` @ 1.000 offset 5m`, or nothing.
pub(super) fn shift(shift: &Shift) -> String {
    let mut out = match shift.at {
        None => String::new(),
        #[allow(clippy::cast_precision_loss)] // as upstream
        Some(At::Time(time)) => format!(" @ {:.3}", time as f64 / 1000.0),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
    };
    if shift.offset_ms != 0 {
        let sign = if shift.offset_ms < 0 { "-" } else { "" };
        let _ = write!(
            out,
            " offset {sign}{}",
            format_duration(Duration::from_millis(shift.offset_ms.unsigned_abs()))
        );
    }
    out
}

/// `[1h:1m] @ 1.000 offset 5m`
pub(super) fn subquery(subquery: &Subquery) -> String {
    let step = subquery.step.map(format_duration).unwrap_or_default();
    format!("[{}:{step}]{}", format_duration(subquery.range), shift(&subquery.shift))
}
