//! The ingester.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use latewood_base::{Clock, Ids, Offload, Rng, Shutdown, Tasks};
use latewood_catalog::Catalogs;
use latewood_objstore::Bucket;
use latewood_proto::Dialer;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::store::StoreApi;
use latewood_wal::{Journal, Recovered};
use prometheus_client::registry::Registry;

use super::metrics::ShardsCollector;
use super::standing::{self, Standing};
use super::tenants::TenantsCollector;
use super::{IngesterConfig, StartError, admin};
use crate::Shard;
use crate::deletion::{DeletedVersions, IngesterDeletion, TenantWatch};
use crate::distributor::{Distributor, ShardMap, ShardWriter};
use crate::exemplars::ExemplarStore;
use crate::flush::{DiskBudget, DiskWatch, FlushConfig, FlushMetrics, LocalShared, OpenTables, OwnNumbers};
use crate::limits::{Limits, RateLimits, SeriesLimits};
use crate::metadata::MetadataStore;
use crate::push::{self, PushService};
use crate::ring::{Access, Control, Membership, Replicas, RingService};
use crate::shard::ShardContext;
use crate::shards::Shards;
use crate::store_api::{FixedShards, IngesterStore, StoreParts};

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
    /// How other nodes are reached.
    pub dialer: Dialer,
    /// Ends the ingester, as [`Ingester::stop`] does.
    pub shutdown: Shutdown,
}

/// A running ingester.
#[derive(Debug)]
pub struct Ingester {
    shards: Shards,
    store: IngesterStore,
    deletion: IngesterDeletion,
    push: PushService,
    numbers: Arc<OwnNumbers>,
    pub(super) journal: Journal,
    shutdown: Shutdown,
    tasks: Tasks,
    /// Its part in a cluster.
    replicas: Option<Replicas>,
}

impl Ingester {
    /// Starts: opens the journal, replays all shards, then takes writes and flushes. One that joins a cluster needs what answers
    /// other nodes (`ring`), and has no shards before the cluster gives it any.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(
        config: IngesterConfig,
        deps: IngesterDeps,
        ring: Option<Arc<RingService>>,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let journal = open_journal(&config, &deps, registry).await?;
        let (shutdown, tasks) = (deps.shutdown.child(), Tasks::new());
        let offload = deps.offload.clone();
        let begun = begin(config, deps, ring, journal.clone(), (shutdown.clone(), tasks.clone()), registry);
        let begun = Box::pin(begun).await;
        if begun.is_err() {
            shutdown.begin();
            tasks.join().await;
            let _closed = offload.run(move || journal.close()).await;
        }
        begun
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

    /// The shards of this node, by their places.
    #[must_use]
    pub fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.all()
    }

    /// Tells whether all shards take writes, as far as their logs go, and can flush into this bucket; of a cluster, whether
    /// the shards that this node is to have are here, somebody leads them, and they have caught up.
    pub fn readiness(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (shards, numbers) = (self.shards.clone(), Arc::clone(&self.numbers));
        let (replicas, journal) = (self.replicas.clone(), self.journal.clone());
        move || {
            let whole = replicas.as_ref().is_none_or(Replicas::are_whole);
            whole
                && !journal.is_full()
                && !numbers.are_foreign()
                && !shards.all().iter().any(|shard| shard.has_failed())
        }
    }

    /// Remote write and the flush; of a cluster, its pages and the preparation of a stop for good.
    pub fn routes(&self) -> Router {
        let routes = push::routes(self.push.clone()).merge(admin::routes(self.shards.clone()));
        match &self.replicas {
            None => routes,
            Some(replicas) => routes.merge(replicas.routes()),
        }
    }

    /// Gives the lead of its shards to other replicas, while it still answers them: before [`Ingester::stop`].
    pub async fn hand_over(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.hand_over().await;
        }
    }

    /// Stops: what was acknowledged is in the journal and is replayed by the next start; nothing is
    /// flushed. Stop the listeners before.
    pub async fn stop(&self) {
        self.shutdown.begin();
        // What waits for room on a full disk would keep the groups from stopping.
        self.journal.fail_when_full();
        self.tasks.join().await;
        if let Some(replicas) = &self.replicas {
            replicas.stop().await;
        }
        join_all(self.shards.all().iter().map(|shard| shard.stop())).await;
        let journal = self.journal.clone();
        // A runtime that is going away closes it when the last handle is dropped.
        let _closed = tokio::task::spawn_blocking(move || journal.close()).await;
    }
}

/// Starts all but the journal.
async fn begin(
    mut config: IngesterConfig,
    deps: IngesterDeps,
    ring: Option<Arc<RingService>>,
    journal: Journal,
    (shutdown, tasks): (Shutdown, Tasks),
    registry: &mut Registry,
) -> Result<Ingester, StartError> {
    let standing = standing::find(&config, &deps, &journal, ring, (&shutdown, &tasks)).await?;
    let Standing { layout, numbers, begun_now, membership } = standing;
    let metadata = Arc::new(MetadataStore::new(&config.push));
    let exemplars = Arc::new(ExemplarStore::new(&config.push));
    let watch = disk_watch(&config, &deps, &journal);
    watch.look().await;
    if let Some(membership) = &membership {
        config.group.node_id = membership.control.node();
    }
    let limits = Arc::new(Limits::new(&config.limits));
    let rates = RateLimits::new(Arc::clone(&limits), nodes(membership.as_ref()), deps.clock.clone());
    let map = ShardMap::new(layout.shards());
    let context = ShardContext {
        config: config.clone(),
        deps: deps.clone(),
        layout,
        transport: membership.as_ref().map(|membership| Arc::clone(&membership.transport)),
        shards: Shards::default(),
        numbers: Arc::clone(&numbers),
        journal: journal.clone(),
        metadata: Arc::clone(&metadata),
        limits: SeriesLimits::new(limits, map, deps.clock.clone()),
        local: local_shared(&config, &deps, &watch.budget, &shutdown),
        metrics: FlushMetrics::new(registry),
        shutdown: shutdown.clone(),
    };
    let (shards, versions) = (context.shards.clone(), Arc::<DeletedVersions>::default());
    let Access { writers, readers, replicas } = match membership {
        Some(membership) => membership.run(&context, &versions, (&shutdown, &tasks)).await?,
        None => alone(&context).await?,
    };
    let push = PushService::new(
        config.push.clone(),
        (Distributor::new(writers)?, rates),
        Arc::clone(&exemplars),
        Arc::clone(&metadata),
        deps.clock.clone(),
        deps.offload.clone(),
        registry,
    )?;
    let deletion = IngesterDeletion {
        shards: shards.clone(),
        catalogs: Arc::clone(&deps.catalogs),
        versions: Arc::clone(&versions),
        offload: deps.offload.clone(),
        clock: deps.clock.clone(),
    };
    let store = IngesterStore::new(StoreParts {
        shards: readers,
        versions,
        catalogs: Arc::clone(&deps.catalogs),
        begun_now,
        exemplars,
        metadata,
        offload: deps.offload.clone(),
    });
    registry.register_collector(Box::new(ShardsCollector(shards.clone())));
    registry.register_collector(Box::new(TenantsCollector(shards.clone())));
    let tenants = TenantWatch { shards: shards.clone(), catalogs: Arc::clone(&deps.catalogs) };
    tasks.spawn("tenants", tenants.run(shutdown.clone()));
    tasks.spawn("numbers", Arc::clone(&numbers).watch(shutdown.clone()));
    tasks.spawn("disk", watch.run(shutdown.clone()));
    Ok(Ingester { shards, store, deletion, push, numbers, journal, shutdown, tasks, replicas })
}

/// How many nodes take writes.
fn nodes(membership: Option<&Membership>) -> impl Fn() -> usize + Send + Sync + 'static {
    let control = membership.map(|membership| membership.control.clone());
    move || control.as_ref().map_or(1, |control| control.view().members.len())
}

/// All shards are this node's, and open from the start.
async fn alone(context: &ShardContext) -> Result<Access, StartError> {
    let shards = &context.shards;
    if let Err(error) = open_shards(context).await {
        context.shutdown.begin();
        join_all(shards.all().iter().map(|shard| shard.stop())).await;
        return Err(error);
    }
    let (journal, all) = (context.layout.journal, shards.all());
    all.iter().for_each(|shard| shard.start_flushing());
    let readers = all.iter().map(|shard| shard.reader()).collect();
    Ok(Access {
        writers: all.into_iter().map(|shard| shard as Arc<dyn ShardWriter>).collect(),
        readers: Arc::new(FixedShards::new(journal, readers)),
        replicas: None,
    })
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

/// What the local blocks of all shards of a node share.
pub(crate) fn local_shared(
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

async fn open_shards(context: &ShardContext) -> Result<(), StartError> {
    context.shards.expect(context.layout.shards());
    let open = |number| async move {
        let shard = Box::pin(Shard::open(context, number)).await;
        let shard = shard.map_err(|error| StartError::Shard { shard: number, error })?;
        context.shards.insert(Arc::new(shard));
        Ok(())
    };
    let opened = join_all((0..context.layout.shards()).map(open)).await;
    opened.into_iter().collect()
}
