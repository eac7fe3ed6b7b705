//! Which tenant a request belongs to: the one place that reads the tenant headers.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use latewood_base::{ErrorKind, Kinded};
use latewood_model::{TenantError, TenantId};

/// The headers that name a tenant: Cortex's and Mimir's, then Thanos's.
pub const TENANT_HEADERS: [&str; 2] = ["x-scope-orgid", "thanos-tenant"];

/// An axum extractor for the tenant of a request, read or write: from `X-Scope-OrgID` or
/// `THANOS-TENANT`, else [`TenantId::anonymous`]. A header that is no tenant id is refused with 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantFromRequest(pub TenantId);

/// Why a request's tenant is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantRejection {
    /// The header is no tenant id.
    #[error("header {header}: {source}")]
    Invalid {
        /// The header.
        header: &'static str,
        /// What is wrong with it.
        source: TenantError,
    },
    /// The header holds bytes that are no text.
    #[error("header {header}: the tenant id is not ASCII text")]
    NotText {
        /// The header.
        header: &'static str,
    },
    /// No header, where a tenant must be named.
    #[error("the request names no tenant: send X-Scope-OrgID, also for `anonymous`")]
    Missing,
    /// Two headers, or one twice, that name different tenants.
    #[error("the request names two tenants, {first} and {second}: send one")]
    Ambiguous {
        /// The tenant that was named first.
        first: TenantId,
        /// The other one.
        second: TenantId,
    },
}

impl Kinded for TenantRejection {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl IntoResponse for TenantRejection {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

impl TenantFromRequest {
    /// Reads the tenant from a request's headers, for handlers that put errors in an envelope.
    ///
    /// # Errors
    /// [`TenantRejection`] says which header is wrong and why.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, TenantRejection> {
        Ok(Self(named(headers)?.unwrap_or_else(TenantId::anonymous)))
    }

    /// Reads the tenant from a request's headers, where nobody may be meant by saying nothing.
    ///
    /// # Errors
    /// As [`TenantFromRequest::from_headers`], and [`TenantRejection::Missing`] without a header.
    pub fn from_named(headers: &HeaderMap) -> Result<Self, TenantRejection> {
        named(headers)?.map(Self).ok_or(TenantRejection::Missing)
    }

    /// The tenant that a request names, if any.
    pub(crate) fn named(headers: &HeaderMap) -> Result<Option<TenantId>, TenantRejection> {
        named(headers)
    }
}

/// The tenant that the headers name.
fn named(headers: &HeaderMap) -> Result<Option<TenantId>, TenantRejection> {
    let mut found: Option<TenantId> = None;
    for header in TENANT_HEADERS {
        for value in headers.get_all(header) {
            let text = value.to_str().map_err(|_| TenantRejection::NotText { header })?;
            let tenant = TenantId::new(text).map_err(|source| TenantRejection::Invalid { header, source })?;
            match found.replace(tenant.clone()) {
                Some(first) if first != tenant => {
                    return Err(TenantRejection::Ambiguous { first, second: tenant });
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

impl<S: Send + Sync> FromRequestParts<S> for TenantFromRequest {
    type Rejection = TenantRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TenantRejection> {
        Self::from_headers(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant_of(headers: &[(&'static str, &str)]) -> Result<String, String> {
        let pairs = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            map.append(name, value);
        });
        TenantFromRequest::from_headers(&map)
            .map(|tenant| tenant.0.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn either_header_names_the_tenant_and_none_is_anonymous() {
        assert_eq!(tenant_of(&[]), Ok("anonymous".to_owned()));
        assert_eq!(tenant_of(&[("x-scope-orgid", "a")]), Ok("a".to_owned()));
        assert_eq!(tenant_of(&[("thanos-tenant", "b")]), Ok("b".to_owned()));
        assert_eq!(tenant_of(&[("thanos-tenant", "a"), ("x-scope-orgid", "a")]), Ok("a".to_owned()));
    }

    #[test]
    fn where_a_tenant_must_be_named_none_is_refused() {
        let mut map = HeaderMap::new();
        assert_eq!(TenantFromRequest::from_named(&map), Err(TenantRejection::Missing));
        map.insert("x-scope-orgid", http::HeaderValue::from_static("anonymous"));
        assert_eq!(TenantFromRequest::from_named(&map), Ok(TenantFromRequest(TenantId::anonymous())));
    }

    #[test]
    fn wrong_or_contradicting_headers_are_refused_by_name() {
        for (headers, part) in [
            (&[("x-scope-orgid", "a/b")][..], "x-scope-orgid"),
            (&[("x-scope-orgid", "")][..], "empty"),
            (&[("thanos-tenant", "ä")][..], "not ASCII"),
            (&[("x-scope-orgid", "a"), ("thanos-tenant", "b")][..], "two tenants"),
        ] {
            let error = tenant_of(headers).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
