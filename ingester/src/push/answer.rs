//! What became of a request, and how the sender is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use latewood_base::{ErrorKind, Kinded};
use latewood_service::http_status;

use crate::{IngestError, Refusals};

/// How much of a request is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// What is stored, durably.
    pub written: Written,
    /// What is refused for good.
    pub refusals: Refusals,
    /// Why all of it, or a shard's part of it, was not taken.
    pub failure: Option<IngestError>,
}

impl From<IngestError> for Receipt {
    fn from(error: IngestError) -> Self {
        Self { failure: Some(error), ..Self::default() }
    }
}

impl Receipt {
    /// 204 when all is stored; 400 when a part is refused for good, so that senders go on; 429 when a tenant sends too
    /// much; what a failure says otherwise. A sender retries 5xx and drops what is answered with 4xx (429 too, by
    /// Prometheus's default), so whatever else a retry can mend is 503.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.failure {
            Some(IngestError::RateLimited { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Some(error) if retry_helps(error) => StatusCode::SERVICE_UNAVAILABLE,
            Some(error) => http_status(error.kind()),
            None if self.refusals.is_empty() => StatusCode::NO_CONTENT,
            None => StatusCode::BAD_REQUEST,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(error) = &self.failure {
            text.push_str(&format!("{error}\n"));
        }
        if !self.refusals.is_empty() {
            let rest = if self.failure.is_none() {
                "; the rest of the request is stored, do not send it again"
            } else {
                ""
            };
            text.push_str(&format!("refused for good{rest}: {}\n", self.refusals));
        }
        text
    }

    /// The answer to the sender.
    #[must_use]
    pub fn into_response(self, retry_after_seconds: u64) -> Response {
        let mut response = (self.status(), self.text()).into_response();
        let headers = response.headers_mut();
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", self.written.samples),
            ("x-prometheus-remote-write-histograms-written", self.written.histograms),
            ("x-prometheus-remote-write-exemplars-written", self.written.exemplars),
        ] {
            headers.insert(name, HeaderValue::from(count));
        }
        if matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let known = self.failure.as_ref().and_then(retry_after);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(known.unwrap_or(retry_after_seconds)));
        }
        if self.status() == StatusCode::NO_CONTENT {
            headers.remove(header::CONTENT_TYPE);
        }
        response
    }
}

/// When it may be sent again, if that is known.
fn retry_after(error: &IngestError) -> Option<u64> {
    match error {
        IngestError::RateLimited { retry_after_seconds, .. } => *retry_after_seconds,
        _ => None,
    }
}

fn retry_helps(error: &IngestError) -> bool {
    error.kind().is_retryable() || error.kind() == ErrorKind::Canceled
}
