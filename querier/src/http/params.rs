//! The parameters of a request: of the query string, and of the form of a POST or PUT.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, header};
use latewood_base::ErrorKind;
use latewood_model::TimeRange;
use latewood_model::dedup::ReplicaLabels;
use url::form_urlencoded;

use super::time;
use crate::ApiError;
use crate::resolutions::SourceResolution;

/// Parameters in the order of Go's `Request.Form`: those of the form before those of the query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

/// The most parameters that a request may have.
const MAX_PARAMS: usize = 100_000;
/// The most replica labels that a request may name.
const MAX_REPLICA_LABELS: usize = 32;
/// The most bytes of an expression that are logged.
const MAX_EXAMPLE_BYTES: usize = 300;

impl Params {
    /// Reads a request's parameters; a form must arrive within `patience`.
    pub(super) async fn read(
        request: Request,
        max_form_bytes: usize,
        patience: Duration,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut params = Self::default();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = content_type.split(';').next().unwrap_or("").trim();
        let has_form = [Method::POST, Method::PUT].contains(&parts.method);
        if has_form && media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let form = tokio::time::timeout(patience, to_bytes(body, max_form_bytes)).await;
            let form = form.map_err(|_| {
                let seconds = patience.as_secs();
                let text =
                    format!("the form did not arrive within {seconds} s (querier.body_timeout_seconds)");
                ApiError::new(ErrorKind::Timeout, text)
            })?;
            let form = form.map_err(|error| {
                let text =
                    format!("cannot read the form (at most {max_form_bytes} bytes are taken): {error}");
                ApiError::new(ErrorKind::TooLarge, text)
            })?;
            params.add(&form)?;
        }
        params.add(parts.uri.query().unwrap_or("").as_bytes())?;
        Ok(params)
    }

    fn add(&mut self, encoded: &[u8]) -> Result<(), ApiError> {
        let pairs = form_urlencoded::parse(encoded).into_owned();
        self.0.extend(pairs.take(MAX_PARAMS + 1));
        if self.0.len() > MAX_PARAMS {
            return Err(ApiError::invalid(format!("more than {MAX_PARAMS} parameters")));
        }
        Ok(())
    }

    /// The first value of a parameter; `""` where it is not given.
    pub(super) fn get(&self, name: &str) -> &str {
        let first = self.0.iter().find(|pair| pair.0 == name);
        first.map_or("", |pair| pair.1.as_str())
    }

    /// What was asked for, for the log: the expression or the first selector, cut short.
    pub(super) fn example(&self) -> String {
        let asked = [self.get("query"), self.get("match[]")].into_iter().find(|text| !text.is_empty());
        let asked = asked.unwrap_or_default();
        asked.get(..asked.floor_char_boundary(MAX_EXAMPLE_BYTES)).unwrap_or_default().to_owned()
    }

    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |pair| pair.0 == name);
        named.map(|pair| pair.1.as_str())
    }

    /// `start` and `end`; all of time where they are not given.
    pub(super) fn range(&self) -> Result<TimeRange, ApiError> {
        let start = time::parse_time_or("start", self.get("start"), TimeRange::ALL.start)?;
        let end = time::parse_time_or("end", self.get("end"), TimeRange::ALL.end)?;
        Ok(TimeRange::new(start, end))
    }

    /// By `dedup` and `replicaLabels[]`, which are Thanos's: the labels by which HA replicas differ, `configured` where
    /// the request names none; empty where replicas are not put together.
    pub(super) fn replica_labels(&self, configured: &[String]) -> Result<ReplicaLabels, ApiError> {
        let dedup = parse_flag("dedup", self.get("dedup"), true)?;
        let named: Vec<&str> = self.all("replicaLabels[]").take(MAX_REPLICA_LABELS + 1).collect();
        if named.len() > MAX_REPLICA_LABELS {
            let text = format!("more than {MAX_REPLICA_LABELS} labels");
            return Err(ApiError::parameter("replicaLabels[]", text));
        }
        Ok(match (dedup, named.is_empty()) {
            (false, _) => ReplicaLabels::default(),
            (true, true) => ReplicaLabels::new(configured),
            (true, false) => ReplicaLabels::new(named),
        })
    }

    /// `max_source_resolution`, which is Thanos's: how coarse what is read may be.
    pub(super) fn resolution(&self, configured: SourceResolution) -> Result<SourceResolution, ApiError> {
        match self.get("max_source_resolution") {
            "" => Ok(configured),
            text => text.parse().map_err(|error: String| ApiError::parameter("max_source_resolution", error)),
        }
    }

    /// `limit`; 0, no limit, where it is not given.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        match self.get("limit") {
            "" => Ok(0),
            text => match text.parse::<i64>() {
                Ok(limit) => usize::try_from(limit)
                    .map_err(|_| ApiError::parameter("limit", "limit must be non-negative")),
                Err(_) => Err(ApiError::parameter("limit", format!("parsing {text:?}: invalid syntax"))),
            },
        }
    }
}

/// A parameter that is true or false, as Go's `strconv.ParseBool` reads them.
pub(super) fn parse_flag(name: &str, text: &str, default: bool) -> Result<bool, ApiError> {
    match text {
        "" => Ok(default),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ApiError::parameter(name, format!("{text:?} is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn post(query: &str, content_type: &str, body: &str) -> Request {
        Request::post(format!("/x?{query}"))
            .header("content-type", content_type)
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    #[tokio::test]
    async fn a_form_comes_before_the_query_string_and_both_are_decoded() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let params =
            Params::read(post("a=2&b=%2B+x", form, "a=1&match[]=%7B%7D"), 100, MINUTE).await.unwrap();
        assert_eq!(params.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((params.get("b"), params.get("match[]"), params.get("c")), ("+ x", "{}", ""));
        let params = Params::read(post("a=2", "text/plain", "a=1"), 100, MINUTE).await.unwrap();
        assert_eq!(params.get("a"), "2");
    }

    #[tokio::test]
    async fn a_form_above_the_limit_is_refused() {
        let request = post("", "application/x-www-form-urlencoded", &"a".repeat(101));
        let error = Params::read(request, 100, MINUTE).await.unwrap_err();
        assert!(error.to_string().contains("at most 100 bytes"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_that_does_not_arrive_is_not_waited_for_without_end() {
        let never = Body::from_stream(futures::stream::pending::<Result<&[u8], std::io::Error>>());
        let request = Request::post("/x").header("content-type", "application/x-www-form-urlencoded");
        let error = Params::read(request.body(never).unwrap(), 100, MINUTE).await.unwrap_err();
        assert!(error.to_string().contains("within 60 s"), "{error}");
    }

    #[test]
    fn replicas_are_put_together_by_the_configured_labels_unless_the_request_says_otherwise() {
        let params = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Params(pairs.collect()).replica_labels(&["replica".to_owned()])
        };
        let labels = |names: &[&str]| Ok(ReplicaLabels::new(names));
        assert_eq!(params(&[]), labels(&["replica"]));
        assert_eq!(
            params(&[("dedup", "1"), ("replicaLabels[]", "a"), ("replicaLabels[]", "b")]),
            labels(&["a", "b"])
        );
        assert_eq!(params(&[("dedup", "false"), ("replicaLabels[]", "a")]), labels(&[]));
        assert!(params(&[("dedup", "no")]).is_err() && params(&[("replicaLabels[]", "a"); 33]).is_err());
    }

    #[test]
    fn limits_are_whole_numbers_from_zero() {
        let limit = |text: &str| Params(vec![("limit".into(), text.into())]).limit();
        assert_eq!((limit(""), limit("0"), limit("7")), (Ok(0), Ok(0), Ok(7)));
        for bad in ["-1", "x", "1.5", "99999999999999999999"] {
            let text = limit(bad).unwrap_err().to_string();
            assert!(text.starts_with("invalid parameter \"limit\": "), "{text}");
        }
    }
}
