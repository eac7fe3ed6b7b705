//! `latewood bucket rebuild-catalog`: a lost catalog made anew from the blocks' own descriptions.

use std::collections::BTreeMap;

use anyhow::bail;
use futures::{StreamExt, stream};
use latewood_base::Ulid;
use latewood_blockstore::{BlockStoreError, read_entry};
use latewood_catalog::{BlockEntry, CatalogError, TenantCatalog, plan_rebuild};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::{Bucket, BucketError};

use super::args::RebuildArgs;
use super::report::progress;
use super::{Opened, Report};

/// Descriptions that are read at once.
const CONCURRENCY: usize = 16;
/// After how many blocks it is said how far we are.
const PROGRESS_BLOCKS: usize = 500;

/// Makes the catalogs of the named tenants anew.
pub async fn run(opened: &Opened, args: &RebuildArgs) -> anyhow::Result<Report> {
    if opened.named().is_empty() {
        bail!("name the tenant whose catalog was lost: --tenant TENANT");
    }
    let mut report = Report::default();
    for tenant in opened.named() {
        rebuild(&opened.bucket, &opened.catalogs.tenant(tenant), args.dry_run, &mut report).await?;
    }
    Ok(report)
}

async fn rebuild(
    bucket: &Bucket,
    catalog: &TenantCatalog,
    dry_run: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let tenant = catalog.tenant();
    if let Some(standing) = standing(catalog).await? {
        report.wrong(format!(
            "tenant {tenant}: {standing}. To make it anew, stop what writes to the bucket, move all below {tenant}/catalog \
             to a place outside of the bucket, such as `aws s3 mv --recursive s3://BUCKET/{tenant}/catalog \
             s3://ELSEWHERE/{tenant}/catalog` or `mv`, and run this again"
        ));
        return Ok(());
    }
    let folders = catalog.block_folders().await?;
    if folders.is_empty() {
        report
            .wrong(format!("there is no tenant {tenant}: it has neither a catalog nor blocks in the bucket"));
        return Ok(());
    }
    let entries = read_entries(bucket, tenant, folders, report).await?;
    let count = entries.len();
    if dry_run {
        let changes = plan_rebuild(entries, &BTreeMap::new());
        let live: usize = changes.iter().map(|change| change.add.len()).sum();
        report.line(&format!(
            "tenant {tenant}: would name {live} of {count} blocks; the others were replaced by them"
        ));
        return Ok(());
    }
    let view = catalog.rebuild(entries, &BTreeMap::new()).await?;
    let (live, version) = (view.blocks.len(), view.version);
    report.line(&format!(
        "tenant {tenant}: the catalog names {live} of {count} blocks, the others were replaced by them; version {version}"
    ));
    Ok(())
}

/// What stands where the new catalog is to be; none where there is nothing.
async fn standing(catalog: &TenantCatalog) -> anyhow::Result<Option<String>> {
    match catalog.refresh(0).await {
        Ok(view) if view.version == 0 => Ok(None),
        Ok(view) => Ok(Some(format!("there is a catalog, of version {}", view.version))),
        Err(error @ (CatalogError::Corrupt { .. } | CatalogError::UnknownFormat { .. })) => {
            Ok(Some(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The entries of all blocks that can be read; the others are reported and left alone.
async fn read_entries(
    bucket: &Bucket,
    tenant: &TenantId,
    folders: Vec<(Resolution, Ulid, String)>,
    report: &mut Report,
) -> anyhow::Result<Vec<BlockEntry>> {
    let (count, mut entries) = (folders.len(), Vec::new());
    let read =
        |(resolution, id, folder)| async move { (folder, read_entry(bucket, tenant, resolution, id).await) };
    let mut reads =
        stream::iter(folders.into_iter().map(read).collect::<Vec<_>>()).buffer_unordered(CONCURRENCY);
    let mut done = 0;
    while let Some((folder, entry)) = reads.next().await {
        done += 1;
        if done % PROGRESS_BLOCKS == 0 {
            progress(&format!("tenant {tenant}: read {done} of {count} blocks"));
        }
        match entry {
            Ok(entry) => entries.push(entry),
            Err(BlockStoreError::Bucket(BucketError::NotFound { .. })) => {
                report.wrong(format!(
                    "{folder}: left alone: it has no meta.json, and is garbage unless that comes back"
                ));
            }
            Err(BlockStoreError::Block(error)) => report.wrong(format!("{folder}: left alone: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    entries.sort_by_key(|entry| entry.id);
    Ok(entries)
}
