//! The Prometheus HTTP API.
//!
//! Names, defaults, texts and statuses are Prometheus's, so that its clients work unchanged. Every answer
//! under `/api/v1` is an envelope of JSON, written straight to bytes.

mod admin;
mod encode;
mod envelope;
mod exemplars;
mod explain;
mod expression;
mod federate;
mod json;
mod labels;
mod metadata;
mod pages;
mod params;
mod query;
mod remote_read;
mod status;
mod stubs;
mod time;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use latewood_base::{Clock, ErrorKind, Ids, Kinded};
use latewood_model::TenantId;
use latewood_model::dedup::ReplicaLabels;
use latewood_service::{LogLimit, TenantFromRequest, asked_by, http_status};

use crate::evaluate::Evaluator;
use crate::fanout::Fanout;
use crate::gate::QueryGate;
use crate::metrics::{EndpointLabels, Metrics, Raised, RequestLabels};
use crate::{ApiError, QuerierConfig, StatusInfo};
use envelope::{Answer, error_response};
pub(crate) use expression::Parser;
use params::Params;

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) config: QuerierConfig,
    pub(crate) parser: Parser,
    pub(crate) evaluator: Evaluator,
    /// Listings hold what they list, and are no queries: they have as many places of their own.
    pub(crate) listings: QueryGate,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) metrics: Metrics,
    pub(crate) status: StatusInfo,
    pub(crate) log: LogLimit,
}

/// A request, read.
struct Call {
    api: Arc<Api>,
    tenant: TenantId,
    params: Params,
    /// Who asks, as far as the request says.
    asked_by: String,
    /// `Cache-Control: no-store`: results are neither kept nor taken from what is kept.
    no_store: bool,
}

/// All routes.
pub(crate) fn routes(api: &Arc<Api>) -> Router {
    let greeting = || get(async || "Latewood speaks the Prometheus API under /api/v1.\n");
    let v1 = v1_routes(api);
    Router::new()
        .route("/", greeting())
        .route("/prometheus", greeting())
        .route("/prometheus/", greeting())
        .merge(federate::routes(api))
        .nest("/prometheus/api/v1", v1.clone())
        .nest("/api/v1", v1)
}

fn v1_routes(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/query", form("query", query::instant))
        .route("/query_range", form("query_range", query::range))
        .route("/query_explain", form("query_explain", explain::explain))
        .route("/query_range_explain", form("query_range_explain", explain::range))
        .route("/query_exemplars", form("query_exemplars", exemplars::exemplars))
        .route("/format_query", form("format_query", expression::format_query))
        .route("/parse_query", form("parse_query", expression::parse_query))
        .route("/series", form("series", labels::series))
        .route("/labels", form("labels", labels::names))
        .route("/label/{name}/values", labels::values_route())
        .route("/metadata", only_get("metadata", metadata::metadata))
        .route("/read", remote_read::route())
        .route("/rules", only_get("rules", stubs::rules))
        .route("/alerts", only_get("alerts", stubs::alerts))
        .route("/targets", only_get("targets", stubs::targets))
        .route("/alertmanagers", only_get("alertmanagers", stubs::alertmanagers))
        .route("/admin/tsdb/delete_series", admin::route("admin_delete_series", admin::delete_series))
        .route(
            "/admin/tsdb/clean_tombstones",
            admin::route("admin_clean_tombstones", admin::clean_tombstones),
        )
        .route("/status/buildinfo", only_get("status_buildinfo", status::buildinfo))
        .route("/status/runtimeinfo", only_get("status_runtimeinfo", status::runtimeinfo))
        .route("/status/config", only_get("status_config", status::config))
        .route("/status/flags", only_get("status_flags", status::flags))
        .route("/status/tsdb", only_get("status_tsdb", status::tsdb))
        .route("/status/walreplay", only_get("status_walreplay", status::walreplay))
        .with_state(Arc::clone(api))
}

/// GET, and POST with a form.
fn form<F, Fut>(endpoint: &'static str, handler: F) -> MethodRouter<Arc<Api>>
where
    F: Fn(Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, ApiError>> + Send + 'static,
{
    let posted = handler.clone();
    only_get(endpoint, handler).post(move |State(api): State<Arc<Api>>, request: Request| {
        answer(api, endpoint, request, posted.clone())
    })
}

/// GET alone.
fn only_get<F, Fut>(endpoint: &'static str, handler: F) -> MethodRouter<Arc<Api>>
where
    F: Fn(Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, ApiError>> + Send + 'static,
{
    get(move |State(api): State<Arc<Api>>, request: Request| answer(api, endpoint, request, handler.clone()))
}

/// Reads the request, calls the handler, counts, and puts the outcome in its envelope.
async fn answer<F, Fut>(api: Arc<Api>, endpoint: &'static str, request: Request, handler: F) -> Response
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Result<Answer, ApiError>>,
{
    let mut asked = None;
    let handled = async {
        let call = read(&api, request).await?;
        asked = Some((call.tenant.clone(), call.params.example()));
        Box::pin(handler(call)).await
    };
    match measured(&api, endpoint, handled).await {
        Ok(answer) => answer.into_response(),
        Err(error) => {
            log(&api.log, endpoint, asked, &error);
            error_response(&error)
        }
    }
}

/// Counts a request and takes its time.
async fn measured<T>(
    api: &Api,
    endpoint: &'static str,
    handled: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let _in_flight = Raised::new(&api.metrics.in_flight);
    let begun = api.clock.elapsed();
    let outcome = handled.await;
    let seconds = api.clock.elapsed().saturating_sub(begun).as_secs_f64();
    api.metrics.durations.get_or_create(&EndpointLabels { endpoint }).observe(seconds);
    let ended = outcome.as_ref().map_or_else(ApiError::error_type, |_| "success");
    api.metrics.requests.get_or_create(&RequestLabels { endpoint, outcome: ended }).inc();
    outcome
}

/// An answer that is no envelope; its errors are plain text, as Prometheus's are.
async fn plain(
    api: &Api,
    endpoint: &'static str,
    handled: impl Future<Output = Result<Response, ApiError>>,
) -> Response {
    measured(api, endpoint, handled).await.unwrap_or_else(|error| {
        log(&api.log, endpoint, None, &error);
        (http_status(error.kind()), format!("{error}\n")).into_response()
    })
}

/// What is not the client's fault is logged, now and then and with an example.
fn log(limit: &LogLimit, endpoint: &'static str, asked: Option<(TenantId, String)>, error: &ApiError) {
    let (tenant, example) = asked.unzip();
    let name = tenant.as_ref().map_or("unknown", TenantId::as_str);
    let example = example.unwrap_or_default();
    let is_ours = http_status(error.kind()).is_server_error() && error.kind() != ErrorKind::Canceled;
    match is_ours.then(|| limit.pass(tenant.as_ref(), error.error_type())).flatten() {
        Some(held_back) => {
            tracing::warn!(tenant = name, endpoint, example, %error, held_back, "request failed");
        }
        None => tracing::debug!(tenant = name, endpoint, example, %error, "request failed"),
    }
}

async fn read(api: &Arc<Api>, request: Request) -> Result<Call, ApiError> {
    let tenant = TenantFromRequest::from_headers(request.headers());
    let TenantFromRequest(tenant) = tenant.map_err(|error| ApiError::invalid(error.to_string()))?;
    let no_store = says_no_store(request.headers());
    let asked_by = asked_by(request.headers());
    let patience = Duration::from_secs(api.config.body_timeout_seconds);
    let params = Params::read(request, api.config.max_form_bytes, patience).await?;
    Ok(Call { params, api: Arc::clone(api), tenant, asked_by, no_store })
}

fn says_no_store(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(','));
    directives.any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}

impl Call {
    /// Whether sources that fail may be missing from the answer.
    fn partial(&self) -> Result<bool, ApiError> {
        let text = self.params.get("partial_response");
        params::parse_flag("partial_response", text, self.api.config.partial_response)
    }

    /// Whether results may be kept and taken from what is kept. `nocache` is VictoriaMetrics's.
    fn uses_cache(&self) -> Result<bool, ApiError> {
        Ok(!(self.no_store || params::parse_flag("nocache", self.params.get("nocache"), false)?))
    }

    /// The labels by which HA replicas differ; none with `dedup=false`.
    fn replica_labels(&self) -> Result<ReplicaLabels, ApiError> {
        self.params.replica_labels(&self.api.config.replica_labels)
    }
}

#[cfg(test)]
mod tests;
