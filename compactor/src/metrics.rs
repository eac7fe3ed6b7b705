//! What the compactor counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the compactor counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Collections that ended well, one a tenant.
    pub runs: Counter,
    /// Collections that failed.
    pub failures: Counter,
    /// Blocks that no commit named.
    pub marked: Counter,
    /// Blocks deleted.
    pub deleted: Counter,
    /// Objects deleted.
    pub objects: Counter,
    /// Objects of the catalog's log deleted.
    pub pruned: Counter,
    /// Blocks of the last look at all tenants that may be data of a lost catalog.
    pub withheld: Gauge,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut add = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("latewood_compactor_{name}"), help, counter.clone());
        };
        add("cleanup_runs", "Garbage collections that ended well, one a tenant", &metrics.runs);
        add("cleanup_failures", "Garbage collections that failed", &metrics.failures);
        add("blocks_marked_dead", "Blocks that no commit named, marked dead", &metrics.marked);
        add("blocks_deleted", "Dead blocks whose objects were deleted", &metrics.deleted);
        add("objects_deleted", "Objects of dead blocks that were deleted", &metrics.objects);
        let help = "Commits and checkpoints of catalogs that nobody will read again, deleted";
        add("commits_pruned", help, &metrics.pruned);
        registry.register(
            "latewood_compactor_blocks_withheld",
            "Whole blocks that no commit names and that a lost catalog may have named: rebuild it",
            metrics.withheld.clone(),
        );
        metrics
    }
}
