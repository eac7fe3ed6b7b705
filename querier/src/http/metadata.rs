//! `metadata`.

use latewood_model::{MetricMetadata, TimeRange};

use super::Call;
use super::envelope::Answer;
use super::json::Json;
use crate::ApiError;
use crate::fanout::Pinned;

/// Metadata are those of metrics with recent samples: blocks older than this, in milliseconds, are not
/// opened for them.
const LOOKBACK_MS: i64 = 86_400_000;

pub(super) async fn metadata(call: Call) -> Result<Answer, ApiError> {
    let limit = number(&call, "limit")?;
    let per_metric = number(&call, "limit_per_metric")?;
    let metric = call.params.get("metric");
    let now = call.api.clock.now_ms();
    let range = TimeRange::new(now.saturating_sub(LOOKBACK_MS), i64::MAX);
    let (fanout, max) = (&*call.api.fanout, call.api.config.max_listed);
    let read = move |pinned: Pinned| async move { fanout.metadata(&pinned, metric, range, max).await };
    let (by_metric, warnings) = fanout.under_view(&call.tenant, call.partial()?, read).await?;
    let metrics = by_metric.iter().take(limit.unwrap_or(usize::MAX));
    let metrics = metrics.map(|(name, entries)| (name.as_str(), entries));
    let most = per_metric.filter(|&most| most > 0).unwrap_or(usize::MAX);
    let data = |json: &mut Json| {
        json.object(metrics, |json, entries| {
            json.list(entries.iter().take(most), write);
        });
    };
    Ok(Answer::annotated(data, &warnings, &[]))
}

/// A limit; none where it is not given or negative, as in Prometheus.
fn number(call: &Call, name: &'static str) -> Result<Option<usize>, ApiError> {
    let text = call.params.get(name);
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse::<i64>();
    let number = number.map_err(|_| ApiError::invalid(format!("{name} must be a number")))?;
    Ok(usize::try_from(number).ok())
}

fn write(json: &mut Json, entry: &MetricMetadata) {
    let fields = [("type", entry.metric_type.as_str()), ("help", &entry.help), ("unit", &entry.unit)];
    json.object(fields, Json::string);
}
