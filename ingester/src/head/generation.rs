//! One generation of a shard's head: what was written between two freezes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use latewood_model::TenantId;
use parking_lot::RwLock;

use super::table::AppendCounts;
use super::tenant_head::TenantHead;
use crate::journal::EntryBatch;

/// The samples of all tenants between two freezes. Only the shard's state machine writes to it.
#[derive(Debug)]
pub struct Generation {
    number: u64,
    tenants: RwLock<HashMap<TenantId, Arc<TenantSlot>>>,
    bytes: AtomicUsize,
    series: AtomicU64,
    samples: AtomicU64,
}

#[derive(Debug, Default)]
struct TenantSlot {
    head: Arc<TenantHead>,
    /// The bytes that are in the generation's sum.
    counted: AtomicUsize,
}

impl Generation {
    /// An empty generation.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            number,
            tenants: RwLock::default(),
            bytes: AtomicUsize::new(0),
            series: AtomicU64::new(0),
            samples: AtomicU64::new(0),
        }
    }

    /// Its number; later generations have greater ones.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Appends an entry's samples.
    pub fn apply(&self, entry: &EntryBatch) -> AppendCounts {
        let mut all = AppendCounts::default();
        for part in &entry.tenants {
            let slot = self.slot(&part.tenant);
            let (counts, heap) = slot.head.apply(part);
            let before = slot.counted.swap(heap, Ordering::Relaxed);
            // Only one writer: the sum is moved by the difference.
            self.bytes.fetch_add(heap.wrapping_sub(before), Ordering::Relaxed);
            all.add(counts);
        }
        self.series.fetch_add(all.series, Ordering::Relaxed);
        self.samples.fetch_add(all.in_order + all.late, Ordering::Relaxed);
        all
    }

    fn slot(&self, tenant: &TenantId) -> Arc<TenantSlot> {
        if let Some(slot) = self.tenants.read().get(tenant) {
            return Arc::clone(slot);
        }
        Arc::clone(self.tenants.write().entry(tenant.clone()).or_default())
    }

    /// A tenant's part, if it has any.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Option<Arc<TenantHead>> {
        self.tenants.read().get(tenant).map(|slot| Arc::clone(&slot.head))
    }

    /// The tenants that have something in it, in order.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<_> = self.tenants.read().keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.read().is_empty()
    }

    /// Bytes of memory held by series and samples, right within some per cent.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many series, those of all tenants together.
    #[must_use]
    pub fn series(&self) -> u64 {
        self.series.load(Ordering::Relaxed)
    }

    /// How many samples were taken.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }
}
