//! The entry of a block out of the block's own folder.

use latewood_base::Ulid;
use latewood_block::{BlockError, BlockMeta};
use latewood_catalog::{BlockEntry, block_folder};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::Bucket;

use crate::{BlockStoreError, block_entry};

/// Reads a block's `meta.json` and makes the entry that a catalog has of it: for a catalog that was lost. Whether the files
/// that it names are there is not looked at.
///
/// # Errors
/// [`BlockStoreError::Bucket`] when there is no `meta.json`, [`BlockStoreError::Block`] when it is damaged, of a newer
/// format, or that of another block.
pub async fn read_entry(
    bucket: &Bucket,
    tenant: &TenantId,
    resolution: Resolution,
    id: Ulid,
) -> Result<BlockEntry, BlockStoreError> {
    let key = format!("{}/{}", block_folder(tenant, resolution, id), BlockMeta::FILE);
    let json = bucket.get(&key, BlockMeta::MAX_BYTES).await?;
    let meta = BlockMeta::from_json(&json)?;
    if (&meta.tenant, meta.resolution, meta.id) != (tenant, resolution, id) {
        let problem = format!("it is of block {} ({}) of tenant {}", meta.id, meta.resolution, meta.tenant);
        return Err(BlockError::Corrupt { file: BlockMeta::FILE.to_owned(), problem }.into());
    }
    Ok(block_entry(&meta, json.len() as u64))
}
