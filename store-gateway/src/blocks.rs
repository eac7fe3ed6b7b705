//! From the ids of a pinned view to open blocks.
//!
//! Invariants: every id that a request names is either open in the answer or the request fails; nothing is
//! opened before its memory is reserved.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::{ErrorKind, Kinded, Offload, Ulid};
use latewood_block::{Block, BlockError, DecodedPages};
use latewood_blockstore::Masks;
use latewood_catalog::{BlockEntry, Catalogs, View};
use latewood_model::{RollupColumns, RollupWindows, TenantId, TimeRange};
use latewood_objstore::{Bucket, BucketError};
use latewood_proto::store::wire;

use crate::memory::{RequestMemory, Reserved, stream_bytes, tables_bytes};
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
    pages: DecodedPages,
    memory: RequestMemory,
    metrics: Metrics,
}

/// An open block and the deletions that bind it.
#[derive(Clone, Debug)]
pub(crate) struct OpenBlock {
    pub(crate) id: Ulid,
    pub(crate) block: Arc<Block>,
    pub(crate) masks: Masks,
    /// Held as long as the block is read.
    _reserved: Reserved,
}

/// What a request does with its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads labels: the tables alone.
    Labels,
    /// Streams samples of all blocks side by side; of blocks of windows the last ones.
    Samples,
    /// Streams these figures of windows, likewise.
    Windows(RollupColumns),
}

impl Purpose {
    /// What is streamed of windows of floats; nothing where nothing is streamed.
    fn columns(self) -> Option<RollupColumns> {
        match self {
            Self::Labels => None,
            Self::Samples => Some(RollupColumns::THINNED),
            Self::Windows(columns) => Some(columns),
        }
    }
}

impl OpenBlock {
    /// An error of this block.
    pub(crate) fn failed(&self, source: BlockError) -> GatewayError {
        GatewayError::Block { block: self.id, source }
    }

    /// The windows that it has; none in a block of samples.
    pub(crate) fn windows(&self) -> Option<RollupWindows> {
        RollupWindows::of(self.block.meta().resolution)
    }

    /// The times that rows of it have which are about a range: windows are at their ends.
    pub(crate) fn rows_of(&self, range: TimeRange) -> TimeRange {
        self.windows().map_or(range, |windows| windows.ends_of(range))
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
        pages: DecodedPages,
        metrics: Metrics,
    ) -> Self {
        Self {
            pages,
            open: OpenBlocks::new(config.open_blocks_bytes, metrics.clone()),
            memory: RequestMemory::new(&config, metrics.clone()),
            config,
            bucket,
            catalogs,
            offload,
            metrics,
        }
    }

    /// Where what would hold up the runtime is done.
    pub(crate) fn offload(&self) -> &Offload {
        &self.offload
    }

    /// Opens the blocks that a view names, once there is memory for them.
    pub(crate) async fn pinned(
        &self,
        tenant: &str,
        asked: Option<wire::View>,
        purpose: Purpose,
    ) -> Result<Pinned, GatewayError> {
        let tenant = TenantId::new(tenant)?;
        let asked = asked.ok_or(GatewayError::Lacks("view"))?;
        let ids = asked.blocks.iter().map(|text| parse_id(text));
        let ids: Vec<Ulid> = ids.collect::<Result<_, _>>()?;
        let catalog = self.catalogs.tenant(&tenant);
        let mut view = catalog.view().await?;
        // Also where all blocks are known: the newer version may have deletions of them.
        if view.version < asked.version && !ids.is_empty() {
            view = catalog.refresh(asked.version).await?;
        }
        let reserved = self.reserve(&tenant, &view, &ids, purpose).await?;
        let opening = ids.into_iter().map(|id| self.open(&tenant, &view, (id, asked.version), &reserved));
        let blocks = stream::iter(opening).buffered(self.config.blocks_at_once.max(1));
        Ok(Pinned { blocks: blocks.try_collect().await?, newest_version: view.version })
    }

    /// Reserves the memory of blocks. Those that the view does not name are open already, or will fail.
    async fn reserve(
        &self,
        tenant: &TenantId,
        view: &View,
        ids: &[Ulid],
        purpose: Purpose,
    ) -> Result<Reserved, GatewayError> {
        let reader = self.config.reader.shared_by(ids.len());
        let (mut tables, mut streams) = (Vec::with_capacity(ids.len()), 0u64);
        for entry in ids.iter().filter_map(|id| view.blocks.get(id)) {
            tables.push(((tenant.clone(), entry.id), tables_bytes(entry, &reader)));
            let stream = purpose.columns().map(|columns| stream_bytes(entry, &reader, columns));
            streams = streams.saturating_add(stream.unwrap_or_default());
        }
        self.memory.reserve(tables, streams).await
    }

    async fn open(
        &self,
        tenant: &TenantId,
        view: &View,
        (id, asked_version): (Ulid, u64),
        reserved: &Reserved,
    ) -> Result<OpenBlock, GatewayError> {
        let version = view.version;
        let (block, masks) = match view.blocks.get(&id) {
            Some(entry) => {
                let (block, masks) = (self.opened(tenant, entry).await?, Masks::of(view, id)?);
                self.open.note_masks(tenant, id, version, &masks);
                (block, masks)
            }
            // Replaced since the view was pinned: it stays readable for the grace period, and as long as it
            // is open here a query that reads it already may go on with its view, if its deletions are known.
            None if view.dead.contains_key(&id) => {
                let kept = self.open.kept(tenant, id, asked_version);
                kept.ok_or(GatewayError::Replaced { block: id, version })?
            }
            None => return Err(GatewayError::Unknown { block: id, tenant: tenant.to_string(), version }),
        };
        Ok(OpenBlock { id, block, masks, _reserved: Arc::clone(reserved) })
    }

    /// The block of an entry, open.
    async fn opened(&self, tenant: &TenantId, entry: &BlockEntry) -> Result<Arc<Block>, GatewayError> {
        let (bucket, folder) = (Arc::clone(&self.bucket), entry.folder(tenant));
        let (offload, reader) = (self.offload.clone(), self.config.reader.clone());
        let opening = Block::open_with_tables(bucket, &folder, offload, reader, &self.pages);
        let block = self.open.get(tenant, entry.id, opening).await;
        block.map_err(|source| self.cannot_open(entry.id, source))
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
