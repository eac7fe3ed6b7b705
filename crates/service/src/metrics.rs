//! `/metrics`: the process's own metrics, as OpenMetrics text.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The finished registry of all roles.
pub type SharedRegistry = Arc<Registry>;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route that scrapers read.
pub fn metrics_routes(registry: SharedRegistry) -> Router {
    let handler = move || {
        let mut text = String::new();
        let response = match encode(&mut text, &registry) {
            Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        };
        std::future::ready(response)
    };
    Router::new().route("/metrics", get(handler))
}
