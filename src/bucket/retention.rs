//! `latewood bucket retention`: what has outlived its retention is removed once, as the compactor does it.

use latewood_catalog::{TenantCatalog, View};
use latewood_compactor::{CompactorConfig, RetentionConfig, expired};

use super::args::RetentionArgs;
use super::columns::interval;
use super::{Opened, Report};

/// Removes what has outlived its retention, or prints it.
pub async fn run(opened: &Opened, args: &RetentionArgs) -> anyhow::Result<Report> {
    let config = with_flags(&opened.config.compactor, args);
    config.validate().map_err(anyhow::Error::msg)?;
    let mut report = Report::default();
    for (catalog, view) in opened.views(&mut report).await? {
        if let Err(error) = tenant(opened, &config, &catalog, &view, args.yes, &mut report).await {
            report.wrong(format!("tenant {}: {error}", catalog.tenant()));
        }
    }
    Ok(report)
}

/// The settings with what the flags say instead, for all tenants.
fn with_flags(config: &CompactorConfig, args: &RetentionArgs) -> CompactorConfig {
    let mut config = config.clone();
    let apply = |retention: &mut RetentionConfig| {
        let fields = [
            (&mut retention.resolution_raw_seconds, args.raw),
            (&mut retention.resolution_5m_seconds, args.five_minutes),
            (&mut retention.resolution_1h_seconds, args.one_hour),
            (&mut retention.resolution_1d_seconds, args.one_day),
        ];
        for (field, given) in fields {
            *field = given.unwrap_or(*field);
        }
    };
    apply(&mut config.retention);
    config.tenant_retention.values_mut().for_each(apply);
    config
}

async fn tenant(
    opened: &Opened,
    config: &CompactorConfig,
    catalog: &TenantCatalog,
    view: &View,
    yes: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let tenant = catalog.tenant();
    let found = expired(view, opened.clock.now_ms(), &config.retention_of(tenant), &config.policy());
    let would = if yes { "removes" } else { "would remove" };
    for block in found.blocks.iter().filter_map(|id| view.blocks.get(id)) {
        let (id, resolution, time) = (block.id, block.resolution, interval(block.range));
        report.line(&format!("tenant {tenant}: {would} {id}, {resolution} of {time}"));
    }
    for block in found.owed.iter().filter_map(|id| view.blocks.get(id)) {
        let (id, resolution) = (block.id, block.resolution);
        report.line(&format!("tenant {tenant}: {id}, {resolution}, stays until its window is downsampled"));
    }
    let (gone, owed) = (found.blocks.len(), found.owed.len());
    if yes && let Some(change) = found.change() {
        catalog.commit(change).await?;
    }
    let hint = if yes || gone == 0 { "" } else { "; give --yes to remove them" };
    report.line(&format!("tenant {tenant}: {gone} blocks have outlived their retention, {owed} wait{hint}"));
    Ok(())
}
