//! `labels`, `label/<name>/values` and `series`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::routing::{MethodRouter, get};
use latewood_base::ErrorKind;
use latewood_model::{Labels, Matcher, TimeRange};

use latewood_proto::store::StoreError;

use super::encode::TRUNCATED;
use super::envelope::Answer;
use super::json::Json;
use super::{Api, Call, answer};
use crate::ApiError;
use crate::fanout::{Listing, Pinned};
use crate::gate::Place;

/// What the three have in common.
struct Asked {
    selectors: Vec<Vec<Matcher>>,
    range: TimeRange,
    listing: Listing,
    partial: bool,
    /// Held until the answer is written.
    _place: Place,
}

impl Asked {
    async fn of(call: &Call) -> Result<Self, ApiError> {
        let limit = call.params.limit()?;
        let range = call.params.range()?;
        Ok(Self {
            selectors: call.selectors().await?,
            range,
            listing: Listing { limit, max: call.api.config.max_listed },
            partial: call.partial()?,
            _place: call.api.listings.enter(&call.tenant, call.api.config.engine.timeout).await?,
        })
    }

    /// Cuts the list and writes it with its warnings.
    fn listed<T>(
        &self,
        mut list: Vec<T>,
        mut warnings: Vec<String>,
        item: impl FnMut(&mut Json, &T),
    ) -> Answer {
        if self.listing.cut(&mut list) {
            warnings.push(TRUNCATED.to_owned());
        }
        Answer::annotated(|json| json.list(&list, item), &warnings, &[])
    }
}

/// Ends a listing at the time that a query may take.
async fn in_time<T>(call: &Call, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
    let timeout = call.api.config.engine.timeout;
    let late = |_| ApiError::new(ErrorKind::Timeout, "the listing timed out (querier.engine.timeout)");
    Ok(tokio::time::timeout(timeout, read).await.map_err(late)??)
}

pub(super) async fn names(call: Call) -> Result<Answer, ApiError> {
    let asked = Asked::of(&call).await?;
    let (fanout, asked) = (&*call.api.fanout, &asked);
    let read = move |pinned: Pinned| async move {
        fanout.label_names(&pinned, &asked.selectors, asked.range, asked.listing).await
    };
    let read = fanout.under_view(&call.tenant, asked.partial, read);
    let (names, warnings) = in_time(&call, read).await?;
    Ok(asked.listed(names, warnings, |json, name| json.string(name)))
}

/// The label's name is part of the path.
pub(super) fn values_route() -> MethodRouter<Arc<Api>> {
    get(|State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request| {
        answer(api, "label_values", request, move |call| values(call, name))
    })
}

async fn values(call: Call, name: String) -> Result<Answer, ApiError> {
    let name = unescape_name(&name);
    if name.is_empty() {
        return Err(ApiError::invalid("invalid label name: \"\""));
    }
    let asked = Asked::of(&call).await?;
    let (fanout, asked, name) = (&*call.api.fanout, &asked, name.as_str());
    let read = move |pinned: Pinned| async move {
        fanout.label_values(&pinned, name, &asked.selectors, asked.range, asked.listing).await
    };
    let read = fanout.under_view(&call.tenant, asked.partial, read);
    let (values, warnings) = in_time(&call, read).await?;
    Ok(asked.listed(values, warnings, |json, value| json.string(value)))
}

pub(super) async fn series(call: Call) -> Result<Answer, ApiError> {
    if call.params.all("match[]").next().is_none() {
        return Err(ApiError::invalid("no match[] parameter provided"));
    }
    let replicas = &call.replica_labels()?;
    let asked = Asked::of(&call).await?;
    let (fanout, asked) = (&*call.api.fanout, &asked);
    let read = move |pinned: Pinned| async move {
        fanout.series(&pinned, &asked.selectors, asked.range, asked.listing, replicas).await
    };
    let read = fanout.under_view(&call.tenant, asked.partial, read);
    let (series, warnings) = in_time(&call, read).await?;
    Ok(asked.listed(series, warnings, |json, labels: &Labels| json.labels(labels)))
}

/// A name as clients that know no UTF-8 names write it: `U__`, then `_` doubled and every other character
/// that was not allowed as `_<hex>_`. A text that is not of this form is taken as it is.
fn unescape_name(name: &str) -> String {
    let unescaped = name.strip_prefix("U__").and_then(unescape_rest);
    unescaped.unwrap_or_else(|| name.to_owned())
}

fn unescape_rest(mut rest: &str) -> Option<String> {
    let mut out = String::new();
    while let Some((plain, after)) = rest.split_once('_') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (hex, after) = after.split_once('_')?;
        let hex = (1..=6).contains(&hex.len()).then_some(hex)?;
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read_and_others_left() {
        for (escaped, name) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___65e5_本", "日本"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_d800_", "U__a_d800_"),
        ] {
            assert_eq!(unescape_name(escaped), name);
        }
    }
}
