//! `latewood bucket cleanup`: one garbage collection now, as the compactor does it.

use latewood_catalog::{
    GarbagePolicy, GarbageReport, GarbageStep, TenantCatalog, collect_garbage, find_garbage,
};

use super::args::CleanupArgs;
use super::{Opened, Report};

/// Collects each tenant's garbage, or prints what would be collected.
pub async fn run(opened: &Opened, args: &CleanupArgs) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let policy = opened.config.compactor.garbage_policy();
    for (catalog, _) in opened.views(&mut report).await? {
        let done = if args.dry_run {
            show(&catalog, &policy, &mut report).await
        } else {
            collect(&catalog, &policy, &mut report).await
        };
        if let Err(error) = done {
            report.wrong(format!("tenant {}: {error}", catalog.tenant()));
        }
    }
    Ok(report)
}

async fn collect(catalog: &TenantCatalog, policy: &GarbagePolicy, report: &mut Report) -> anyhow::Result<()> {
    let GarbageReport { marked, deleted, objects, forgotten, withheld } =
        collect_garbage(catalog, policy).await?;
    let tenant = catalog.tenant();
    report.line(&format!(
        "tenant {tenant}: {deleted} blocks deleted with {objects} objects, {marked} marked dead that no commit names, \
         {forgotten} forgotten"
    ));
    if withheld > 0 {
        report.wrong(format!(
            "tenant {tenant}: {withheld} whole blocks are kept that no commit names and a lost one may have: the catalog \
             is to be rebuilt"
        ));
    }
    Ok(())
}

async fn show(catalog: &TenantCatalog, policy: &GarbagePolicy, report: &mut Report) -> anyhow::Result<()> {
    let tenant = catalog.tenant();
    for step in find_garbage(catalog, policy).await? {
        match step {
            GarbageStep::MarkDead(id) => report.line(&format!("tenant {tenant}: would mark {id} dead")),
            GarbageStep::Delete { id, keys } => {
                report.line(&format!("tenant {tenant}: would delete {id}"));
                keys.iter().for_each(|key| report.line(&format!("  {key}")));
            }
            GarbageStep::Forget(id) => report.line(&format!("tenant {tenant}: would forget {id}")),
            GarbageStep::Withhold(id) => report.wrong(format!(
                "tenant {tenant}: would keep {id}, which no commit names and a lost one may have: the catalog is to be \
                 rebuilt"
            )),
        }
    }
    Ok(())
}
