//! `read`: Prometheus's remote read, with samples in one piece or in chunks as they come.
//!
//! HA replicas are put together as for queries. A Prometheus asks for its own external labels, the replica's among them:
//! matchers of an exact value on such a label are left out, as no series has the label any more.

mod samples;
mod streamed;

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use latewood_base::ErrorKind;
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{MatchOp, Matcher, TenantId, TimeRange};
use latewood_proto::remote_read::wire::ReadRequest;
use latewood_proto::remote_read::wire::read_request::ResponseType;
use latewood_proto::remote_read::{matchers, wire};
use latewood_proto::remote_write::decompress;
use latewood_service::TenantFromRequest;
use prost::Message;

use super::{Api, plain};
use crate::ApiError;
use crate::evaluate::RawRead;

/// The most bytes of a request, compressed or not.
const MAX_REQUEST_BYTES: usize = 8 << 20;
/// The most queries of a request.
const MAX_QUERIES: usize = 1_000;
const ENDPOINT: &str = "remote_read";

/// A request, read.
struct Asked {
    tenant: TenantId,
    /// In the order of the request.
    selects: Vec<(Vec<Matcher>, TimeRange)>,
    replica_labels: ReplicaLabels,
    streams: bool,
}

/// POST alone.
pub(super) fn route() -> MethodRouter<Arc<Api>> {
    post(|State(api): State<Arc<Api>>, request: Request| async move {
        plain(&api, ENDPOINT, answer(&api, request)).await
    })
}

async fn answer(api: &Arc<Api>, request: Request) -> Result<Response, ApiError> {
    let asked = Asked::of(api, request).await?;
    if asked.streams { streamed::answer(api, asked).await } else { samples::answer(api, asked).await }
}

impl Asked {
    async fn of(api: &Api, request: Request) -> Result<Self, ApiError> {
        let tenant = TenantFromRequest::from_headers(request.headers());
        let TenantFromRequest(tenant) = tenant.map_err(|error| ApiError::invalid(error.to_string()))?;
        let request = body(api, request).await?;
        if request.queries.len() > MAX_QUERIES {
            return Err(ApiError::invalid(format!("more than {MAX_QUERIES} queries")));
        }
        let replica_labels = ReplicaLabels::new(&api.config.replica_labels);
        let select = |query: &wire::Query| {
            let all = matchers(query).map_err(|error| ApiError::invalid(error.to_string()))?;
            let range = TimeRange::new(query.start_timestamp_ms, query.end_timestamp_ms);
            Ok((without_replica(all, &replica_labels), range))
        };
        let selects = request.queries.iter().map(select).collect::<Result<Vec<_>, ApiError>>()?;
        let known =
            request.accepted_response_types.iter().find_map(|kind| ResponseType::try_from(*kind).ok());
        if known.is_none() && !request.accepted_response_types.is_empty() {
            let text = "none of the accepted response types is known: SAMPLES and STREAMED_XOR_CHUNKS are";
            return Err(ApiError::invalid(text));
        }
        Ok(Self { tenant, selects, replica_labels, streams: known == Some(ResponseType::StreamedXorChunks) })
    }

    /// One of the queries.
    fn read(&self, api: &Api, (matchers, range): &(Vec<Matcher>, TimeRange), max_samples: u64) -> RawRead {
        RawRead {
            matchers: matchers.clone(),
            range: *range,
            newest_only: false,
            partial: api.config.partial_response,
            replica_labels: self.replica_labels.clone(),
            max_samples,
        }
    }
}

async fn body(api: &Api, request: Request) -> Result<ReadRequest, ApiError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).cloned();
    if encoding.is_some_and(|encoding| encoding != "snappy") {
        return Err(ApiError::new(ErrorKind::Unsupported, "the body must be compressed with snappy"));
    }
    let seconds = api.config.body_timeout_seconds;
    let body = to_bytes(request.into_body(), MAX_REQUEST_BYTES);
    let body = tokio::time::timeout(Duration::from_secs(seconds), body).await.map_err(|_| {
        let text = format!("the body did not arrive within {seconds} s (querier.body_timeout_seconds)");
        ApiError::new(ErrorKind::Timeout, text)
    })?;
    let body = body.map_err(|error| {
        let text = format!("cannot read the body (at most {MAX_REQUEST_BYTES} bytes are taken): {error}");
        ApiError::new(ErrorKind::TooLarge, text)
    })?;
    let mut plain = Vec::new();
    decompress(&body, MAX_REQUEST_BYTES, &mut plain).map_err(|error| ApiError::invalid(error.to_string()))?;
    ReadRequest::decode(plain.as_slice())
        .map_err(|error| ApiError::invalid(format!("no ReadRequest: {error}")))
}

/// Leaves out what says which replica.
fn without_replica(all: Vec<Matcher>, replica_labels: &ReplicaLabels) -> Vec<Matcher> {
    let says_which = |matcher: &Matcher| {
        matcher.op() == MatchOp::Equal
            && !matcher.value().is_empty()
            && replica_labels.contain(matcher.name())
    };
    all.into_iter().filter(|matcher| !says_which(matcher)).collect()
}
