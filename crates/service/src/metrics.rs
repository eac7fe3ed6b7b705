//! `/metrics`: the process's own metrics, in the format that the scraper asks for.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::text_format::text_format;

/// The finished registry of all roles.
pub type SharedRegistry = Arc<Registry>;

/// How metrics are written down. Scrapers that do not ask get the text format, as from the client libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a request accepts with the greatest weight, the first of equals.
    fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Self::Text);
        for (weight, format) in values.flat_map(|value| value.split(',')).filter_map(Self::media_range) {
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    /// A media range such as `text/plain;version=0.0.4;q=0.3`, where it names a format of ours.
    fn media_range(range: &str) -> Option<(f64, Self)> {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next()?;
        let parameters: Vec<_> = parts.filter_map(|parameter| parameter.split_once('=')).collect();
        let parameter = |wanted| {
            let found = parameters.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().trim_matches('"'))
        };
        let (format, newest) = match name.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => (Self::OpenMetrics, "1.0.0"),
            "text/plain" => (Self::Text, "0.0.4"),
            _ => return None,
        };
        let is_spoken = parameter("version").is_none_or(|version| version == newest);
        let weight = parameter("q").map_or(Some(1.0), |q| q.parse().ok())?;
        is_spoken.then_some((weight, format))
    }

    fn write(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, registry)?;
        Ok(match self {
            Self::Text => text_format(&text),
            Self::OpenMetrics => text,
        })
    }
}

/// The route that scrapers read.
pub fn metrics_routes(registry: SharedRegistry) -> Router {
    Router::new().route("/metrics", get(async move |headers: HeaderMap| answer(&headers, registry).await))
}

/// Off the runtime, because collectors read `/proc`.
async fn answer(headers: &HeaderMap, registry: SharedRegistry) -> Response {
    let format = Format::accepted(headers);
    let written = tokio::task::spawn_blocking(move || format.write(&registry)).await;
    match written.map_err(|error| error.to_string()).and_then(|text| text.map_err(|error| error.to_string()))
    {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    use super::*;

    async fn scrape(accept: Option<&str>) -> (String, String) {
        let mut registry = Registry::default();
        registry.register("latewood_things", "Things", Counter::<u64>::default());
        let routes = metrics_routes(Arc::new(registry));
        let mut request = Request::get("/metrics");
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let content = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        (content, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_text_format_unless_open_metrics_is_preferred() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, open_metrics) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/html, */*;q=0.8"), false),
            (Some(prometheus), true),
            (Some("application/openmetrics-text"), true),
            (Some("application/openmetrics-text; version=\"1.0.0\""), true),
            (Some("application/openmetrics-text; version=2.0.0"), false),
            (Some("application/openmetrics-text;q=0"), false),
            (Some("application/openmetrics-text;q=0.2, text/plain;q=0.3"), false),
        ] {
            let (content, body) = scrape(accept).await;
            assert_eq!(content.starts_with("application/openmetrics-text; version=1.0.0"), open_metrics);
            assert_eq!(content.starts_with("text/plain; version=0.0.4"), !open_metrics, "{accept:?}");
            let family = if open_metrics { "latewood_things" } else { "latewood_things_total" };
            assert!(body.contains(&format!("# TYPE {family} counter\n")), "{accept:?}: {body}");
            assert!(body.contains("\nlatewood_things_total 0\n"), "{accept:?}: {body}");
            assert_eq!(body.ends_with("# EOF\n"), open_metrics, "{accept:?}: {body}");
        }
    }
}
