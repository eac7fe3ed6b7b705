//! A write proxy for a suite whose test data hold native histograms and that gives up when they are refused.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};

/// Starts the proxy in front of a server; the URL that a client writes to. A refusal of native histograms,
/// behind which the rest of the request is stored, is answered 204.
pub async fn forgive_histograms(server: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/write", listener.local_addr().unwrap());
    let routes = Router::new().fallback(forward).with_state(server.to_owned());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

async fn forward(
    State(server): State<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    let mut request = reqwest::Client::new().post(format!("{server}{}", uri.path()));
    for name in ["content-type", "content-encoding", "x-prometheus-remote-write-version"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.body(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let is_forgiven = status == StatusCode::BAD_REQUEST && text.contains("native_histogram");
    let written = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    let kept = written.filter(|(name, _)| name.as_str().starts_with("x-prometheus")).collect();
    if is_forgiven { (StatusCode::NO_CONTENT, kept, String::new()) } else { (status, kept, text) }
}
