//! `/federate`: the newest sample of each series that matches, as a Prometheus scrapes it.

mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use latewood_model::{Labels, Matcher, SeriesSamples, TimeRange, TimestampMs};
use latewood_promql::QueryError;
use parking_lot::Mutex;

use super::{Api, Call, plain, read};
use crate::ApiError;
use crate::evaluate::RawRead;
use text::{Family, Newest};

const ENDPOINT: &str = "federate";

/// At both places at which Prometheus may be.
pub(super) fn routes(api: &Arc<Api>) -> Router {
    let federate = || -> MethodRouter<Arc<Api>> {
        get(|State(api): State<Arc<Api>>, request: Request| async move {
            plain(&api, ENDPOINT, answer(&api, request)).await
        })
    };
    Router::new()
        .route("/federate", federate())
        .route("/prometheus/federate", federate())
        .with_state(Arc::clone(api))
}

async fn answer(api: &Arc<Api>, request: Request) -> Result<Response, ApiError> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let takes_utf8 = accept.contains("escaping=allow-utf-8");
    let call = read(api, request).await?;
    let found = Arc::default();
    for matchers in call.selectors().await? {
        select(&call, matchers, &found).await?;
    }
    let found = std::mem::take(&mut *found.lock());
    let content_type = if takes_utf8 {
        "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    };
    let body = text::write(&families(found), takes_utf8);
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// The newest sample of each series.
type Found = BTreeMap<Labels, (TimestampMs, Newest)>;

/// Adds the series that one selector finds; what was found before is the same.
async fn select(call: &Call, matchers: Vec<Matcher>, found: &Arc<Mutex<Found>>) -> Result<(), ApiError> {
    let api = &*call.api;
    let now = api.clock.now_ms();
    let lookback = i64::try_from(api.config.engine.lookback.as_millis()).unwrap_or(i64::MAX);
    let read = RawRead {
        matchers,
        range: TimeRange::new(now.saturating_sub(lookback).saturating_add(1), now),
        newest_only: true,
        partial: call.partial()?,
        replica_labels: call.replica_labels()?,
        max_samples: api.config.remote_read_sample_limit,
    };
    let (all, most) = (Arc::clone(found), api.config.max_listed);
    let each = move |series: SeriesSamples| {
        let mut all = all.lock();
        if all.len() >= most {
            let text = format!("more than {most} series (querier.max_listed): select fewer");
            return Err(QueryError::Execution(text));
        }
        all.extend(newest(series));
        Ok(())
    };
    api.evaluator.read(&call.tenant, read, each).await
}

/// The last sample, unless it says that the series has ended.
fn newest(series: SeriesSamples) -> Option<(Labels, (TimestampMs, Newest))> {
    let float = series.timestamps.last().copied().zip(series.values.last().copied());
    let histogram = series.histograms.last().map(|sample| (sample.timestamp, sample.histogram.clone()));
    let newest = match (float, histogram) {
        (Some((at, _)), Some((later, histogram))) if later > at => (later, Newest::Histogram(histogram)),
        (Some((at, value)), _) => (at, Newest::Float(value)),
        (None, Some((at, histogram))) => (at, Newest::Histogram(histogram)),
        (None, None) => return None,
    };
    (!newest.1.is_stale()).then_some((series.labels, newest))
}

/// The series of a name are one family; its floats and its histograms are two.
fn families(found: Found) -> Vec<Family> {
    let mut families: BTreeMap<(String, bool), Family> = BTreeMap::new();
    for (labels, newest) in found {
        let name = labels.metric_name().unwrap_or_default().to_owned();
        let key = (name, matches!(newest.1, Newest::Histogram(_)));
        families.entry(key).or_default().push((labels, newest));
    }
    families.into_values().collect()
}
