//! The HTTP side: headers, the body within its limits, the answer.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt;
use latewood_model::TenantId;
use latewood_service::TenantFromRequest;

use super::inflight::Share;
use super::{Protocol, PushService, Receipt};
use crate::IngestError;

/// The paths under which senders know remote write: Prometheus's, Cortex's and Mimir's, Thanos's.
const PATHS: [&str; 3] = ["/api/v1/write", "/api/v1/push", "/api/v1/receive"];

/// After a refusal by its headers, a body up to this size is read and thrown away, so that the
/// connection stays usable.
const DRAINED_BYTES: usize = 256 << 10;

/// The remote-write routes.
pub fn routes(service: PushService) -> Router {
    let mut router = Router::new();
    for path in PATHS {
        router = router.route(path, post(write));
    }
    router.with_state(service)
}

async fn write(State(service): State<PushService>, request: Request) -> Response {
    let started = service.clock().elapsed();
    let (parts, body) = request.into_parts();
    let protocol = Protocol::of(&parts.headers);
    let known = protocol.as_ref().ok().copied();
    let tenant = tenant(&parts.headers);
    let named = tenant.as_ref().ok().cloned();
    let receipt = match protocol.and_then(|protocol| Ok((protocol, tenant?))) {
        Ok((protocol, tenant)) => {
            let mut share = service.share();
            match read_body(&service, &parts.headers, body, &mut share).await {
                Ok(bytes) => service.write_within(tenant, protocol, bytes, share).await,
                Err(error) => error.into(),
            }
        }
        Err(error) => {
            drain(&service, body).await;
            Receipt::from(error)
        }
    };
    service.answered(known, &receipt, started);
    service.log().answered(named.as_ref(), &receipt);
    receipt.into_response(service.config().retry_after_seconds)
}

fn tenant(headers: &HeaderMap) -> Result<TenantId, IngestError> {
    Ok(TenantFromRequest::from_headers(headers)?.0)
}

/// Reads the body, counting each piece against the limit and against the memory of all requests.
async fn read_body(
    service: &PushService,
    headers: &HeaderMap,
    body: Body,
    share: &mut Share,
) -> Result<Vec<u8>, IngestError> {
    let limit = service.config().max_body_bytes;
    let seconds = service.config().body_timeout_seconds;
    if content_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(IngestError::BodyTooLarge { limit });
    }
    let reading = read_pieces(body.into_data_stream(), limit, share);
    tokio::time::timeout(Duration::from_secs(seconds), reading)
        .await
        .unwrap_or(Err(IngestError::BodySlow { seconds }))
}

async fn read_pieces(
    mut pieces: BodyDataStream,
    limit: usize,
    share: &mut Share,
) -> Result<Vec<u8>, IngestError> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| IngestError::BodyLost)?;
        if bytes.len() + piece.len() > limit {
            return Err(IngestError::BodyTooLarge { limit });
        }
        share.grow(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn drain(service: &PushService, body: Body) {
    let mut pieces = body.into_data_stream();
    let reading = async {
        let mut left = DRAINED_BYTES;
        while let Some(Ok(piece)) = pieces.next().await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let seconds = service.config().body_timeout_seconds;
    // Too slow to drain: the connection is closed with the answer.
    let _ = tokio::time::timeout(Duration::from_secs(seconds), reading).await;
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
