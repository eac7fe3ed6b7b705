//! What each route needs: the one table of who may ask what.

use latewood_auth::Need;
use latewood_auth::Right::{Admin, Metrics, Read, Write};

/// What the route of this pattern needs; none for one that is not in the table, which is then for nobody but who may
/// everything.
pub fn needs(pattern: &str) -> Option<Need> {
    let api = pattern.strip_prefix("/prometheus").filter(|api| api.starts_with('/')).unwrap_or(pattern);
    Some(match api {
        "/-/healthy" | "/-/ready" | "/ready" => Need::Nothing,
        "/" | "/prometheus" => Need::Somebody,
        "/metrics" | "/services" | "/cluster" | "/ingester/ring" => Need::Process(Metrics),
        "/api/v1/write" | "/api/v1/push" | "/api/v1/receive" => Need::Tenant(Write),
        "/api/v1/admin/flush" | "/ingester/flush" | "/ingester/prepare-shutdown" => Need::Process(Admin),
        "/compactor/delete_tenant" => Need::NamedTenant(Admin),
        "/compactor/delete_tenant_status" => Need::Tenant(Admin),
        "/federate" => Need::Tenant(Read),
        _ => return api.strip_prefix("/api/v1/").and_then(of_query_api),
    })
}

/// Prometheus's API, below `/api/v1/`.
fn of_query_api(path: &str) -> Option<Need> {
    Some(match path {
        "query"
        | "query_range"
        | "query_explain"
        | "query_range_explain"
        | "query_exemplars"
        | "read"
        | "format_query"
        | "parse_query"
        | "series"
        | "labels"
        | "label/{name}/values"
        | "metadata"
        | "rules"
        | "alerts"
        | "targets"
        | "alertmanagers"
        | "status/tsdb"
        // Grafana asks these of every datasource.
        | "status/buildinfo"
        | "status/runtimeinfo"
        | "status/walreplay" => Need::Tenant(Read),
        "status/config" | "status/flags" => Need::Process(Metrics),
        "admin/tsdb/delete_series" | "admin/tsdb/clean_tombstones" => Need::Tenant(Admin),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deletes_writes_or_shows_a_process_needs_more_than_to_read() {
        for (pattern, need) in [
            ("/api/v1/admin/tsdb/delete_series", Need::Tenant(Admin)),
            ("/prometheus/api/v1/admin/tsdb/delete_series", Need::Tenant(Admin)),
            ("/prometheus/api/v1/admin/tsdb/clean_tombstones", Need::Tenant(Admin)),
            ("/compactor/delete_tenant", Need::NamedTenant(Admin)),
            ("/api/v1/admin/flush", Need::Process(Admin)),
            ("/ingester/flush", Need::Process(Admin)),
            ("/ingester/prepare-shutdown", Need::Process(Admin)),
            ("/api/v1/write", Need::Tenant(Write)),
            ("/api/v1/push", Need::Tenant(Write)),
            ("/api/v1/receive", Need::Tenant(Write)),
            ("/metrics", Need::Process(Metrics)),
            ("/api/v1/status/config", Need::Process(Metrics)),
            ("/prometheus/api/v1/status/flags", Need::Process(Metrics)),
            ("/api/v1/query", Need::Tenant(Read)),
            ("/api/v1/read", Need::Tenant(Read)),
            ("/prometheus/federate", Need::Tenant(Read)),
            ("/prometheus/api/v1/label/{name}/values", Need::Tenant(Read)),
            ("/ready", Need::Nothing),
        ] {
            assert_eq!(needs(pattern), Some(need), "{pattern}");
        }
        for unknown in ["", "/nowhere", "/prometheusapi/v1/query", "/api/v1/admin/tsdb/snapshot", "/api/v1"] {
            assert_eq!(needs(unknown), None, "{unknown}");
        }
    }
}
