//! `latewood bucket replicate`: the live blocks of tenants in another bucket, named by its catalogs.
//!
//! A block is copied file by file, `meta.json` last, each compared on the way with what the catalog says of it; what is
//! there whole is passed over, so that a run that was interrupted goes on where it was. Then the target's catalog is
//! brought to what the source's has, as far as blocks are there.

mod changes;
mod copy;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use latewood_base::{Ids, Rng, Ulid};
use latewood_catalog::{BlockEntry, TenantCatalog, View};
use latewood_objstore::BucketConfig;

use self::changes::changes;
use self::copy::{Copied, Copier};
use super::args::ReplicateArgs;
use super::columns::bytes;
use super::opened::open;
use super::report::progress;
use super::{Opened, Report};

/// Blocks that are copied at once; each has one file on the local disk.
const CONCURRENCY: usize = 4;

/// Copies the live blocks of tenants.
pub async fn run(opened: &Opened, args: &ReplicateArgs) -> anyhow::Result<Report> {
    let config = BucketConfig {
        url: Some(args.to.clone()),
        s3_endpoint: args.to_s3_endpoint.clone(),
        ..opened.config.bucket.clone()
    };
    if config.url == opened.config.bucket.url && config.s3_endpoint == opened.config.bucket.s3_endpoint {
        bail!("--to names the bucket that is copied from");
    }
    let (target, catalogs) = open(&config, &opened.config.catalog, &opened.clock).await?;
    let ids = Ids::new(opened.clock.clone(), Rng::system());
    // Of this run alone: two at once would write each other's files.
    let folder = opened.config.data_dir.join(format!("replicate-{}", ids.next()));
    latewood_base::make_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let copier = Copier { from: Arc::clone(&opened.bucket), to: target, folder };
    let mut report = Report::default();
    for (_, source) in opened.views(&mut report).await? {
        let run = Run { copier: &copier, ids: &ids, source: &source, dry_run: args.dry_run };
        if let Err(error) = run.tenant(&catalogs.tenant(&source.tenant), &mut report).await {
            report.wrong(format!("tenant {}: {error}", source.tenant));
        }
    }
    if let Err(error) = std::fs::remove_dir_all(&copier.folder) {
        report.wrong(format!("{} was left behind: {error}", copier.folder.display()));
    }
    Ok(report)
}

/// The copying of one tenant.
struct Run<'a> {
    copier: &'a Copier,
    ids: &'a Ids,
    source: &'a View,
    dry_run: bool,
}

impl Run<'_> {
    async fn tenant(&self, catalog: &TenantCatalog, report: &mut Report) -> anyhow::Result<()> {
        let (tenant, target) = (&self.source.tenant, catalog.refresh(0).await?);
        let (removed, wanted): (Vec<_>, Vec<_>) = self
            .source
            .blocks
            .values()
            .filter(|block| !target.blocks.contains_key(&block.id))
            .partition(|block| target.dead.contains_key(&block.id));
        for block in removed {
            report.wrong(format!(
                "tenant {tenant}: block {} was removed from the target, and is not brought back",
                block.id
            ));
        }
        if self.dry_run {
            let size = wanted.iter().fold(0u64, |sum, block| sum.saturating_add(block.bytes));
            report.line(&format!("tenant {tenant}: would copy {} blocks of {}", wanted.len(), bytes(size)));
            return Ok(());
        }
        let whole = self.copy(&wanted, report).await?;
        let (mut view, steps) = (Arc::clone(&target), changes(self.source, &target, &whole, self.ids));
        for change in steps {
            view = catalog.commit(change).await?;
        }
        report.line(&format!(
            "tenant {tenant}: {} of {} blocks came, the target's catalog names {}; version {}",
            whole.len(),
            wanted.len(),
            view.blocks.len(),
            view.version
        ));
        Ok(())
    }

    /// Copies blocks; those that are in the target whole now. What is damaged is reported and left out.
    async fn copy(&self, wanted: &[&Arc<BlockEntry>], report: &mut Report) -> anyhow::Result<BTreeSet<Ulid>> {
        let tenant = &self.source.tenant;
        let copies: Vec<_> = wanted.iter().map(|block| self.copier.copy(tenant, block)).collect();
        let mut copies = stream::iter(copies).buffer_unordered(CONCURRENCY);
        let (mut whole, mut done) = (BTreeSet::new(), 0);
        while let Some(copied) = copies.next().await {
            done += 1;
            match copied? {
                Copied::Whole(id) => {
                    whole.insert(id);
                    progress(&format!("tenant {tenant}: block {id} is there, {done} of {}", wanted.len()));
                }
                Copied::Damaged(problem) => report.wrong(format!("{problem}: the block was not copied")),
            }
        }
        Ok(whole)
    }
}
