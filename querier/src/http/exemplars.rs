//! `query_exemplars`.

use latewood_model::Exemplar;

use super::envelope::Answer;
use super::json::Json;
use super::{Call, expression};
use crate::ApiError;
use crate::fanout::Pinned;

pub(super) async fn exemplars(call: Call) -> Result<Answer, ApiError> {
    let range = call.params.range()?;
    if range.end < range.start {
        let text = "end timestamp must not be before start timestamp";
        return Err(ApiError::parameter("end", text));
    }
    let selectors = expression::selectors_of(&call.query().await?);
    if selectors.is_empty() {
        return Ok(Answer::new(|json| json.raw("[]")));
    }
    let (fanout, selectors) = (&*call.api.fanout, &selectors[..]);
    let replicas = &call.replica_labels()?;
    let read =
        move |pinned: Pinned| async move { fanout.exemplars(&pinned, selectors, range, replicas).await };
    let (by_series, warnings) = fanout.under_view(&call.tenant, call.partial()?, read).await?;
    let data = |json: &mut Json| {
        json.list(&by_series, |json, (labels, exemplars)| {
            json.raw(r#"{"seriesLabels":"#);
            json.labels(labels);
            json.raw(r#","exemplars":"#);
            json.list(exemplars, write);
            json.raw("}");
        });
    };
    Ok(Answer::annotated(data, &warnings, &[]))
}

fn write(json: &mut Json, exemplar: &Exemplar) {
    json.raw(r#"{"labels":"#);
    json.labels(&exemplar.labels);
    json.raw(r#","value":"#);
    json.value(exemplar.value);
    json.raw(r#","timestamp":"#);
    json.timestamp(exemplar.timestamp);
    json.raw("}");
}
