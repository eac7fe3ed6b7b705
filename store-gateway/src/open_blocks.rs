//! The blocks that are kept open: each opened once however many ask, the least recently used closed first.
//!
//! Invariant: the weight of what is kept exceeds the budget by at most the block opened last and what
//! blocks have grown by since the last opening.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_block::{Block, BlockError};
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

#[derive(Debug, Default)]
struct Kept {
    cells: HashMap<Key, (Cell, u64)>,
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
                let failed = |(found, _): &(Cell, u64)| Arc::ptr_eq(found, &cell) && found.get().is_none();
                if kept.cells.get(&key).is_some_and(failed) {
                    kept.cells.remove(&key);
                }
                Err(error)
            }
        }
    }

    /// The block, if it is kept open.
    pub(crate) fn kept(&self, tenant: &TenantId, id: Ulid) -> Option<Arc<Block>> {
        let kept = self.kept.lock();
        let (cell, _) = kept.cells.get(&(tenant.clone(), id))?;
        cell.get().cloned()
    }

    fn cell(&self, key: &Key) -> Cell {
        let mut kept = self.kept.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (cell, used) = kept.cells.entry(key.clone()).or_default();
        *used = now;
        Arc::clone(cell)
    }

    /// Closes the least recently used until the rest fit; blocks grow while they are read, so that all are
    /// weighed anew.
    fn make_room(&self, newest: &Key) {
        let mut kept = self.kept.lock();
        let weigh = |(cell, _): &(Cell, u64)| cell.get().map_or(0, |block| block.weight());
        let mut total: usize = kept.cells.values().map(weigh).sum();
        let mut by_use: Vec<(u64, Key)> = Vec::new();
        if total > self.budget {
            let others = kept.cells.iter().filter(|(key, (cell, _))| *key != newest && cell.get().is_some());
            by_use.extend(others.map(|(key, (_, used))| (*used, key.clone())));
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
