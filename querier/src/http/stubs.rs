//! `rules`, `alerts`, `targets` and `alertmanagers`: the querier evaluates no rules and scrapes nothing, and
//! clients that look expect empty lists.

use super::Call;
use super::envelope::Answer;
use crate::ApiError;

pub(super) async fn rules(call: Call) -> Result<Answer, ApiError> {
    match call.params.get("type").to_ascii_lowercase().as_str() {
        "" | "alert" | "record" => Ok(Answer::new(|json| json.raw(r#"{"groups":[]}"#))),
        other => Err(ApiError::parameter("type", format!("not supported value {other:?}"))),
    }
}

pub(super) async fn alerts(_: Call) -> Result<Answer, ApiError> {
    Ok(Answer::new(|json| json.raw(r#"{"alerts":[]}"#)))
}

pub(super) async fn targets(_: Call) -> Result<Answer, ApiError> {
    let none = r#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}"#;
    Ok(Answer::new(|json| json.raw(none)))
}

pub(super) async fn alertmanagers(_: Call) -> Result<Answer, ApiError> {
    let none = r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#;
    Ok(Answer::new(|json| json.raw(none)))
}
