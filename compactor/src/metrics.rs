//! What the compactor counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::plan::{Job, JobKind};

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
    /// Blocks that outlived their retention.
    pub expired: Counter,
    /// Blocks that have outlived their retention and stay, because a coarser one is owed.
    pub owed: Gauge,
    /// Compactions that were committed, by kind.
    pub compactions: Family<[(&'static str, &'static str); 1], Counter>,
    /// Compactions that failed.
    pub compaction_failures: Counter,
    /// Compactions whose inputs others had changed meanwhile.
    pub overtaken: Counter,
    /// Blocks that compaction leaves alone because they are damaged.
    pub quarantined: Counter,
    /// Samples of compacted blocks.
    pub samples: Counter,
    /// Bytes of compacted blocks.
    pub bytes: Counter,
    /// Time spent on compactions that were committed, in seconds.
    pub seconds: Counter<f64, AtomicU64>,
    /// Compactions that are planned.
    pub backlog: Gauge,
    /// Bytes of their blocks.
    pub backlog_bytes: Gauge,
    /// How long they will take at the pace so far, in seconds.
    pub backlog_seconds: Gauge<f64, AtomicU64>,
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
        metrics.register_compaction(registry);
        metrics
    }

    fn register_compaction(&self, registry: &mut Registry) {
        let name = |name: &str| format!("latewood_compactor_{name}");
        registry.register(name("compactions"), "Compactions that were committed", self.compactions.clone());
        let mut add = |short: &str, help: &str, counter: &Counter| {
            registry.register(name(short), help, counter.clone());
        };
        add(
            "compaction_failures",
            "Compactions that failed; they are tried again",
            &self.compaction_failures,
        );
        let help = "Compactions whose blocks another compactor or a deletion had changed meanwhile";
        add("compactions_overtaken", help, &self.overtaken);
        add(
            "blocks_quarantined",
            "Blocks that are damaged or missing and not compacted any more",
            &self.quarantined,
        );
        add("compacted_samples", "Samples of the blocks that compactions were made of", &self.samples);
        add("compacted_bytes", "Bytes of the blocks that compactions were made of", &self.bytes);
        add("blocks_expired", "Blocks that outlived their retention", &self.expired);
        let help = "Time spent on compactions that were committed, in seconds";
        registry.register(name("compaction_seconds"), help, self.seconds.clone());
        let help =
            "Blocks that have outlived their retention and stay until a coarser block has their samples";
        registry.register(name("blocks_owed"), help, self.owed.clone());
        registry.register(name("backlog_compactions"), "Compactions that are planned", self.backlog.clone());
        let help = "Bytes of the blocks of planned compactions";
        registry.register(name("backlog_bytes"), help, self.backlog_bytes.clone());
        let help = "How long planned compactions will take at the pace of those so far, in seconds";
        registry.register(name("backlog_seconds"), help, self.backlog_seconds.clone());
    }

    /// Counts a compaction that was committed.
    pub fn job_done(&self, job: &Job, took: Duration) {
        let kind = match job.kind {
            JobKind::Align => "align",
            JobKind::Merge => "merge",
            JobKind::Rollup => "rollup",
            JobKind::Mask => "mask",
            JobKind::Join => "join",
        };
        self.compactions.get_or_create(&[("kind", kind)]).inc();
        self.samples.inc_by(job.samples());
        self.bytes.inc_by(job.bytes());
        self.seconds.inc_by(took.as_secs_f64());
    }

    /// Notes what is planned.
    pub fn set_backlog(&self, jobs: usize, bytes: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.backlog.set(gauge(jobs as u64));
        self.backlog_bytes.set(gauge(bytes));
        let pace = self.bytes.get() as f64 / self.seconds.get();
        self.backlog_seconds.set(if pace.is_finite() && pace > 0.0 { bytes as f64 / pace } else { 0.0 });
    }
}
