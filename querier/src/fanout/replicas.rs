//! How a query takes series that have replica labels.
//!
//! Most series have none, and reading them must not cost more for those that do. So series are read as they are until
//! one with a replica label comes; what a tenant's metric was seen to have is remembered.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use latewood_model::dedup::{ReplicaLabels, Stock};
use latewood_model::{METRIC_NAME, MatchOp, Matcher, TenantId};
use parking_lot::Mutex;

/// What one query knows of replicas. It does not deduplicate if there are no labels.
#[derive(Debug)]
pub(crate) struct Replicas {
    pub(crate) labels: ReplicaLabels,
    expected: AtomicBool,
    came_late: AtomicBool,
}

impl Replicas {
    pub(crate) fn new(labels: ReplicaLabels) -> Self {
        Self { labels, expected: AtomicBool::new(false), came_late: AtomicBool::new(false) }
    }

    /// The same for one who cannot begin again: series are gathered in groups from the start.
    pub(crate) fn expected(labels: ReplicaLabels) -> Self {
        Self { labels, expected: AtomicBool::new(true), came_late: AtomicBool::new(false) }
    }

    /// Whether series are gathered in groups from the start.
    pub(super) fn are_expected(&self) -> bool {
        self.expected.load(Ordering::Relaxed)
    }

    /// Takes note that replicas came when series had been handed on already: the query must be run again.
    pub(super) fn came_late(&self) {
        self.expected.store(true, Ordering::Relaxed);
        self.came_late.store(true, Ordering::Relaxed);
    }

    /// Whether the query must be run again; asked once for each run.
    pub(crate) fn take_came_late(&self) -> bool {
        self.came_late.swap(false, Ordering::Relaxed)
    }
}

/// The most metrics remembered.
const MAX_HINTS: usize = 10_000;

/// Metrics of which replicas were seen. A hint that is missing or wrong costs time and nothing else.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<HashSet<Hint>>);

/// Of a tenant, by the metric's name; all selectors without one are alike. Of what compaction has deduplicated apart from
/// the rest, as only what came late has replicas there.
type Hint = (TenantId, String, Stock);

impl Hints {
    /// Whether the series that these select were seen to have replicas.
    pub(super) fn has(&self, tenant: &TenantId, matchers: &[Matcher], stock: Stock) -> bool {
        let hints = self.0.lock();
        !hints.is_empty() && hints.contains(&key(tenant, matchers, stock))
    }

    /// Takes note of what was seen.
    pub(super) fn set(&self, tenant: &TenantId, matchers: &[Matcher], stock: Stock, have_replicas: bool) {
        let (mut hints, key) = (self.0.lock(), key(tenant, matchers, stock));
        if !have_replicas {
            hints.remove(&key);
            return;
        }
        if hints.len() >= MAX_HINTS {
            hints.clear();
        }
        hints.insert(key);
    }
}

fn key(tenant: &TenantId, matchers: &[Matcher], stock: Stock) -> Hint {
    let names = |matcher: &&Matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal;
    let name = matchers.iter().find(names).map_or("", Matcher::value);
    (tenant.clone(), name.to_owned(), stock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_by_tenant_and_metric_and_stock() {
        let hints = Hints::default();
        let tenant = TenantId::anonymous();
        let up = |op| [Matcher::new(op, METRIC_NAME, "up").unwrap()];
        let (stock, other) = (Stock::Replicas, Stock::Deduplicated);
        hints.set(&tenant, &up(MatchOp::Equal), stock, true);
        assert!(hints.has(&tenant, &up(MatchOp::Equal), stock));
        assert!(!hints.has(&tenant, &up(MatchOp::Equal), other));
        assert!(!hints.has(&tenant, &up(MatchOp::Regex), stock));
        assert!(!hints.has(&TenantId::new("other").unwrap(), &up(MatchOp::Equal), stock));
        hints.set(&tenant, &up(MatchOp::Equal), stock, false);
        assert!(!hints.has(&tenant, &up(MatchOp::Equal), stock));
    }

    #[test]
    fn a_run_that_must_be_repeated_is_told_once_and_the_next_expects_replicas() {
        let replicas = Replicas::new(ReplicaLabels::new(["replica"]));
        assert!(!replicas.take_came_late() && !replicas.are_expected());
        replicas.came_late();
        assert!(replicas.take_came_late() && !replicas.take_came_late() && replicas.are_expected());
    }
}
