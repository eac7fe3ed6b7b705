//! `admin/tsdb/*`: what deletes.
//!
//! Texts and statuses are Prometheus's. A deletion is logged by the leader of every shard and then committed by one ingester;
//! an error in between is told, and the same request again completes it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::{MethodRouter, post, put};
use futures::future::join_all;
use latewood_base::{ErrorKind, Kinded};
use latewood_model::{Matcher, TimeRange};
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{CleanRequest, CommitRequest, Condition, Selection};
use latewood_proto::store::StoreError;

use super::envelope::Answer;
use super::{Api, Call, answer};
use crate::ApiError;
use crate::fanout::way_to;
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
    let ingesters = call.api.fanout.all_ingesters().await?;
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
        let answer = match way_to(ingester) {
            Ok(deletion) => ask(deletion).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => failure = Some(failed(&format!("ingester {}: ", ingester.name), &error)),
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

/// First all shards, then the catalog by one ingester: in the other order what is flushed between would come back.
async fn delete(call: &Call, selections: Vec<Selection>) -> Result<(), ApiError> {
    let (fanout, tenant) = (&call.api.fanout, call.tenant.to_string());
    let ingesters = fanout.all_ingesters().await?;
    let logged = fanout.log_deletion(&tenant, &selections).await;
    let open = logged.map_err(|error| failed("", &error))?;
    let request = CommitRequest { tenant, selections, open, requested_by: call.asked_by.clone() };
    let committed = one_of(&ingesters, |deletion| {
        let request = request.clone();
        async move { deletion.commit(request).await }
    });
    let version = committed.await?.version;
    // To be told again does nothing but tell: from then on each of them has queries use a view that has it.
    let ways: Vec<_> = ingesters.iter().filter_map(|ingester| way_to(ingester).ok()).collect();
    join_all(ways.iter().map(|deletion| deletion.commit(request.clone()))).await;
    Ok(fanout.learn_version(&call.tenant, version).await?)
}

/// What is wrong with the selection is the client's; all else leaves the deletion done in part.
fn failed(source: &str, error: &StoreError) -> ApiError {
    let kind = error.kind();
    if kind == ErrorKind::Invalid {
        return ApiError::invalid(error.to_string());
    }
    ApiError::new(kind, format!("{source}{error}; series may be deleted in part: send the request again"))
}
