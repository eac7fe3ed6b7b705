//! `/-/healthy`, `/-/ready` and `/ready`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use http::StatusCode;

/// Whether this process answers requests: not before every role has started, not once it stops.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    /// Not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether requests should come.
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    /// The routes by which probes ask.
    pub fn routes(&self) -> Router {
        let health = self.clone();
        let ready = move || {
            let is_ready = health.0.load(Ordering::SeqCst);
            std::future::ready(if is_ready {
                (StatusCode::OK, "Latewood is ready.\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "Latewood is starting or stopping.\n")
            })
        };
        Router::new()
            .route("/-/healthy", get(async || "Latewood is healthy.\n"))
            .route("/-/ready", get(ready.clone()))
            .route("/ready", get(ready))
    }
}
