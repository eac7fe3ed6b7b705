//! `latewood bucket audit`: who had what deleted, and when.

use latewood_catalog::AuditEntry;
use latewood_model::{TenantId, TimestampMs};
use serde::Serialize;

use super::args::AuditArgs;
use super::columns::rfc3339;
use super::table::{Row, render};
use super::{Opened, Report};

/// A deletion that was asked for.
#[derive(Debug, Serialize)]
struct Line {
    tenant: TenantId,
    at_ms: TimestampMs,
    action: String,
    by: String,
    details: String,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &["TENANT", "TIME", "ACTION", "BY", "DETAILS"];

    fn cells(&self) -> Vec<String> {
        let (tenant, at) = (self.tenant.to_string(), rfc3339(self.at_ms));
        vec![tenant, at, self.action.clone(), self.by.clone(), self.details.clone()]
    }
}

/// Prints the newest entries of each tenant, oldest first.
pub async fn run(opened: &Opened, args: &AuditArgs) -> anyhow::Result<Report> {
    let (mut report, mut lines) = (Report::default(), Vec::new());
    for tenant in opened.tenants().await? {
        match opened.catalogs.tenant(&tenant).audit(args.limit).await {
            Ok(entries) => lines.extend(entries.into_iter().map(|entry| line(&tenant, entry))),
            Err(error) => report.wrong(format!("tenant {tenant}: {error}")),
        }
    }
    report.text = render(&lines, args.output)?;
    Ok(report)
}

fn line(tenant: &TenantId, entry: AuditEntry) -> Line {
    let AuditEntry { at_ms, action, by, details, .. } = entry;
    Line { tenant: tenant.clone(), at_ms, action, by, details }
}
