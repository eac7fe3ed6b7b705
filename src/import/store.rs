//! A finished block to the bucket and into the tenant's catalog.

use std::path::Path;

use latewood_block::BlockMeta;
use latewood_blockstore::Publisher;
use latewood_catalog::{Change, Conflict, TenantCatalog};

/// Publishes a block and commits it. One that is committed already is no error: another import was faster.
pub async fn store(
    publisher: &Publisher,
    catalog: &TenantCatalog,
    folder: &Path,
    meta: &BlockMeta,
) -> anyhow::Result<()> {
    let entry = publisher.publish(folder, meta).await?;
    match catalog.commit(Change { add: vec![entry], ..Change::default() }).await {
        Err(error) if matches!(error.conflict(), Some(Conflict::AlreadyAdded(_))) => Ok(()),
        done => Ok(done.map(drop)?),
    }
}
