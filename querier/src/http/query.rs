//! `query` and `query_range`.

use std::time::Duration;

use latewood_promql::ast::{Expr, ValueType};
use latewood_promql::{Control, InstantQuery, RangeQuery, ReportOptions};

use super::encode::{Shape, encode_result};
use super::envelope::Answer;
use super::{Call, time};
use crate::ApiError;
use crate::evaluate::{Query, QueryOptions};

pub(super) async fn instant(call: Call) -> Result<Answer, ApiError> {
    let limit = call.params.limit()?;
    let query = instant_query(&call).await?;
    run(&call, Query::Instant(query), limit).await
}

pub(super) async fn range(call: Call) -> Result<Answer, ApiError> {
    let limit = call.params.limit()?;
    let query = range_query(&call).await?;
    run(&call, Query::Range(query), limit).await
}

/// The instant query that a request's parameters describe.
pub(super) async fn instant_query(call: &Call) -> Result<InstantQuery, ApiError> {
    let now = call.api.clock.now_ms();
    let time = time::parse_time_or("time", call.params.get("time"), now)?;
    options(call)?;
    let expr = call.query().await?;
    Ok(InstantQuery { expr, time, lookback: lookback(call)?, report: report(call) })
}

/// The range query that a request's parameters describe.
pub(super) async fn range_query(call: &Call) -> Result<RangeQuery, ApiError> {
    let (start, end, step) = steps(call)?;
    options(call)?;
    let expr = call.query().await?;
    check_range_type(&expr)?;
    Ok(RangeQuery { expr, start, end, step, lookback: lookback(call)?, report: report(call) })
}

async fn run(call: &Call, query: Query, limit: usize) -> Result<Answer, ApiError> {
    let shape = Shape { limit, stats: !call.params.get("stats").is_empty() };
    let finish = move |result, timings, control: &Control| encode_result(result, timings, shape, control);
    call.api.evaluator.run(&call.tenant, query, options(call)?, finish).await
}

/// `stats=all` is Prometheus's, `analyze` Thanos's, which takes these two words.
fn report(call: &Call) -> ReportOptions {
    let params = &call.params;
    ReportOptions {
        samples_per_step: params.get("stats") == "all",
        analysis: matches!(params.get("analyze"), "true" | "1"),
    }
}

fn options(call: &Call) -> Result<QueryOptions, ApiError> {
    Ok(QueryOptions {
        timeout: time::parse_optional_duration("timeout", call.params.get("timeout"))?,
        partial: call.partial()?,
        replica_labels: call.replica_labels()?,
        resolution: call.params.resolution(call.api.config.max_source_resolution)?,
        cached_as: call.uses_cache()?.then(|| call.params.get("query").into()),
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
