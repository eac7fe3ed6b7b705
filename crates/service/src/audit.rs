//! The audit log: one JSON object for each call of an administrator, whether it was let in or not.

use std::net::SocketAddr;

use http::{HeaderMap, Method, StatusCode, Uri};
use latewood_auth::Need;
use latewood_auth::Right::Admin;
use serde::Serialize;

use crate::asked_by;
use crate::connection::Caller;
use crate::tenant::TenantFromRequest;

/// The most bytes of a path with its query that are told.
const MAX_PATH: usize = 2_000;

/// What is known of a call before it is answered.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    /// Who, if that was proved.
    pub(crate) user: Option<String>,
    tenant: Option<String>,
    method: String,
    path: String,
    from: Option<SocketAddr>,
    /// What the request says of its sender.
    says: String,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    status: u16,
    outcome: &'static str,
}

impl Entry {
    /// Begins an entry if what the request needs is an administrator's right.
    pub(crate) fn of(
        need: Need,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        caller: Option<&Caller>,
    ) -> Option<Self> {
        if need.right() != Some(Admin) {
            return None;
        }
        let mut path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        path.truncate(path.floor_char_boundary(MAX_PATH));
        let tenant = TenantFromRequest::named(headers).ok().flatten();
        Some(Self {
            user: None,
            tenant: tenant.map(|tenant| tenant.to_string()),
            method: method.to_string(),
            path,
            from: caller.map(|caller| caller.0),
            says: asked_by(headers),
        })
    }

    /// Knows whose call it is, and the tenant that is meant.
    pub(crate) fn proved(&mut self, user: &str, headers: &HeaderMap) {
        self.user = Some(user.to_owned());
        let tenant = TenantFromRequest::named(headers).ok().flatten();
        self.tenant = tenant.map(|tenant| tenant.to_string());
    }

    /// Writes the entry with the answer's status.
    pub(crate) fn write(&self, status: StatusCode) {
        let line = self.line(status);
        tracing::info!(target: "audit", "{line}");
    }

    fn line(&self, status: StatusCode) -> String {
        let outcome = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "denied",
            _ if status.is_success() => "done",
            _ => "failed",
        };
        let line = Line { entry: self, status: status.as_u16(), outcome };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_of_json_whatever_the_request_says() {
        let mut headers = HeaderMap::new();
        headers.insert("x-scope-orgid", "team-a".parse().unwrap());
        headers.insert("user-agent", "curl\"\\ 8".parse().unwrap());
        headers.insert("authorization", "Bearer hunter2".parse().unwrap());
        let uri: Uri = "/api/v1/admin/tsdb/delete_series?match[]=up".parse().unwrap();
        let caller = Caller(([10, 0, 0, 1], 5).into());
        let entry = |need| Entry::of(need, &Method::POST, &uri, &headers, Some(&caller));
        assert!(entry(Need::Tenant(latewood_auth::Right::Read)).is_none());
        let mut entry = entry(Need::Tenant(Admin)).unwrap();
        let denied = entry.line(StatusCode::UNAUTHORIZED);
        let expected = r#"{"user":null,"tenant":"team-a","method":"POST","path":"/api/v1/admin/tsdb/delete_series?match[]=up","from":"10.0.0.1:5","says":"user-agent=curl\"\\ 8","status":401,"outcome":"denied"}"#;
        assert_eq!(denied, expected);
        entry.proved("ann", &headers);
        assert!(entry.line(StatusCode::NO_CONTENT).ends_with(r#""status":204,"outcome":"done"}"#));
        assert!(entry.line(StatusCode::CONFLICT).ends_with(r#""outcome":"failed"}"#));
        assert!(entry.line(StatusCode::OK).starts_with(r#"{"user":"ann","tenant":"team-a","#));
    }
}
