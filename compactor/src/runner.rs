//! From tenant to tenant: what is planned is done, as long as there is anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use latewood_base::Clock;
use latewood_catalog::{Catalogs, Change, Lease, NoCompactMark, TenantCatalog, View};
use latewood_model::TenantId;
use parking_lot::Mutex;

use crate::compaction::{Compaction, Outcome};
use crate::metrics::Metrics;
use crate::plan::{Job, Policy, plan};
use crate::{CompactError, CompactorConfig};

/// Which jobs are done.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) job: &'a (dyn Fn(&Job) -> bool + Sync),
    /// Told of each before it is begun.
    pub(crate) told: &'a (dyn Fn(&Job) + Sync),
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempted {
    /// Another compactor is at it.
    Leased,
    /// The catalog has changed, and the job is not done: it is to be planned anew.
    Overtaken,
    /// It is committed.
    Done,
}

/// Plans and does the jobs of all tenants.
#[derive(Debug)]
pub(crate) struct Runner {
    policy: Policy,
    compaction: Compaction,
    catalogs: Arc<Catalogs>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Tenants that are worked on at once.
    concurrency: usize,
    lease: Duration,
    /// What was planned for each tenant last: jobs and bytes.
    backlog: Mutex<HashMap<TenantId, (usize, u64)>>,
}

impl Runner {
    pub(crate) fn new(
        config: &CompactorConfig,
        compaction: Compaction,
        catalogs: Arc<Catalogs>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            policy: config.policy(),
            compaction,
            catalogs,
            clock,
            metrics,
            concurrency: config.concurrency.max(1),
            lease: config.lease(),
            backlog: Mutex::default(),
        }
    }

    /// Does what there is to do for all tenants; one tenant's failure does not keep the others waiting.
    pub(crate) async fn compact_all(&self, tenants: &[TenantId]) {
        self.backlog.lock().retain(|tenant, _| tenants.contains(tenant));
        let work: Vec<_> = tenants.iter().map(|tenant| self.compact_tenant(tenant).boxed()).collect();
        stream::iter(work).buffer_unordered(self.concurrency).collect::<()>().await;
    }

    async fn compact_tenant(&self, tenant: &TenantId) {
        let all = Wanted { job: &|_| true, told: &|_| {} };
        if let Err(error) = self.compact(tenant, all).await {
            self.metrics.compaction_failures.inc();
            tracing::warn!(%tenant, %error, "compaction failed; it is tried again");
        }
    }

    /// Does those of a tenant's jobs that are wanted until none is planned, or nothing gets done. One that would fail in the
    /// same way again keeps the others from nothing; the first such failure is told in the end.
    pub(crate) async fn compact(&self, tenant: &TenantId, wanted: Wanted<'_>) -> Result<(), CompactError> {
        let (catalog, mut before) = (self.catalogs.tenant(tenant), Vec::<Job>::new());
        let mut failed: Vec<(Job, CompactError)> = Vec::new();
        loop {
            let view = catalog.refresh(0).await?;
            let mut jobs = self.planned(&view);
            jobs.retain(|job| (wanted.job)(job) && failed.iter().all(|(other, _)| other != job));
            // What is planned again right after it was done would be for ever.
            if jobs.iter().any(|job| before.contains(job)) {
                tracing::error!(%tenant, jobs = jobs.len(), "compactions lead nowhere");
                return Ok(());
            }
            self.note_backlog(tenant, &jobs);
            let mut has_changed = false;
            before.clear();
            for (place, job) in jobs.iter().enumerate() {
                (wanted.told)(job);
                match self.attempt(&catalog, &view, job).await {
                    Err(error) if error.is_of_shape() => failed.push((job.clone(), error)),
                    attempted => match attempted? {
                        Attempted::Leased => {}
                        Attempted::Overtaken => has_changed = true,
                        Attempted::Done => {
                            has_changed = true;
                            before.push(job.clone());
                        }
                    },
                }
                self.note_backlog(tenant, jobs.get(place + 1..).unwrap_or_default());
            }
            if !has_changed {
                return failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error));
            }
        }
    }

    /// What is planned of a view now. What is going needs no other shape.
    pub(crate) fn planned(&self, view: &View) -> Vec<Job> {
        if view.is_deleted() { Vec::new() } else { plan(view, self.clock.now_ms(), &self.policy) }
    }

    /// Does a job unless another compactor is at it.
    async fn attempt(
        &self,
        catalog: &TenantCatalog,
        view: &View,
        job: &Job,
    ) -> Result<Attempted, CompactError> {
        let Some(lease) = catalog.lease(&job.lease_name(), millis(self.lease)).await? else {
            return Ok(Attempted::Leased);
        };
        let began = self.clock.elapsed();
        let outcome = self.leased(catalog, view, job, lease).await;
        match outcome {
            Ok(Outcome::Done { blocks, samples, bytes }) => {
                let took = self.clock.elapsed().saturating_sub(began);
                self.metrics.job_done(job, took);
                tracing::info!(
                    tenant = %catalog.tenant(), kind = ?job.kind, inputs = job.inputs.len(), input_bytes = job.bytes(),
                    blocks, samples, bytes, seconds = took.as_secs_f64(), "compacted"
                );
                Ok(Attempted::Done)
            }
            Ok(Outcome::Overtaken) => {
                self.metrics.overtaken.inc();
                Ok(Attempted::Overtaken)
            }
            Err(error) => self.set_aside(catalog, error).await.map(|()| Attempted::Overtaken),
        }
    }

    /// Does a job while its lease is held.
    async fn leased(
        &self,
        catalog: &TenantCatalog,
        view: &View,
        job: &Job,
        mut lease: Lease<'_>,
    ) -> Result<Outcome, CompactError> {
        let outcome = tokio::select! {
            outcome = self.compaction.run(catalog, view, job) => outcome,
            lost = self.keep(&mut lease) => Err(lost),
        };
        if let Err(error) = lease.release().await {
            tracing::debug!(tenant = %catalog.tenant(), %error, "a lease was not released and runs out by itself");
        }
        outcome
    }

    /// Renews a lease for ever; returns when it was lost.
    async fn keep(&self, lease: &mut Lease<'_>) -> CompactError {
        let mut ticks = tokio::time::interval(self.lease / 3);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match lease.renew(millis(self.lease)).await {
                Ok(true) => {}
                Ok(false) => return CompactError::LeaseLost,
                // The lease saves work and protects nothing: without a bucket the job fails by itself.
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    }

    /// Leaves a block alone from now on that is damaged or missing, so that the rest can go on.
    async fn set_aside(&self, catalog: &TenantCatalog, error: CompactError) -> Result<(), CompactError> {
        let Some(block) = error.bad_block() else { return Err(error) };
        let view = catalog.refresh(0).await?;
        if !view.blocks.contains_key(&block) {
            return Ok(());
        }
        if view.no_compact.contains_key(&block) {
            return Err(error);
        }
        self.metrics.quarantined.inc();
        tracing::error!(tenant = %catalog.tenant(), %block, %error, "the block is not compacted any more");
        let mark = NoCompactMark::new(block, &error.to_string());
        let change = Change { no_compact: vec![mark], ..Change::default() };
        match catalog.commit(change).await {
            // It was replaced at this very moment.
            Err(error) if error.conflict().is_some() => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    fn note_backlog(&self, tenant: &TenantId, jobs: &[Job]) {
        let bytes = jobs.iter().fold(0u64, |sum, job| sum.saturating_add(job.bytes()));
        let mut backlog = self.backlog.lock();
        backlog.insert(tenant.clone(), (jobs.len(), bytes));
        let jobs = backlog.values().map(|(jobs, _)| jobs).sum();
        let bytes = backlog.values().fold(0, |sum, (_, bytes)| bytes.saturating_add(sum));
        self.metrics.set_backlog(jobs, bytes);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
