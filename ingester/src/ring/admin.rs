//! `/ingester/prepare-shutdown`, by Mimir's name: a node gives its shards away before it is stopped for good.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::{Control, ControlGroup};

/// `POST` gives the node's shards away, `GET` tells how far that is, `DELETE` takes it back.
pub(crate) fn routes(control: ControlGroup) -> Router {
    let methods = post(prepare).get(state).delete(take_back);
    Router::new().route("/ingester/prepare-shutdown", methods).with_state(control)
}

async fn prepare(State(control): State<ControlGroup>) -> Response {
    match control.leave().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}: retry\n")).into_response(),
    }
}

async fn state(State(control): State<ControlGroup>) -> String {
    let shards = control.view().shards_of(control.node());
    match (control.leaves(), shards) {
        (false, _) => "unset\n".to_owned(),
        (true, 0) => "set: all shards are whole elsewhere, it is safe to stop\n".to_owned(),
        (true, left) => format!("set: {left} shards are being given away\n"),
    }
}

async fn take_back(State(control): State<ControlGroup>) -> StatusCode {
    control.stay();
    StatusCode::NO_CONTENT
}
