//! One tenant's block to the bucket and into the catalog.

use std::sync::Arc;

use futures::stream::{StreamExt, TryStreamExt, iter};
use latewood_base::Offload;
use latewood_block::BlockMeta;
use latewood_catalog::{Catalogs, Change, Conflict, FlushStep, block_folder};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::Bucket;

use super::identity::block_entry;
use super::plan::{Content, Missing, missing};
use super::verify::verify_files;
use super::{FlushError, FlushIdentity, LocalBlock};

/// How often a commit that lost to another is made anew before the error is shown.
const MAX_CONFLICTS: u32 = 64;

/// What uploading needs.
#[derive(Clone, Debug)]
pub(super) struct Uploader {
    pub(super) bucket: Bucket,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) identity: FlushIdentity,
    pub(super) offload: Offload,
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
        let (mut uploaded, mut conflicts) = (None, 0);
        loop {
            let view = catalog.refresh(0).await?;
            let place = (self.identity.shard, generation);
            let id = |attempt| self.identity.block_id(tenant, generation, attempt);
            let change = match missing(&view, place, Content::of(local.meta()), id) {
                Missing::Nothing => return Ok(()),
                Missing::NoId => return Err(FlushError::NoBlockId { generation }),
                Missing::Step(step) => Change::flush(None, step),
                Missing::Block(attempt, step) => {
                    let meta = BlockMeta { id: id(attempt), ..local.meta().clone() };
                    if uploaded != Some(attempt) {
                        self.upload(tenant, local, &meta).await?;
                        uploaded = Some(attempt);
                    }
                    addition(&meta, step)?
                }
            };
            match catalog.commit(change).await {
                Ok(_) => return Ok(()),
                Err(error) if conflicts < MAX_CONFLICTS && is_overtaken(error.conflict()) => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// `meta.json` last: a folder with it is whole. The files are read and compared first, because the journal
    /// lets go of their samples once they are committed.
    async fn upload(
        &self,
        tenant: &TenantId,
        local: &LocalBlock,
        meta: &BlockMeta,
    ) -> Result<(), FlushError> {
        let (dir, compared) = (local.dir().to_owned(), meta.clone());
        self.offload.run(move || verify_files(&dir, &compared)).await??;
        let folder = block_folder(tenant, Resolution::Raw, meta.id);
        let puts = meta.files.iter().map(|file| {
            let (key, path) = (format!("{folder}/{}", file.path), local.dir().join(&file.path));
            async move { self.bucket.put_file(&key, &path).await }
        });
        let puts: Vec<_> = puts.collect();
        iter(puts).buffer_unordered(self.concurrency.max(1)).try_collect::<Vec<()>>().await?;
        let key = format!("{folder}/{}", BlockMeta::FILE);
        self.bucket.put(&key, meta.to_json()?.into()).await?;
        Ok(())
    }
}

fn addition(meta: &BlockMeta, step: Option<FlushStep>) -> Result<Change, FlushError> {
    let block = block_entry(meta, meta.to_json()?.len() as u64);
    Ok(Change { add: vec![block], flushed: step, ..Change::default() })
}

/// Whether the view has moved on since it was looked at: the newer one may need something else.
fn is_overtaken(conflict: Option<&Conflict>) -> bool {
    matches!(
        conflict,
        Some(Conflict::FlushedElsewhere { .. } | Conflict::BlockDead(_) | Conflict::AlreadyAdded(_))
    )
}
