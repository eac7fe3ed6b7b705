//! `query` and `query_range`.

use std::time::Duration;

use latewood_promql::ast::{Expr, ValueType};
use latewood_promql::{InstantQuery, RangeQuery};

use super::encode::{Shape, encode_result};
use super::envelope::Answer;
use super::{Call, time};
use crate::ApiError;
use crate::evaluate::{Query, QueryOptions};

pub(super) async fn instant(call: Call) -> Result<Answer, ApiError> {
    let params = &call.params;
    let limit = params.limit()?;
    let now = call.api.clock.now_ms();
    let at = time::parse_time_or("time", params.get("time"), now)?;
    let options = options(&call)?;
    let query = InstantQuery { expr: call.query().await?, time: at, lookback: lookback(&call)? };
    run(&call, Query::Instant(query), options, limit).await
}

pub(super) async fn range(call: Call) -> Result<Answer, ApiError> {
    let limit = call.params.limit()?;
    let (start, end, step) = steps(&call)?;
    let options = options(&call)?;
    let expr = call.query().await?;
    check_range_type(&expr)?;
    let query = RangeQuery { expr, start, end, step, lookback: lookback(&call)? };
    run(&call, Query::Range(query), options, limit).await
}

async fn run(call: &Call, query: Query, options: QueryOptions, limit: usize) -> Result<Answer, ApiError> {
    let shape = Shape { limit, stats: !call.params.get("stats").is_empty() };
    let finish = move |result, timings| encode_result(result, timings, shape);
    call.api.evaluator.run(&call.tenant, query, options, finish).await
}

fn options(call: &Call) -> Result<QueryOptions, ApiError> {
    Ok(QueryOptions {
        timeout: time::parse_optional_duration("timeout", call.params.get("timeout"))?,
        partial: call.partial()?,
    })
}

fn lookback(call: &Call) -> Result<Option<Duration>, ApiError> {
    let given = time::parse_optional_duration("lookback_delta", call.params.get("lookback_delta"))?;
    Ok(given.filter(|lookback| !lookback.is_zero()))
}

/// `start`, `end` and `step`, checked as Prometheus checks them.
fn steps(call: &Call) -> Result<(i64, i64, Duration), ApiError> {
    let params = &call.params;
    let start = time::parse_time("start", params.get("start"))?;
    let end = time::parse_time("end", params.get("end"))?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = time::parse_duration_ms("step", params.get("step"))?;
    if step <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", text));
    }
    let max_steps = call.api.config.engine.max_steps;
    if (end.saturating_sub(start) / step).unsigned_abs() > max_steps {
        return Err(ApiError::invalid(format!(
            "exceeded maximum resolution of {} points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
            grouped(max_steps)
        )));
    }
    Ok((start, end, Duration::from_millis(step.unsigned_abs())))
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn check_range_type(expr: &Expr) -> Result<(), ApiError> {
    let found = match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => return Ok(()),
        other => other.documented(),
    };
    let text = format!("invalid expression type {found:?} for range query, must be Scalar or instant Vector");
    Err(ApiError::parameter("query", text))
}
