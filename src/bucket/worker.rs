//! The compactor, for tools that have it do some of its jobs now.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use latewood_base::{Ids, Offload, Rng};
use latewood_catalog::TenantCatalog;
use latewood_compactor::{Compactor, CompactorDeps, Job};
use prometheus_client::registry::Registry;

use super::columns::{bytes, interval};
use super::report::progress;
use super::{Opened, Report};

/// A compactor with a folder of its own, so that one may run beside it.
pub struct Worker {
    compactor: Compactor,
    folder: PathBuf,
}

impl Worker {
    /// A compactor with the settings that a role would have. Does nothing yet.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(opened: &Opened) -> anyhow::Result<Self> {
        let ids = Ids::new(opened.clock.clone(), Rng::system());
        let folder = opened.config.data_dir.join(format!("compact-{}", ids.next()));
        latewood_base::make_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let deps = CompactorDeps {
            bucket: Arc::clone(&opened.bucket),
            catalogs: Arc::clone(&opened.catalogs),
            clock: opened.clock.clone(),
            ids,
            offload: Offload::per_core(),
            scratch_dir: folder.clone(),
        };
        let compactor = Compactor::new(&opened.config.compactor, deps, &mut Registry::default())?;
        Ok(Self { compactor, folder })
    }

    /// What is planned for a tenant now.
    pub async fn planned(&self, catalog: &TenantCatalog) -> anyhow::Result<Vec<Job>> {
        Ok(self.compactor.planned(&*catalog.refresh(0).await?))
    }

    /// Does the jobs that are wanted, telling of each; blocks that turn out to be damaged are reported.
    pub async fn work_on(
        &self,
        catalog: &TenantCatalog,
        wanted: &(dyn Fn(&Job) -> bool + Sync),
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (tenant, before) = (catalog.tenant(), catalog.view().await?);
        let told = |job: &Job| progress(&format!("tenant {tenant}: {}", described(job)));
        self.compactor.work_on(tenant, wanted, &told).await?;
        for mark in catalog.refresh(0).await?.no_compact.values() {
            if !before.no_compact.contains_key(&mark.block) {
                let (block, details) = (mark.block, &mark.details);
                report.wrong(format!(
                    "tenant {tenant}: block {block} is damaged, and not compacted any more: {details}"
                ));
            }
        }
        Ok(())
    }

    /// Deletes its folder.
    pub fn end(self, report: &mut Report) {
        // It is made by the first job.
        if self.folder.exists()
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            report.wrong(format!("{} was left behind: {error}", self.folder.display()));
        }
    }
}

/// A job in a line.
pub fn described(job: &Job) -> String {
    let span = job.windows.iter().copied().reduce(latewood_model::TimeRange::union);
    let span = span.map(interval).unwrap_or_default();
    let rollups = if job.rollups.is_some() { ", with rollups" } else { "" };
    let kind = format!("{:?}", job.kind).to_lowercase();
    format!("{kind} {} blocks of {}, {span}{rollups}", job.inputs.len(), bytes(job.bytes()))
}
