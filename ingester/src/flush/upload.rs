//! One tenant's block to the bucket and into the catalog.
//!
//! The rule of `flushed[shard]`: its value is the last generation of the shard of which the tenant had
//! data and whose block is committed. A generation in which a tenant has nothing needs no commit, so the
//! values of tenants differ; the step's condition is the value that the catalog has now, and a value of
//! `generation` or more says that this generation was committed before, by an earlier life of this
//! process or another leader: there is one log per shard, and its generations are flushed in order.

use std::sync::Arc;

use futures::stream::{StreamExt, TryStreamExt, iter};
use latewood_block::BlockMeta;
use latewood_catalog::{Catalogs, Change, Conflict, FlushStep, block_folder};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::Bucket;

use super::identity::{block_entry, block_id};
use super::{FlushError, LocalBlock};

/// Ids tried before the error is shown; only garbage collection of an upload that took days uses one up.
const MAX_ATTEMPTS: u32 = 16;

/// What uploading needs.
#[derive(Clone, Debug)]
pub(super) struct Uploader {
    pub(super) bucket: Bucket,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) shard: u32,
    pub(super) concurrency: usize,
}

impl Uploader {
    /// Brings a tenant's block of a generation into its catalog; does nothing when it is there.
    pub(super) async fn commit(
        &self,
        tenant: &TenantId,
        generation: u64,
        local: &LocalBlock,
    ) -> Result<(), FlushError> {
        let catalog = self.catalogs.tenant(tenant);
        let mut uploaded = None;
        let mut attempt = 0;
        loop {
            let view = catalog.refresh(0).await?;
            let from = view.flushed_generation(self.shard);
            if from >= generation {
                return Ok(());
            }
            if uploaded != Some(attempt) {
                self.upload(tenant, local, &self.meta(tenant, generation, local, attempt)).await?;
                uploaded = Some(attempt);
            }
            let meta = self.meta(tenant, generation, local, attempt);
            let json = meta.to_json()?;
            let block = (!meta.is_empty()).then(|| block_entry(&meta, json.len() as u64));
            let step = FlushStep { shard: self.shard, from, to: generation };
            match catalog.commit(Change::flush(block, step)).await {
                Ok(_) => return Ok(()),
                Err(error) => match error.conflict() {
                    Some(Conflict::FlushedElsewhere { .. }) => {}
                    Some(Conflict::BlockDead(_)) if attempt < MAX_ATTEMPTS => attempt += 1,
                    _ => return Err(error.into()),
                },
            }
        }
    }

    fn meta(&self, tenant: &TenantId, generation: u64, local: &LocalBlock, attempt: u32) -> BlockMeta {
        let mut meta = local.block.meta().clone();
        meta.id = block_id(tenant, self.shard, generation, attempt);
        meta
    }

    /// `meta.json` last: a folder with it is whole.
    async fn upload(
        &self,
        tenant: &TenantId,
        local: &LocalBlock,
        meta: &BlockMeta,
    ) -> Result<(), FlushError> {
        if meta.is_empty() {
            return Ok(());
        }
        let folder = block_folder(tenant, Resolution::Raw, meta.id);
        let puts = meta.files.iter().map(|file| {
            let (key, path) = (format!("{folder}/{}", file.path), local.dir.join(&file.path));
            async move { self.bucket.put_file(&key, &path).await }
        });
        let puts: Vec<_> = puts.collect();
        iter(puts).buffer_unordered(self.concurrency.max(1)).try_collect::<Vec<()>>().await?;
        let key = format!("{folder}/{}", BlockMeta::FILE);
        self.bucket.put(&key, meta.to_json()?.into()).await?;
        Ok(())
    }
}
