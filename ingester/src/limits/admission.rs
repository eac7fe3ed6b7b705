//! Which new series an entry may define.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_model::{SeriesHash, TenantId};

use super::SeriesLimits;
use super::ledger::Standing;
use super::series::{Led, Ledgers, metric_key};
use super::share::share;
use super::table::Held;
use crate::Cause;
use crate::head::Generation;

/// A series that the open generation does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) hash: SeriesHash,
    /// The metric's name.
    pub(crate) metric: &'a [u8],
}

/// Why a series may not be defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    pub(crate) message: Arc<str>,
}

/// Decides on the series of one entry; those that it admits count from then on, and are released when it is dropped:
/// after the entry was applied, or was not.
#[derive(Debug)]
pub(crate) struct Admission {
    node: Arc<SeriesLimits>,
    /// The shard's place, and the term in which this node leads it.
    own: (u32, u64),
    generation: Arc<Generation>,
    under_way: Vec<(TenantId, Vec<u64>)>,
}

impl Admission {
    pub(super) fn new(node: Arc<SeriesLimits>, own: (u32, u64), generation: Arc<Generation>) -> Self {
        Self { node, own, generation, under_way: Vec::new() }
    }

    /// Decides on series of a tenant, in their order: `None` is admitted. Answers nothing where they are not limited.
    pub(crate) fn admit<'a>(
        &mut self,
        tenant: &TenantId,
        candidates: impl Iterator<Item = Candidate<'a>>,
    ) -> Vec<Option<Refusal>> {
        let Some(held) = self.node.limits.of_series(tenant) else { return Vec::new() };
        let ledgers = self.node.ledgers(tenant);
        let mut ledgers = ledgers.lock();
        let (used, led) = self.node.led(tenant, self.own);
        let now = self.node.clock.elapsed();
        ledgers.entry(self.own.0).or_default();
        ledgers.values_mut().for_each(|ledger| ledger.expire(now));
        let mut count = Count {
            tenant,
            held,
            own: self.own.0,
            used,
            led,
            ledgers: &mut ledgers,
            settled: false,
            total: 0,
            of_metric: HashMap::new(),
            messages: HashMap::new(),
            under_way: Vec::new(),
        };
        count.total = count.all();
        let decided = candidates.map(|candidate| count.decide(candidate)).collect();
        let under_way = count.under_way;
        self.under_way.push((tenant.clone(), under_way));
        decided
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        for (tenant, hashes) in self.under_way.drain(..) {
            let stored = self.generation.tenant(&tenant);
            let ledgers = self.node.ledgers(&tenant);
            let mut ledgers = ledgers.lock();
            let Some(ledger) = ledgers.get_mut(&self.own.0) else { continue };
            for hash in hashes {
                ledger.release(hash, stored.as_ref().is_some_and(|head| head.has_hash(hash)));
            }
        }
    }
}

/// The series of a tenant on the shards that this node leads.
struct Count<'a> {
    tenant: &'a TenantId,
    held: Held,
    own: u32,
    used: usize,
    led: Vec<Led>,
    ledgers: &'a mut Ledgers,
    settled: bool,
    total: u64,
    /// Of each metric that was asked for, when its series are limited.
    of_metric: HashMap<u64, u64>,
    messages: HashMap<(Cause, u64), Arc<str>>,
    under_way: Vec<u64>,
}

impl Count<'_> {
    fn decide(&mut self, candidate: Candidate<'_>) -> Option<Refusal> {
        let (hash, metric) = (candidate.hash.low(), metric_key(candidate.metric));
        let known = |ledgers: &mut Ledgers, own| {
            ledgers.get_mut(&own).is_some_and(|own| own.take(metric, hash) == Standing::Known)
        };
        if known(self.ledgers, self.own) {
            self.under_way.push(hash);
            return None;
        }
        if self.full(metric, candidate.metric).is_some() {
            // It may have been applied since it was looked up.
            let own = self.led.iter().find(|led| led.place == self.own);
            if own.and_then(|led| led.open.as_ref()).is_some_and(|open| open.has_hash(hash)) {
                return None;
            }
            self.settle();
            if let Some(cause) = self.full(metric, candidate.metric) {
                return Some(self.refusal(cause, metric, candidate.metric));
            }
        }
        if let Some(own) = self.ledgers.get_mut(&self.own) {
            own.add(metric, hash);
        }
        self.under_way.push(hash);
        self.total += 1;
        self.of_metric.entry(metric).and_modify(|count| *count += 1);
        None
    }

    /// Which limit leaves no room for one more.
    fn full(&mut self, metric: u64, name: &[u8]) -> Option<Cause> {
        let (Held { series, series_per_metric, .. }, led, used) = (self.held, self.led.len(), self.used);
        if series > 0 && self.total >= share(series, led, used) {
            return Some(Cause::SeriesLimit);
        }
        if series_per_metric == 0 {
            return None;
        }
        let count = match self.of_metric.get(&metric) {
            Some(count) => *count,
            None => {
                let count = self.all_of(metric, name);
                self.of_metric.insert(metric, count);
                count
            }
        };
        (count >= share(series_per_metric, led, used)).then_some(Cause::MetricSeriesLimit)
    }

    /// All that count.
    fn all(&self) -> u64 {
        let open = |led: &Led| led.open.as_ref().map_or(0, |open| open.series() as u64);
        let beside = |led: &Led| self.ledgers.get(&led.place).map_or(0, super::ledger::Ledger::count);
        self.led.iter().map(|led| open(led) + beside(led)).sum()
    }

    /// All of a metric that count.
    fn all_of(&self, metric: u64, name: &[u8]) -> u64 {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let open = |led: &Led| led.open.as_ref().map_or(0, |open| open.series_of(name) as u64);
        let beside = |led: &Led| self.ledgers.get(&led.place).map_or(0, |ledger| ledger.count_of(metric));
        self.led.iter().map(|led| open(led) + beside(led)).sum()
    }

    /// Counts again, what was applied meanwhile once: before the first refusal.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        for led in &self.led {
            if let Some(ledger) = self.ledgers.get_mut(&led.place) {
                ledger.settle(led.term, |hash| led.open.as_ref().is_some_and(|open| open.has_hash(hash)));
            }
        }
        self.total = self.all();
        self.of_metric.clear();
    }

    fn refusal(&mut self, cause: Cause, metric: u64, name: &[u8]) -> Refusal {
        let key = (cause, if cause == Cause::MetricSeriesLimit { metric } else { 0 });
        let (tenant, held) = (self.tenant, self.held);
        let message = self.messages.entry(key).or_insert_with(|| message(tenant, held, cause, name));
        Refusal { cause, message: Arc::clone(message) }
    }
}

fn message(tenant: &TenantId, held: Held, cause: Cause, name: &[u8]) -> Arc<str> {
    let (of, limit, setting) = if cause == Cause::MetricSeriesLimit {
        // The text is cut: a name may be as long as labels may be.
        let name: String = String::from_utf8_lossy(name).chars().take(60).collect();
        (format!(" of metric {name:?}"), held.series_per_metric, "max_global_series_per_metric")
    } else {
        (String::new(), held.series, "max_global_series_per_user")
    };
    let advice = "known series go on. Send fewer series, or have it raised";
    let text = format!(
        "tenant {tenant} has {limit} active series{of} ({setting}): a new one is not stored, {advice} \
         (ingester.limits.overrides.{tenant})"
    );
    text.into()
}
