//! The ingester.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use latewood_base::{Clock, Ids, Offload, Rng, Shutdown, Tasks};
use latewood_catalog::Catalogs;
use latewood_objstore::Bucket;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::store::StoreApi;
use latewood_wal::{Journal, Recovered};
use prometheus_client::registry::Registry;

use super::metrics::ShardsCollector;
use super::{IngesterConfig, Layout, StartError, admin, layout};
use crate::Shard;
use crate::deletion::{DeletedVersions, IngesterDeletion, TenantWatch};
use crate::distributor::{Distributor, ShardWriter};
use crate::exemplars::ExemplarStore;
use crate::flush::{
    DiskBudget, DiskWatch, FlushConfig, FlushError, FlushMetrics, LocalShared, OpenTables, OwnNumbers,
};
use crate::metadata::MetadataStore;
use crate::push::{self, PushService};
use crate::shard::ShardContext;
use crate::shard::listed;
use crate::store_api::{FixedShards, IngesterStore, StoreParts};

/// How long a start waits for the bucket to say whose the shard numbers are: without it they are compared later.
const CLAIMS_WAIT: Duration = Duration::from_secs(5);

/// What an ingester needs from outside.
#[derive(Clone, Debug)]
pub struct IngesterDeps {
    /// Where blocks go.
    pub bucket: Bucket,
    /// The catalogs of that bucket.
    pub catalogs: Arc<Catalogs>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub ids: Ids,
    /// Randomness.
    pub rng: Rng,
    /// Journal and unflushed blocks; this process alone uses it.
    pub data_dir: PathBuf,
    /// Where CPU-bound work goes.
    pub offload: Offload,
    /// Ends the ingester, as [`Ingester::stop`] does.
    pub shutdown: Shutdown,
}

/// A running ingester.
#[derive(Debug)]
pub struct Ingester {
    shards: Arc<Vec<Arc<Shard>>>,
    store: IngesterStore,
    deletion: IngesterDeletion,
    push: PushService,
    numbers: Arc<OwnNumbers>,
    journal: Journal,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Ingester {
    /// Starts: opens the journal, replays all shards, then takes writes and flushes.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(
        config: IngesterConfig,
        deps: IngesterDeps,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let journal = open_journal(&config, &deps, registry).await?;
        let found = find_layout(&config, &deps, &journal).await;
        let (layout, numbers, begun_now) = match found {
            Ok(found) => found,
            Err(error) => {
                close_journal(&journal, &deps.offload).await;
                return Err(error);
            }
        };
        let (shutdown, tasks) = (deps.shutdown.child(), Tasks::new());
        let metadata = Arc::new(MetadataStore::new(&config.push));
        let exemplars = Arc::new(ExemplarStore::new(&config.push));
        let watch = disk_watch(&config, &deps, &journal);
        watch.look().await;
        let context = ShardContext {
            config: &config,
            deps: &deps,
            layout,
            numbers: Arc::clone(&numbers),
            journal: journal.clone(),
            metadata: Arc::clone(&metadata),
            local: local_shared(&config, &deps, &watch.budget, &shutdown),
            metrics: FlushMetrics::new(registry),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        };
        let shards = open_shards(&context).await;
        let shards = match shards {
            Ok(shards) => Arc::new(shards),
            Err(error) => {
                shutdown.begin();
                tasks.join().await;
                close_journal(&journal, &deps.offload).await;
                return Err(error);
            }
        };
        let writers = shards.iter().map(|shard| Arc::clone(shard) as Arc<dyn ShardWriter>);
        let push = PushService::new(
            config.push.clone(),
            Distributor::new(writers.collect())?,
            Arc::clone(&exemplars),
            Arc::clone(&metadata),
            deps.clock.clone(),
            deps.offload.clone(),
            registry,
        )?;
        let versions = Arc::<DeletedVersions>::default();
        let deletion = IngesterDeletion {
            shards: Arc::clone(&shards),
            catalogs: Arc::clone(&deps.catalogs),
            versions: Arc::clone(&versions),
            offload: deps.offload.clone(),
            clock: deps.clock.clone(),
        };
        let store = IngesterStore::new(StoreParts {
            shards: Arc::new(FixedShards::new(
                context.layout.journal,
                shards.iter().map(|shard| shard.reader()).collect(),
            )),
            versions,
            catalogs: Arc::clone(&deps.catalogs),
            begun_now,
            exemplars,
            metadata,
            offload: deps.offload.clone(),
        });
        registry.register_collector(Box::new(ShardsCollector(Arc::clone(&shards))));
        for shard in shards.iter() {
            shard.start_flushing(&tasks);
        }
        let tenants = TenantWatch { shards: Arc::clone(&shards), catalogs: Arc::clone(&deps.catalogs) };
        tasks.spawn("tenants", tenants.run(shutdown.clone()));
        tasks.spawn("numbers", Arc::clone(&numbers).watch(shutdown.clone()));
        tasks.spawn("disk", watch.run(shutdown.clone()));
        Ok(Self { shards, store, deletion, push, numbers, journal, shutdown, tasks })
    }

    /// What queriers read from.
    #[must_use]
    pub fn store(&self) -> Arc<dyn StoreApi> {
        Arc::new(self.store.clone())
    }

    /// By what queriers delete series.
    #[must_use]
    pub fn deletion(&self) -> Arc<dyn DeletionApi> {
        Arc::new(self.deletion.clone())
    }

    /// The write path, without HTTP.
    #[must_use]
    pub fn push(&self) -> &PushService {
        &self.push
    }

    /// The shards by number.
    #[must_use]
    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Tells whether all shards take writes, as far as their logs go, and can flush into this bucket.
    pub fn readiness(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (shards, numbers) = (Arc::clone(&self.shards), Arc::clone(&self.numbers));
        move || !numbers.are_foreign() && !shards.iter().any(|shard| shard.has_failed())
    }

    /// Remote write and the flush.
    pub fn routes(&self) -> Router {
        push::routes(self.push.clone()).merge(admin::routes(Arc::clone(&self.shards)))
    }

    /// Stops: what was acknowledged is in the journal and is replayed by the next start; nothing is
    /// flushed. Stop the listeners before.
    pub async fn stop(&self) {
        self.shutdown.begin();
        self.tasks.join().await;
        join_all(self.shards.iter().map(|shard| shard.stop())).await;
        let journal = self.journal.clone();
        // A runtime that is going away closes it when the last handle is dropped.
        let _closed = tokio::task::spawn_blocking(move || journal.close()).await;
    }
}

async fn open_journal(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    registry: &mut Registry,
) -> Result<Journal, StartError> {
    let (dir, settings) = (deps.data_dir.join("journal"), config.journal.clone());
    let (rng, clock) = (deps.rng.clone(), deps.clock.clone());
    let mut metrics = std::mem::take(registry);
    let open = move || {
        let opened = Journal::open(&dir, settings, &rng, &clock, &mut metrics);
        (opened, metrics)
    };
    let (opened, metrics) = deps.offload.run(open).await?;
    *registry = metrics;
    let (journal, recovered) = opened?;
    let Recovered { segments, records, bytes, repaired_bytes } = recovered;
    tracing::info!(segments, records, bytes, repaired_bytes, "journal open");
    Ok(journal)
}

/// The numbers of the journal's shards, held against the bucket if it answers, and whether it was begun just now. The
/// journal is open: no other process is in the directory.
async fn find_layout(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    journal: &Journal,
) -> Result<(Layout, Arc<OwnNumbers>, bool), StartError> {
    let (layout, begun_now) = known_or_claimed(config, deps, journal).await?;
    let catalogs = Arc::clone(&deps.catalogs);
    let numbers = OwnNumbers::new(catalogs, layout.journal, layout.claimed.clone());
    match tokio::time::timeout(CLAIMS_WAIT, numbers.check()).await {
        Ok(Err(FlushError::Foreign(error))) => {
            return Err(StartError::Foreign { path: deps.data_dir.display().to_string(), error });
        }
        Ok(Err(error)) => tracing::warn!(%error, "shard numbers are compared with the bucket later"),
        Err(_) => tracing::warn!("shard numbers are compared with the bucket later: it does not answer"),
        Ok(Ok(())) => {}
    }
    Ok((layout, Arc::new(numbers), begun_now))
}

async fn known_or_claimed(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    journal: &Journal,
) -> Result<(Layout, bool), StartError> {
    let (dir, groups, wanted) = (deps.data_dir.clone(), journal.groups(), config.new_shards());
    let found = deps.offload.run(move || layout::find(&dir, &groups, wanted)).await??;
    let count = match found {
        layout::Found::Known(layout) => return Ok((layout, false)),
        layout::Found::Unclaimed(count) => count,
    };
    let id = deps.ids.next();
    let claimed = deps.catalogs.claim_shards(id, count).await?;
    let (layout, dir) = (Layout { journal: id, claimed }, deps.data_dir.clone());
    let claimed = listed(&layout.claimed);
    tracing::info!(journal = %id, claimed, "a new journal has its shard numbers");
    let kept = layout.clone();
    deps.offload.run(move || layout::keep(&dir, &kept)).await??;
    Ok((layout, true))
}

fn disk_watch(config: &IngesterConfig, deps: &IngesterDeps, journal: &Journal) -> DiskWatch {
    let FlushConfig { max_unflushed_bytes, min_free_bytes, check_interval_ms, .. } = config.flush;
    DiskWatch {
        budget: Arc::new(DiskBudget::new(max_unflushed_bytes, min_free_bytes)),
        journal: journal.clone(),
        data_dir: deps.data_dir.clone(),
        interval: Duration::from_millis(check_interval_ms),
        offload: deps.offload.clone(),
    }
}

fn local_shared(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    budget: &Arc<DiskBudget>,
    shutdown: &Shutdown,
) -> LocalShared {
    LocalShared {
        writer: config.block.clone(),
        reader: config.block_reader.clone(),
        offload: deps.offload.clone(),
        rng: deps.rng.clone(),
        budget: Arc::clone(budget),
        tables: Arc::new(OpenTables::new(config.flush.max_open_block_bytes)),
        shutdown: shutdown.clone(),
    }
}

async fn open_shards(context: &ShardContext<'_>) -> Result<Vec<Arc<Shard>>, StartError> {
    let open = |number| async move {
        let shard = Box::pin(Shard::open(context, number)).await;
        shard.map(Arc::new).map_err(|error| StartError::Shard { shard: number, error })
    };
    let opened = join_all((0..context.layout.shards()).map(open)).await;
    opened.into_iter().collect()
}

async fn close_journal(journal: &Journal, offload: &Offload) {
    let journal = journal.clone();
    let _closed = offload.run(move || journal.close()).await;
}
