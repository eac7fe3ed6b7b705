//! The series of each tenant on the shards of this node.
//!
//! Lock order: a tenant's ledgers, then the tables of its series. Whoever applies entries takes no lock of these.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latewood_base::Clock;
use latewood_cluster::Group;
use latewood_model::TenantId;
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_64;

use super::ledger::{Frozen, Ledger};
use super::{Admission, Limits};
use crate::distributor::ShardMap;
use crate::head::{ClosedData, Generation, Head, TenantHead};
use crate::journal::ShardState;

/// The ledgers of one tenant, by the shards' places.
pub(super) type Ledgers = BTreeMap<u32, Ledger>;

/// In which term this node leads a shard.
type LeaderTerm = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// What all shards of a node count together.
pub(crate) struct SeriesLimits {
    pub(super) limits: Arc<Limits>,
    pub(super) clock: Clock,
    map: ShardMap,
    places: RwLock<BTreeMap<u32, Place>>,
    tenants: Mutex<HashMap<TenantId, Arc<Mutex<Ledgers>>>>,
}

struct Place {
    head: Head,
    leader_term: LeaderTerm,
}

/// A shard that this node leads: its term, and what its open generation has of a tenant.
#[derive(Debug)]
pub(super) struct Led {
    pub(super) place: u32,
    pub(super) term: u64,
    pub(super) open: Option<Arc<TenantHead>>,
}

impl fmt::Debug for SeriesLimits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SeriesLimits").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The number by which a metric is counted.
pub(super) fn metric_key(name: &[u8]) -> u64 {
    xxh3_64(name)
}

impl SeriesLimits {
    /// Of a node, by the placement of series on all shards that there are.
    pub(crate) fn new(limits: Arc<Limits>, map: ShardMap, clock: Clock) -> Arc<Self> {
        Arc::new(Self { limits, clock, map, places: RwLock::default(), tenants: Mutex::default() })
    }

    /// The limits at a shard of this node.
    pub(crate) fn at(self: &Arc<Self>, place: u32, head: Head) -> ShardLimits {
        ShardLimits { node: Arc::clone(self), place, head, noted: Arc::default() }
    }

    pub(super) fn ledgers(&self, tenant: &TenantId) -> Arc<Mutex<Ledgers>> {
        Arc::clone(self.tenants.lock().entry(tenant.clone()).or_default())
    }

    /// How many shards a tenant uses, and those of them that this node leads: `own` in any case.
    pub(super) fn led(&self, tenant: &TenantId, own: (u32, u64)) -> (usize, Vec<Led>) {
        let used = self.map.used_by(tenant);
        let all = (used < self.map.shards()).then(|| self.map.of_tenant(tenant, used));
        let uses = |place: u32| all.as_ref().is_none_or(|shards| shards.as_slice().contains(&place));
        let places = self.places.read();
        let led = places.iter().filter(|(place, _)| uses(**place)).filter_map(|(&place, shard)| {
            let term = if place == own.0 { Some(own.1) } else { (shard.leader_term)() };
            Some(Led { place, term: term?, open: shard.head.open().tenant(tenant) })
        });
        (used as usize, led.collect())
    }

    /// The series of a generation of a shard count on as frozen ones. Looks at all of them.
    fn freeze(&self, place: u32, generation: &Generation) {
        for tenant in generation.tenants() {
            let limited = self.limits.of_series(&tenant).is_some();
            let Some(head) = generation.tenant(&tenant).filter(|_| limited) else { continue };
            let mut frozen = Frozen::default();
            head.for_each_metric(|name, hashes| {
                let metric = metric_key(name.as_bytes());
                hashes.for_each(|hash| frozen.insert(metric, hash));
            });
            let (ledgers, now) = (self.ledgers(&tenant), self.clock.elapsed());
            let mut ledgers = ledgers.lock();
            let ledger = ledgers.entry(place).or_default();
            ledger.expire(now);
            ledger.freeze(frozen, now);
        }
        self.tidy();
    }

    /// Forgets tenants of whom nothing counts.
    fn tidy(&self) {
        let now = self.clock.elapsed();
        self.tenants.lock().retain(|_, ledgers| {
            let Some(mut locked) = ledgers.try_lock().filter(|_| Arc::strong_count(ledgers) == 1) else {
                return true;
            };
            locked.values_mut().for_each(|ledger| ledger.expire(now));
            !locked.values().all(Ledger::is_empty)
        });
    }

    #[cfg(test)]
    pub(super) fn known_tenants(&self) -> usize {
        self.tenants.lock().len()
    }
}

/// The limits at one shard. Clones share what they have noted.
#[derive(Clone, Debug)]
pub(crate) struct ShardLimits {
    node: Arc<SeriesLimits>,
    place: u32,
    head: Head,
    noted: Arc<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// The newest closed generation whose series count.
    closed: Mutex<u64>,
    /// The open generation then.
    open: AtomicU64,
}

impl ShardLimits {
    /// The shard is open: its series count where this node leads it, until [`ShardLimits::leave`].
    pub(crate) fn enter(&self, group: Group<ShardState>) {
        self.enter_led(Box::new(move || group.leader_term()));
    }

    pub(super) fn enter_led(&self, leader_term: LeaderTerm) {
        if self.node.limits.limits_series() {
            let place = Place { head: self.head.clone(), leader_term };
            self.node.places.write().insert(self.place, place);
        }
    }

    /// Whether there was a freeze whose series do not count yet: then [`ShardLimits::catch_up`] comes first.
    pub(crate) fn is_behind(&self, open: &Generation) -> bool {
        self.node.limits.limits_series() && self.noted.open.load(Ordering::Acquire) != open.number()
    }

    /// Has the series of generations that were closed meanwhile count as frozen ones: before anything is admitted to the
    /// next one, and before they leave the memory. Looks at all of them: call it off the async runtime.
    pub(crate) fn catch_up(&self) {
        if !self.node.limits.limits_series() {
            return;
        }
        let mut newest = self.noted.closed.lock();
        let open = self.head.open().number();
        for closed in self.head.closed() {
            if closed.number > *newest {
                if let ClosedData::Memory(generation) = &closed.data {
                    self.node.freeze(self.place, generation);
                }
                *newest = closed.number;
            }
        }
        self.noted.open.store(open, Ordering::Release);
    }

    /// What decides on the series of an entry for a generation; `None` where nobody's are limited.
    pub(crate) fn admission(&self, generation: &Arc<Generation>, term: u64) -> Option<Admission> {
        let limited = self.node.limits.limits_series();
        limited.then(|| Admission::new(Arc::clone(&self.node), (self.place, term), Arc::clone(generation)))
    }

    /// The shard is gone from this node.
    pub(crate) fn leave(&self) {
        self.node.places.write().remove(&self.place);
        for ledgers in self.node.tenants.lock().values() {
            ledgers.lock().remove(&self.place);
        }
    }
}
