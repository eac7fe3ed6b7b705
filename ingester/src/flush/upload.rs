//! One tenant's block to the bucket and into the catalog.

use std::sync::Arc;

use latewood_block::BlockMeta;
use latewood_blockstore::Publisher;
use latewood_catalog::{Catalogs, Change, Conflict};
use latewood_model::TenantId;

use super::plan::{Content, Missing, missing};
use super::{FlushError, FlushIdentity, LocalBlock};

/// How often a commit that lost to another is made anew before the error is shown.
const MAX_CONFLICTS: u32 = 64;

/// What uploading needs.
#[derive(Clone, Debug)]
pub(super) struct Uploader {
    pub(super) publisher: Publisher,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) identity: FlushIdentity,
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
                    let entry = match uploaded.take() {
                        Some((tried, entry)) if tried == attempt => entry,
                        _ => {
                            let meta = BlockMeta { id: id(attempt), ..local.meta().clone() };
                            self.publisher.publish(local.dir(), &meta).await?
                        }
                    };
                    uploaded = Some((attempt, entry.clone()));
                    Change { add: vec![entry], flushed: step, ..Change::default() }
                }
            };
            match catalog.commit(change).await {
                Ok(_) => return Ok(()),
                Err(error) if conflicts < MAX_CONFLICTS && is_overtaken(error.conflict()) => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether the view has moved on since it was looked at: the newer one may need something else.
fn is_overtaken(conflict: Option<&Conflict>) -> bool {
    matches!(
        conflict,
        Some(Conflict::FlushedElsewhere { .. } | Conflict::BlockDead(_) | Conflict::AlreadyAdded(_))
    )
}
