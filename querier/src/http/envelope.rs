//! `{status,data,errorType,error,warnings,infos}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use latewood_base::Kinded;
use latewood_service::http_status;

use super::json::Json;
use crate::ApiError;

/// What a request without an error is answered with.
#[derive(Debug)]
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// An answer whose `data` is written by a function.
    pub(super) fn new(data: impl FnOnce(&mut Json)) -> Self {
        Self::annotated(data, &[], &[])
    }

    /// An answer with warnings and infos.
    pub(super) fn annotated(data: impl FnOnce(&mut Json), warnings: &[String], infos: &[String]) -> Self {
        let mut json = Json::new();
        json.raw(r#"{"status":"success","data":"#);
        data(&mut json);
        for (name, texts) in [("warnings", warnings), ("infos", infos)] {
            if !texts.is_empty() {
                json.raw(",");
                json.string(name);
                json.raw(":");
                json.strings(texts);
            }
        }
        json.raw("}");
        Self(json.into_bytes())
    }

    pub(super) fn into_response(self) -> Response {
        as_json(StatusCode::OK, self.0)
    }
}

/// The answer to a request that failed.
pub(super) fn error_response(error: &ApiError) -> Response {
    let mut json = Json::new();
    json.raw(r#"{"status":"error","errorType":"#);
    json.string(error.error_type());
    json.raw(r#","error":"#);
    json.string(&error.to_string());
    json.raw("}");
    as_json(http_status(error.kind()), json.into_bytes())
}

fn as_json(status: StatusCode, body: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
