//! Routes of parts that are still starting.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tower::ServiceExt;

/// Routes that are there once the parts have started. Until then all that is asked is answered 503, so that a
/// listener may serve, and probes be answered, while a journal is replayed or a bucket waited for.
#[derive(Clone, Debug, Default)]
pub struct LateRoutes(Arc<OnceLock<Router>>);

impl LateRoutes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is answered from now on. The first call counts.
    pub fn set(&self, routes: Router) {
        // A second one finds the place taken.
        let _ = self.0.set(routes);
    }

    /// Everything, as it is answered now.
    pub fn routes(&self) -> Router {
        let late = self.clone();
        Router::new().fallback(async move |request| late.answer(request).await)
    }

    async fn answer(&self, request: Request) -> Response {
        match self.0.get() {
            Some(routes) => routes.clone().oneshot(request).await.into_response(),
            None => starting(),
        }
    }
}

/// Senders come again soon.
fn starting() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "Latewood is starting.\n").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;

    use super::*;
    use crate::Health;

    #[tokio::test]
    async fn all_but_health_waits_for_the_routes() {
        let (health, late) = (Health::new(), LateRoutes::new());
        let routes = health.routes().merge(late.routes());
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = routes.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            assert_eq!(answer.headers().contains_key("retry-after"), status == 503 && path == "/query");
            let body = to_bytes(answer.into_body(), 1000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(ask("/query").await, (503, "Latewood is starting.\n".to_owned()));
        assert_eq!((ask("/-/healthy").await.0, ask("/ready").await.0), (200, 503));
        late.set(Router::new().route("/query", get(async || "answered")));
        health.set_ready(true);
        assert_eq!(ask("/query").await, (200, "answered".to_owned()));
        assert_eq!((ask("/-/healthy").await.0, ask("/ready").await.0), (200, 200));
    }
}
