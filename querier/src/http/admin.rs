//! `admin/tsdb/*`: what deletes.
//!
//! Texts and statuses are Prometheus's. A deletion is logged by every ingester and then committed by one of them; an
//! error in between is told, and the same request again completes it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::{MethodRouter, post, put};
use futures::future::try_join_all;
use latewood_base::{ErrorKind, Kinded};
use latewood_model::{Matcher, TimeRange};
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{CleanRequest, CommitRequest, Condition, LogRequest, Selection};
use latewood_proto::store::StoreError;

use super::envelope::Answer;
use super::{Api, Call, answer};
use crate::ApiError;
use crate::stores::NamedStore;

/// POST and PUT, where the admin API is enabled.
pub(super) fn route<F, Fut>(endpoint: &'static str, handler: F) -> MethodRouter<Arc<Api>>
where
    F: Fn(Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, ApiError>> + Send + 'static,
{
    let handle = move |State(api): State<Arc<Api>>, request: Request| {
        let handler = handler.clone();
        let enabled = move |call: Call| async move {
            if call.api.config.enable_admin_api {
                return handler(call).await;
            }
            Err(ApiError::disabled("admin APIs disabled"))
        };
        answer(api, endpoint, request, enabled)
    };
    post(handle.clone()).merge(put(handle))
}

/// `delete_series`: samples of the series that match one of `match[]`, from `start` to `end`.
pub(super) async fn delete_series(call: Call) -> Result<Answer, ApiError> {
    if call.params.all("match[]").next().is_none() {
        return Err(ApiError::invalid("no match[] parameter provided"));
    }
    let range = call.params.range()?;
    let selectors = call.selectors().await?;
    if selectors.iter().any(|matchers| matchers.is_empty()) {
        let text = "a selector without matchers deletes everything: say so by {__name__=~\".*\"}";
        return Err(ApiError::parameter("match[]", text));
    }
    if !range.is_empty() {
        let selections = selectors.iter().map(|matchers| selection(&call, matchers, range)).collect();
        delete(&call, selections).await?;
    }
    Ok(Answer::nothing())
}

/// `clean_tombstones`: has the compactor apply what was deleted until now.
pub(super) async fn clean_tombstones(call: Call) -> Result<Answer, ApiError> {
    let request = CleanRequest { tenant: call.tenant.to_string(), requested_by: call.asked_by.clone() };
    let ingesters = call.api.fanout.all_ingesters()?;
    one_of(&ingesters, |deletion| {
        let request = request.clone();
        async move { deletion.clean(request).await }
    })
    .await?;
    Ok(Answer::nothing())
}

/// The answer of the first ingester that gives one.
async fn one_of<T, Fut>(
    ingesters: &[NamedStore],
    ask: impl Fn(Arc<dyn DeletionApi>) -> Fut,
) -> Result<T, ApiError>
where
    Fut: Future<Output = Result<T, StoreError>>,
{
    let mut failure = None;
    for ingester in ingesters {
        match ask(way_to(ingester)?).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failure = Some(failed(&ingester.name, &error)),
        }
    }
    Err(failure.unwrap_or_else(|| ApiError::new(ErrorKind::Unavailable, "no ingester is known")))
}

fn selection(call: &Call, matchers: &[Matcher], range: TimeRange) -> Selection {
    let conditions = matchers.iter().map(|matcher| Condition {
        name: matcher.name().to_owned(),
        op: matcher.op().as_str().to_owned(),
        value: matcher.value().to_owned(),
    });
    Selection {
        id: call.api.ids.next().to_string(),
        conditions: conditions.collect(),
        start_ms: range.start,
        end_ms: range.end,
    }
}

/// First all ingesters, then the catalog by one of them: in the other order what is flushed between would come back.
async fn delete(call: &Call, selections: Vec<Selection>) -> Result<(), ApiError> {
    let ingesters = call.api.fanout.all_ingesters()?;
    let deletions: Result<Vec<_>, _> = ingesters.iter().map(way_to).collect();
    let (deletions, tenant) = (deletions?, call.tenant.to_string());
    let logging = ingesters.iter().zip(&deletions).map(|(ingester, deletion)| {
        let request = LogRequest { tenant: tenant.clone(), selections: selections.clone() };
        async move { deletion.log(request).await.map_err(|error| failed(&ingester.name, &error)) }
    });
    let open = try_join_all(logging).await?.into_iter().flat_map(|answer| answer.open).collect();
    let request = CommitRequest { tenant, selections, open, requested_by: call.asked_by.clone() };
    let committed = one_of(&ingesters, |deletion| {
        let request = request.clone();
        async move { deletion.commit(request).await }
    });
    let version = committed.await?.version;
    Ok(call.api.fanout.learn_version(&call.tenant, version).await?)
}

fn way_to(ingester: &NamedStore) -> Result<Arc<dyn DeletionApi>, ApiError> {
    ingester.deletion.clone().ok_or_else(|| {
        let text = format!("ingester {} cannot be asked to delete", ingester.name);
        ApiError::new(ErrorKind::Internal, text)
    })
}

/// What is wrong with the selection is the client's; all else leaves the deletion done in part.
fn failed(ingester: &str, error: &StoreError) -> ApiError {
    let kind = error.kind();
    if kind == ErrorKind::Invalid {
        return ApiError::invalid(error.to_string());
    }
    let text = format!("ingester {ingester}: {error}; series may be deleted in part: send the request again");
    ApiError::new(kind, text)
}
