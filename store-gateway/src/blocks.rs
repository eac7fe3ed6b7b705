//! From the ids of a pinned view to open blocks.
//!
//! Invariant: every id that a request names is either open in the answer or the request fails.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::{ErrorKind, Kinded, Offload, Ulid};
use latewood_block::{Block, BlockError};
use latewood_catalog::{BlockEntry, Catalogs, View, block_folder};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::{Bucket, BucketError};
use latewood_proto::store::wire;

use crate::masks::Masks;
use crate::metrics::Metrics;
use crate::open_blocks::OpenBlocks;
use crate::{GatewayConfig, GatewayError};

/// Opens blocks.
pub(crate) struct Blocks {
    pub(crate) config: GatewayConfig,
    bucket: Bucket,
    catalogs: Arc<Catalogs>,
    offload: Offload,
    open: OpenBlocks,
    metrics: Metrics,
}

/// An open block and the deletions that bind it.
#[derive(Clone, Debug)]
pub(crate) struct OpenBlock {
    pub(crate) id: Ulid,
    pub(crate) block: Arc<Block>,
    pub(crate) masks: Masks,
}

impl OpenBlock {
    /// An error of this block.
    pub(crate) fn failed(&self, source: BlockError) -> GatewayError {
        GatewayError::Block { block: self.id, source }
    }
}

/// The blocks of a request, and the newest version of the catalog known here.
pub(crate) struct Pinned {
    pub(crate) blocks: Vec<OpenBlock>,
    pub(crate) newest_version: u64,
}

impl Blocks {
    pub(crate) fn new(
        config: GatewayConfig,
        bucket: Bucket,
        catalogs: Arc<Catalogs>,
        offload: Offload,
        metrics: Metrics,
    ) -> Self {
        Self {
            open: OpenBlocks::new(config.open_blocks_bytes, metrics.clone()),
            config,
            bucket,
            catalogs,
            offload,
            metrics,
        }
    }

    /// Opens the blocks that a view names.
    pub(crate) async fn pinned(
        &self,
        tenant: &str,
        asked: Option<wire::View>,
    ) -> Result<Pinned, GatewayError> {
        let tenant = TenantId::new(tenant)?;
        let asked = asked.ok_or(GatewayError::Lacks("view"))?;
        let ids = asked.blocks.iter().map(|text| parse_id(text));
        let ids: Vec<Ulid> = ids.collect::<Result<_, _>>()?;
        let catalog = self.catalogs.tenant(&tenant);
        let mut view = catalog.view().await?;
        if view.version < asked.version && ids.iter().any(|id| !view.blocks.contains_key(id)) {
            view = catalog.refresh(asked.version).await?;
        }
        let opening = ids.into_iter().map(|id| self.open(&tenant, &view, id));
        let blocks = stream::iter(opening).buffered(self.config.blocks_at_once.max(1));
        Ok(Pinned { blocks: blocks.try_collect().await?, newest_version: view.version })
    }

    async fn open(&self, tenant: &TenantId, view: &View, id: Ulid) -> Result<OpenBlock, GatewayError> {
        let folder = match view.blocks.get(&id) {
            Some(entry) => BlockEntry::folder(entry, tenant),
            // Replaced since the view was pinned: it stays readable for the grace period, and as long as it
            // is open here a query that reads it already may go on with its view.
            None if view.dead.contains_key(&id) && self.open.holds(tenant, id) => {
                block_folder(tenant, Resolution::Raw, id)
            }
            None if view.dead.contains_key(&id) => {
                let version = view.version;
                return Err(GatewayError::Replaced { block: id, version });
            }
            None => {
                return Err(GatewayError::Unknown {
                    block: id,
                    tenant: tenant.to_string(),
                    version: view.version,
                });
            }
        };
        let reader = self.config.reader.clone();
        let opening = Block::open(Arc::clone(&self.bucket), &folder, self.offload.clone(), reader);
        let block = self.open.get(tenant, id, opening).await;
        Ok(OpenBlock {
            id,
            block: block.map_err(|source| self.cannot_open(id, source))?,
            masks: Masks::of(view, id)?,
        })
    }

    fn cannot_open(&self, block: Ulid, source: BlockError) -> GatewayError {
        match source {
            BlockError::Bucket(BucketError::NotFound { key }) => {
                self.metrics.missing_blocks.inc();
                GatewayError::Missing { block, object: key }
            }
            source if source.kind() == ErrorKind::NotFound => {
                self.metrics.missing_blocks.inc();
                let object = source.to_string();
                GatewayError::Missing { block, object }
            }
            source => GatewayError::Block { block, source },
        }
    }
}

fn parse_id(text: &str) -> Result<Ulid, GatewayError> {
    Ulid::from_string(text).map_err(|_| GatewayError::BlockId(text.to_owned()))
}
