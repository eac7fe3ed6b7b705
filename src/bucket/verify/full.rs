//! Reading every byte of blocks.

use std::sync::Arc;

use futures::{StreamExt, stream};
use latewood_base::Offload;
use latewood_block::verify;
use latewood_blockstore::{BlockStoreError, read_entry};
use latewood_catalog::BlockEntry;
use latewood_model::TenantId;
use latewood_objstore::{Bucket, BucketError};

use super::compare::Finding;
use crate::bucket::report::progress;

/// Blocks that are read at once; of each one file is in memory.
const CONCURRENCY: usize = 2;
/// After how many blocks it is said how far we are.
const PROGRESS_BLOCKS: usize = 20;

/// Verifies blocks from end to end, and that they are the ones that the catalog means.
///
/// # Errors
/// When the bucket does not answer.
pub async fn verify_all(
    bucket: &Bucket,
    blocks: &[(&TenantId, &Arc<BlockEntry>)],
) -> anyhow::Result<Vec<Finding>> {
    let offload = Offload::per_core();
    let (mut findings, mut done) = (Vec::new(), 0);
    let work: Vec<_> =
        blocks.iter().map(|(tenant, block)| verify_one(bucket, tenant, block, &offload)).collect();
    let mut work = stream::iter(work).buffer_unordered(CONCURRENCY);
    while let Some(found) = work.next().await {
        findings.extend(found?);
        done += 1;
        if done % PROGRESS_BLOCKS == 0 {
            progress(&format!("read {done} of {} blocks", blocks.len()));
        }
    }
    Ok(findings)
}

async fn verify_one(
    bucket: &Bucket,
    tenant: &TenantId,
    block: &BlockEntry,
    offload: &Offload,
) -> anyhow::Result<Vec<Finding>> {
    let folder = block.folder(tenant);
    let report = verify(bucket, &folder, offload).await?;
    let mut findings: Vec<Finding> = report
        .problems
        .iter()
        .map(|problem| {
            let row = problem.row.map_or(String::new(), |row| format!(" row {row}"));
            Finding::Wrong(format!("{folder}/{}{row}: {}", problem.file, problem.text))
        })
        .collect();
    if findings.is_empty() {
        match read_entry(bucket, tenant, block.resolution, block.id).await {
            Ok(entry) if entry == *block => {}
            // What a writer of an earlier release did not count is no difference.
            Ok(entry)
                if (&entry.files, entry.samples, entry.range)
                    == (&block.files, block.samples, block.range) => {}
            Ok(_) => findings
                .push(Finding::Wrong(format!("{folder}: it is whole, but not what the catalog describes"))),
            Err(BlockStoreError::Bucket(
                error @ (BucketError::Unavailable { .. } | BucketError::Denied { .. }),
            )) => {
                return Err(error.into());
            }
            Err(error) => findings.push(Finding::Wrong(format!("{folder}: {error}"))),
        }
    }
    Ok(findings)
}
