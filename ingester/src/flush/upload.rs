//! One tenant's block to the bucket and into the catalog.
//!
//! Deletions: the change is made of the very view that the commit follows on, and of the deletions that the head has
//! then. A deletion is in the head before it is committed; so whichever of the two commits comes second knows the other,
//! and the block is bound by it (docs/adr/0015-deletion.md).

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_block::BlockMeta;
use latewood_blockstore::Publisher;
use latewood_catalog::{BlockEntry, CatalogError, Catalogs, Change, Conflict, Tombstone, View};
use latewood_cluster::Group;
use latewood_model::TenantId;
use xxhash_rust::xxh3::xxh3_128;

use super::plan::{Content, Missing, missing};
use super::planted::{self, Unfenced};
use super::{FlushError, FlushIdentity, LocalBlock, OwnNumbers};
use crate::head::Head;
use crate::journal::{ShardCommand, ShardState};

/// How often a commit that lost to another is made anew before the error is shown.
const MAX_CONFLICTS: u32 = 64;

/// What uploading needs.
#[derive(Clone, Debug)]
pub(super) struct Uploader {
    pub(super) publisher: Publisher,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) identity: FlushIdentity,
    pub(super) numbers: Arc<OwnNumbers>,
    pub(super) head: Head,
    pub(super) group: Group<ShardState>,
}

impl Uploader {
    /// Brings a tenant's block of a generation into its catalog; does nothing when it is there.
    pub(super) async fn commit(
        &self,
        tenant: &TenantId,
        generation: u64,
        local: &LocalBlock,
    ) -> Result<(), FlushError> {
        // A process may start while its bucket is away: then nobody has compared the numbers yet.
        self.numbers.check().await?;
        let catalog = self.catalogs.tenant(tenant);
        let (mut uploaded, mut conflicts) = (None::<((u64, u32), BlockEntry)>, 0);
        let term = self.announce(generation).await?;
        loop {
            let seen = catalog.refresh(0).await?;
            // Who still leads after that knows by the log of whom there may be blocks in this view.
            self.group.read_barrier().await?;
            let terms = self.terms(generation, term);
            let still_missing = |view: &View| self.missing(view, tenant, (generation, &terms), local);
            let planned = still_missing(&seen);
            let entry = match planned {
                Missing::Nothing => return Ok(()),
                Missing::NoId => return Err(FlushError::NoBlockId { generation }),
                Missing::Step(_) => None,
                Missing::Block(attempt, _) => {
                    let attempt = (term, attempt);
                    let known = uploaded.take().filter(|(tried, _)| *tried == attempt);
                    let (_, entry) = match known {
                        Some(known) => uploaded.insert(known),
                        None => uploaded
                            .insert((attempt, self.publish(tenant, generation, attempt, local).await?)),
                    };
                    Some(entry.clone())
                }
            };
            let mut overtaken = false;
            let committed = catalog.commit_with(|view| {
                // Without a step, nothing tells of the block of a leader that came since.
                let may_hide_one = matches!(planned, Missing::Block(_, None)) && view.version != seen.version;
                overtaken = may_hide_one || still_missing(view) != planned;
                (!overtaken).then(|| self.change(planned, entry.as_ref(), tenant, generation))
            });
            match committed.await {
                Ok(_) if !overtaken => return Ok(()),
                // The view has moved on: the newer one needs something else.
                Ok(_) if conflicts < MAX_CONFLICTS => conflicts += 1,
                Ok(_) => {
                    let (tenant, attempts) = (tenant.to_string(), conflicts);
                    return Err(CatalogError::TooManyRaces { tenant, attempts }.into());
                }
                Err(error) if conflicts < MAX_CONFLICTS && is_overtaken(error.conflict()) => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The term that is in the ids of blocks which this leader uploads: the log has it before there is any. A sole voter
    /// needs none.
    async fn announce(&self, generation: u64) -> Result<u64, FlushError> {
        if self.group.is_alone() || planted::has(Unfenced::SharedIds) {
            return Ok(0);
        }
        let term = self.group.leader_term();
        if let Some(term) = term.filter(|term| self.head.uploaders(generation).contains(term)) {
            return Ok(term);
        }
        let (at, _) = self.group.propose(ShardCommand::Uploading { generation }).await?;
        Ok(at.term)
    }

    /// The terms whose leaders may have uploaded a generation's blocks, this one last.
    fn terms(&self, generation: u64, own: u64) -> Vec<u64> {
        let mut terms = self.head.uploaders(generation);
        terms.retain(|term| *term != own && !planted::has(Unfenced::OwnBlocksAlone));
        terms.push(own);
        terms
    }

    /// Uploads the block under the id of an attempt.
    async fn publish(
        &self,
        tenant: &TenantId,
        generation: u64,
        attempt: (u64, u32),
        local: &LocalBlock,
    ) -> Result<BlockEntry, FlushError> {
        let id = self.identity.block_id(tenant, generation, attempt);
        let meta = BlockMeta { id, ..local.meta().clone() };
        Ok(self.publisher.publish(local.dir(), &meta).await?)
    }

    fn missing(
        &self,
        view: &View,
        tenant: &TenantId,
        (generation, terms): (u64, &[u64]),
        local: &LocalBlock,
    ) -> Missing {
        if view.is_deleted() {
            // What it still had here goes with it.
            return Missing::Nothing;
        }
        let id = |attempt| self.identity.block_id(tenant, generation, attempt);
        missing(view, (self.identity.shard, generation), Content::of(local.meta()), terms, id)
    }

    /// What commits what is missing, the block bound by the deletions that came after its samples.
    fn change(
        &self,
        missing: Missing,
        block: Option<&BlockEntry>,
        tenant: &TenantId,
        generation: u64,
    ) -> Change {
        let flushed = match missing {
            Missing::Step(step) => Some(step),
            Missing::Block(_, step) => step,
            Missing::Nothing | Missing::NoId => None,
        };
        let deletions = self.head.deletions(tenant, generation);
        let bound = block.into_iter().flat_map(|block| {
            let touching = deletions.iter().filter(|deletion| deletion.range.overlaps(block.range));
            touching.map(|deletion| bound_to(deletion, block.id))
        });
        Change {
            add_tombstones: bound.collect(),
            add: block.cloned().into_iter().collect(),
            flushed,
            ..Change::default()
        }
    }
}

/// The deletion as it binds one block alone: its id follows from both.
fn bound_to(deletion: &Tombstone, block: Ulid) -> Tombstone {
    let both = [deletion.id.0.to_le_bytes(), block.0.to_le_bytes()].concat();
    let id = Ulid::from_parts(deletion.id.timestamp_ms(), xxh3_128(&both));
    Tombstone { id, blocks: [block].into(), ..deletion.clone() }
}

/// Whether the view has moved on since it was looked at: the newer one may need something else.
fn is_overtaken(conflict: Option<&Conflict>) -> bool {
    matches!(
        conflict,
        Some(
            Conflict::FlushedElsewhere { .. }
                | Conflict::BlockDead(_)
                | Conflict::AlreadyAdded(_)
                | Conflict::TenantDeleted
        )
    )
}
