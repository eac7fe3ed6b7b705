//! `POST /api/v1/admin/flush?wait=true`, and its name in Cortex and Mimir, `/ingester/flush`.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::future::join_all;
use latewood_base::Kinded;
use latewood_service::http_status;
use serde::Deserialize;

use crate::shards::Shards;

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    wait: Option<String>,
}

/// The flush routes: freeze all shards; with `wait=true` the answer comes when all is in the catalog.
pub(super) fn routes(shards: Shards) -> Router {
    Router::new()
        .route("/api/v1/admin/flush", post(flush))
        .route("/ingester/flush", post(flush).get(flush))
        .with_state(shards)
}

async fn flush(State(shards): State<Shards>, Query(parameters): Query<Parameters>) -> Response {
    let wait = match parameters.wait.as_deref() {
        None | Some("" | "false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => {
            let text = format!("wait={other}: true or false\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    let shards = shards.all();
    let flushes = join_all(shards.iter().map(|shard| shard.flush(wait))).await;
    match flushes.into_iter().find_map(Result::err) {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(error) => (http_status(error.kind()), format!("{error}\n")).into_response(),
    }
}
