//! The blocks that are kept open: each opened once however many ask, the least recently used closed first.
//!
//! Invariant: the weight of what is kept exceeds the budget by at most the block opened last and what
//! blocks have grown by since the last opening.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_block::{Block, BlockError};
use latewood_blockstore::Masks;
use latewood_model::TenantId;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::metrics::Metrics;

type Key = (TenantId, Ulid);
type Cell = Arc<OnceCell<Arc<Block>>>;

/// The blocks that are kept open.
#[derive(Debug)]
pub(crate) struct OpenBlocks {
    kept: Mutex<Kept>,
    budget: usize,
    metrics: Metrics,
}

/// A place for a block that is kept open.
#[derive(Debug, Default)]
struct Slot {
    cell: Cell,
    /// When it was used last.
    used: u64,
    /// What was deleted of it, as of a version of the catalog that had it.
    masks: Option<(u64, Masks)>,
}

#[derive(Debug, Default)]
struct Kept {
    cells: HashMap<Key, Slot>,
    uses: u64,
}

impl OpenBlocks {
    pub(crate) fn new(budget: usize, metrics: Metrics) -> Self {
        Self { kept: Mutex::default(), budget, metrics }
    }

    /// The block, opened by `open` if it is not kept. A failure is not kept: the next caller tries again.
    pub(crate) async fn get(
        &self,
        tenant: &TenantId,
        id: Ulid,
        open: impl Future<Output = Result<Arc<Block>, BlockError>>,
    ) -> Result<Arc<Block>, BlockError> {
        let key = (tenant.clone(), id);
        let cell = self.cell(&key);
        if let Some(block) = cell.get() {
            return Ok(Arc::clone(block));
        }
        match cell.get_or_try_init(|| open).await {
            Ok(block) => {
                self.metrics.opened.inc();
                self.make_room(&key);
                Ok(Arc::clone(block))
            }
            Err(error) => {
                let mut kept = self.kept.lock();
                let failed = |slot: &Slot| Arc::ptr_eq(&slot.cell, &cell) && slot.cell.get().is_none();
                if kept.cells.get(&key).is_some_and(failed) {
                    kept.cells.remove(&key);
                }
                Err(error)
            }
        }
    }

    /// Notes the deletions that bind a block which is kept open, as of a version of the catalog.
    pub(crate) fn note_masks(&self, tenant: &TenantId, id: Ulid, version: u64, masks: &Masks) {
        let mut kept = self.kept.lock();
        if let Some(slot) = kept.cells.get_mut(&(tenant.clone(), id))
            && slot.masks.as_ref().is_none_or(|(known, _)| *known < version)
        {
            slot.masks = Some((version, masks.clone()));
        }
    }

    /// The block, if it is kept open, with the deletions that bind it as of a version or a later one, if these are known.
    pub(crate) fn kept(&self, tenant: &TenantId, id: Ulid, version: u64) -> Option<(Arc<Block>, Masks)> {
        let kept = self.kept.lock();
        let slot = kept.cells.get(&(tenant.clone(), id))?;
        let (_, masks) = slot.masks.as_ref().filter(|(known, _)| *known >= version)?;
        Some((Arc::clone(slot.cell.get()?), masks.clone()))
    }

    fn cell(&self, key: &Key) -> Cell {
        let mut kept = self.kept.lock();
        kept.uses += 1;
        let now = kept.uses;
        let slot = kept.cells.entry(key.clone()).or_default();
        slot.used = now;
        Arc::clone(&slot.cell)
    }

    /// Closes the least recently used until the rest fit; blocks grow while they are read, so that all are
    /// weighed anew.
    fn make_room(&self, newest: &Key) {
        let mut kept = self.kept.lock();
        let weigh = |slot: &Slot| slot.cell.get().map_or(0, |block| block.weight());
        let mut total: usize = kept.cells.values().map(weigh).sum();
        let mut by_use: Vec<(u64, Key)> = Vec::new();
        if total > self.budget {
            let others = kept.cells.iter().filter(|(key, slot)| *key != newest && slot.cell.get().is_some());
            by_use.extend(others.map(|(key, slot)| (slot.used, key.clone())));
            by_use.sort_unstable_by_key(|entry| entry.0);
        }
        for (_, key) in by_use {
            if total <= self.budget {
                break;
            }
            if let Some(entry) = kept.cells.remove(&key) {
                total = total.saturating_sub(weigh(&entry));
                self.metrics.closed.inc();
            }
        }
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.open_blocks.set(gauge(kept.cells.len()));
        self.metrics.open_bytes.set(gauge(total));
    }
}
