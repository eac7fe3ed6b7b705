//! The compactor's loops.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use latewood_base::{Clock, Ids, Offload, Shutdown};
use latewood_blockstore::Publisher;
use latewood_catalog::{Catalogs, View};
use latewood_model::TenantId;
use latewood_objstore::Bucket;
use prometheus_client::registry::Registry;

use crate::compaction::{Compaction, Scratch};
use crate::garbage::Collector;
use crate::http;
use crate::metrics::Metrics;
use crate::runner::{Runner, Wanted};
use crate::{CompactError, CompactorConfig, Job};

/// What a compactor is given by its process.
#[derive(Clone, Debug)]
pub struct CompactorDeps {
    /// Where blocks live.
    pub bucket: Bucket,
    /// What blocks there are.
    pub catalogs: Arc<Catalogs>,
    /// Time.
    pub clock: Clock,
    /// Ids of new blocks.
    pub ids: Ids,
    /// Blocks are decoded and encoded here.
    pub offload: Offload,
    /// A folder on the local disk that belongs to this compactor alone; what is in it is deleted.
    pub scratch_dir: PathBuf,
}

/// Tends the blocks of all tenants.
#[derive(Debug)]
pub struct Compactor {
    catalogs: Arc<Catalogs>,
    runner: Runner,
    collector: Collector,
    metrics: Arc<Metrics>,
    enable_admin_api: bool,
    /// How often each of the two goes round.
    intervals: (Duration, Duration),
}

impl Compactor {
    /// A compactor; registers its metrics and empties its folder.
    ///
    /// # Errors
    /// [`CompactError::Store`] when the folder cannot be emptied.
    pub fn new(
        config: &CompactorConfig,
        deps: CompactorDeps,
        registry: &mut Registry,
    ) -> Result<Self, CompactError> {
        let metrics = Arc::new(Metrics::new(registry));
        let compaction = Compaction {
            bucket: Arc::clone(&deps.bucket),
            ids: deps.ids,
            offload: deps.offload.clone(),
            publisher: Publisher {
                bucket: deps.bucket,
                offload: deps.offload,
                concurrency: config.upload_concurrency,
            },
            replica_labels: config.replica_labels(),
            max_waiting_bytes: config.max_waiting_bytes,
            scratch: Scratch::clean(deps.scratch_dir)?,
        };
        let catalogs = Arc::clone(&deps.catalogs);
        Ok(Self {
            runner: Runner::new(config, compaction, deps.catalogs, deps.clock.clone(), Arc::clone(&metrics)),
            collector: Collector {
                policy: config.garbage_policy(),
                config: config.clone(),
                clock: deps.clock,
                catalogs: Arc::clone(&catalogs),
                metrics: Arc::clone(&metrics),
            },
            catalogs,
            metrics,
            enable_admin_api: config.enable_admin_api,
            intervals: (config.compaction_interval(), config.cleanup_interval()),
        })
    }

    /// The deletion of tenants.
    pub fn routes(&self) -> Router {
        http::routes(Arc::clone(&self.catalogs), self.enable_admin_api)
    }

    /// Compacts and collects garbage again and again until the signal. Either may be cut short at any point.
    pub async fn run(self, shutdown: Shutdown) {
        let compacting = async {
            let mut ticks = ticks(self.intervals.0);
            loop {
                ticks.tick().await;
                self.compact_once().await;
            }
        };
        let collecting = async {
            let mut ticks = ticks(self.intervals.1);
            loop {
                ticks.tick().await;
                self.collect_once().await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.begun() => {}
            () = compacting => {}
            () = collecting => {}
        }
    }

    /// Does all the compactions that there are to do now. Failures are logged and counted.
    pub async fn compact_once(&self) {
        if let Some(tenants) = self.tenants().await {
            self.runner.compact_all(&tenants).await;
        }
    }

    /// Does those of a tenant's jobs that are wanted, as [`Compactor::compact_once`] does all, until none is planned that
    /// nobody else is at. `told` is told of each before it is begun. May be cut short at any point, and go on later.
    ///
    /// # Errors
    /// The first job's that fails for another reason than a damaged block, which is marked and left alone.
    pub async fn work_on(
        &self,
        tenant: &TenantId,
        wanted: &(dyn Fn(&Job) -> bool + Sync),
        told: &(dyn Fn(&Job) + Sync),
    ) -> Result<(), CompactError> {
        self.runner.compact(tenant, Wanted { job: wanted, told }).await
    }

    /// What is planned for a tenant of this view now.
    #[must_use]
    pub fn planned(&self, view: &View) -> Vec<Job> {
        self.runner.planned(view)
    }

    /// Collects the garbage that there is now. Failures are logged and counted.
    pub async fn collect_once(&self) {
        if let Some(tenants) = self.tenants().await {
            self.collector.collect_all(&tenants).await;
        }
    }

    async fn tenants(&self) -> Option<Vec<TenantId>> {
        let tenants = self.catalogs.tenants().await;
        tenants
            .inspect_err(|error| {
                self.metrics.failures.inc();
                tracing::warn!(%error, "cannot list tenants");
            })
            .ok()
    }
}

/// A tick at each interval; those that nobody waited for are left out.
fn ticks(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}
