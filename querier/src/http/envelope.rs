//! `{status,data,errorType,error,warnings,infos}`.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use latewood_base::Kinded;
use latewood_service::http_status;

use super::json::Json;
use crate::ApiError;

/// What a request without an error is answered with: all of it, in the pages in which it was written.
#[derive(Debug)]
pub(super) struct Answer(Vec<Bytes>);

impl Answer {
    /// An answer whose `data` is written by a function.
    pub(super) fn new(data: impl FnOnce(&mut Json)) -> Self {
        Self::annotated(data, &[], &[])
    }

    /// 204: there is nothing to tell.
    pub(super) fn nothing() -> Self {
        Self(Vec::new())
    }

    /// An answer with warnings and infos.
    pub(super) fn annotated(data: impl FnOnce(&mut Json), warnings: &[String], infos: &[String]) -> Self {
        let mut json = Json::new();
        open(&mut json);
        data(&mut json);
        close(&mut json, warnings, infos);
        Self(vec![json.into_bytes().into()])
    }

    /// An answer that was written between [`open`] and [`close`].
    pub(super) fn of_pages(pages: Vec<Bytes>) -> Self {
        Self(pages)
    }

    /// Its length is told beforehand, so that a client sees when it was cut off.
    pub(super) fn into_response(self) -> Response {
        if self.0.is_empty() {
            return StatusCode::NO_CONTENT.into_response();
        }
        let length: usize = self.0.iter().map(Bytes::len).sum();
        let mut pages = self.0;
        let body = match (pages.pop(), pages.is_empty()) {
            (Some(only), true) => Body::from(only),
            (last, _) => {
                Body::from_stream(stream::iter(pages.into_iter().chain(last).map(Ok::<_, Infallible>)))
            }
        };
        let mut response = as_json(StatusCode::OK, body);
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        response
    }
}

/// What comes before the data.
pub(super) fn open(json: &mut Json) {
    json.raw(r#"{"status":"success","data":"#);
}

/// What comes after the data.
pub(super) fn close(json: &mut Json, warnings: &[String], infos: &[String]) {
    for (name, texts) in [("warnings", warnings), ("infos", infos)] {
        if !texts.is_empty() {
            json.raw(",");
            json.string(name);
            json.raw(":");
            json.strings(texts);
        }
    }
    json.raw("}");
}

/// The answer to a request that failed.
pub(super) fn error_response(error: &ApiError) -> Response {
    let mut json = Json::new();
    json.raw(r#"{"status":"error","errorType":"#);
    json.string(error.error_type());
    json.raw(r#","error":"#);
    json.string(&error.to_string());
    json.raw("}");
    as_json(http_status(error.kind()), json.into_bytes().into())
}

fn as_json(status: StatusCode, body: Body) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
