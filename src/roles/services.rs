//! `/services`: the parts of this process, by Cortex's and Mimir's name.

use axum::Json;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use latewood_service::{Health, wants_json};
use serde::Serialize;

use super::Role;

/// A part, and how it is.
#[derive(Debug, Serialize)]
struct Service {
    service: &'static str,
    status: &'static str,
}

/// The page; `Accept: application/json` asks for JSON.
pub fn routes(role: &'static Role, health: Health) -> Router {
    Router::new().route("/services", get(async move |headers: HeaderMap| answer(role, &health, &headers)))
}

fn answer(role: &Role, health: &Health, headers: &HeaderMap) -> Response {
    let status = if health.is_ready() { "Running" } else { "Starting" };
    let services: Vec<Service> =
        role.parts.iter().map(|part| Service { service: part.name(), status }).collect();
    if wants_json(headers) {
        return Json(services).into_response();
    }
    let lines: String =
        services.iter().map(|service| format!("{} => {}\n", service.service, service.status)).collect();
    lines.into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::header;

    use super::*;
    use crate::roles::{ALL, QUERIER};

    #[tokio::test]
    async fn the_parts_of_a_process_as_text_and_as_json() {
        let (health, mut headers) = (Health::new(), HeaderMap::new());
        let text = async |answer: Response| {
            let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let all = text(answer(&ALL, &health, &headers)).await;
        assert_eq!(
            all,
            "ingester => Starting\nstore-gateway => Starting\nquerier => Starting\ncompactor => Starting\n"
        );
        health.set_ready(true);
        headers.insert(header::ACCEPT, "application/json".parse().unwrap());
        let one = text(answer(&QUERIER, &health, &headers)).await;
        assert_eq!(one, r#"[{"service":"querier","status":"Running"}]"#);
    }
}
