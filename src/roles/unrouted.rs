//! What is answered where a process has no route.

use axum::Router;
use axum::http::{StatusCode, Uri};

use super::{Part, Role};

/// Paths of the ingester; all others below `/api/v1` are the querier's.
const INGESTER_PATHS: [&str; 5] =
    ["/api/v1/write", "/api/v1/push", "/api/v1/receive", "/api/v1/admin/flush", "/ingester/flush"];

/// Adds the answers 404 and 405, in words: Prometheus's, and where another role has the route, which.
pub fn with_fallbacks(routes: Router, role: &'static Role) -> Router {
    let not_found = move |uri: Uri| std::future::ready((StatusCode::NOT_FOUND, text(role, uri.path())));
    let not_allowed = async || (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    routes.fallback(not_found).method_not_allowed_fallback(not_allowed)
}

fn text(role: &Role, path: &str) -> String {
    let api = path.strip_prefix("/prometheus").unwrap_or(path);
    let (part, what) = if INGESTER_PATHS.contains(&path) {
        (Part::Ingester, "take writes: send them to an ingester")
    } else if path.starts_with("/compactor/") {
        (Part::Compactor, "delete tenants: ask a compactor")
    } else if api.starts_with("/api/v1/") {
        (Part::Querier, "answer queries: ask a querier")
    } else {
        return "404 page not found\n".to_owned();
    };
    if role.has(part) {
        return "404 page not found\n".to_owned();
    }
    format!("404 page not found: the role {} does not {what}, or a process with all roles\n", role.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::{ALL, COMPACTOR, INGESTER, QUERIER};

    #[test]
    fn the_role_that_has_the_route_is_named() {
        for (role, path, says) in [
            (&INGESTER, "/api/v1/query", "the role ingester does not answer queries: ask a querier"),
            (&INGESTER, "/prometheus/api/v1/labels", "ask a querier"),
            (&QUERIER, "/api/v1/write", "the role querier does not take writes: send them to an ingester"),
            (&COMPACTOR, "/ingester/flush", "send them to an ingester"),
            (&ALL, "/api/v1/nothing", "404 page not found\n"),
            (&QUERIER, "/graph", "404 page not found\n"),
        ] {
            let text = text(role, path);
            assert!(text.contains(says) && text.starts_with("404 page not found"), "{path}: {text}");
        }
    }
}
