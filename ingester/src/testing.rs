//! A replica of a shard by itself, for simulations: what ships, without ring, sockets and threads.

use std::sync::Arc;

use latewood_base::{Shutdown, Ulid};
use latewood_cluster::{Group, Transport};
use latewood_wal::Journal;

use crate::distributor::ShardMap;
use crate::exemplars::ExemplarStore;
use crate::flush::{DiskBudget, FlushError, FlushMetrics, OwnNumbers};
pub use crate::flush::{Unfenced, plant};
use crate::journal::ShardState;
use crate::limits::{Limits, SeriesLimits};
use crate::metadata::MetadataStore;
use crate::service::{Layout, local_shared};
use crate::shard::ShardContext;
use crate::store_api::{FixedShards, IngesterStore, StoreParts};
use crate::{IngesterConfig, IngesterDeps, Shard, Shards};

/// What a replica is made of.
#[derive(Debug)]
pub struct ReplicaParts {
    /// Settings.
    pub config: IngesterConfig,
    /// What it needs from outside.
    pub deps: IngesterDeps,
    /// The journal of its node, open.
    pub journal: Journal,
    /// The way to the other replicas.
    pub transport: Arc<dyn Transport>,
    /// Who has claimed the shard's number.
    pub cluster: Ulid,
    /// The shard's number in the catalogs.
    pub shard: u32,
    /// Type, unit and help, as this node was told.
    pub metadata: Arc<MetadataStore>,
}

/// A replica of the shard in place 0, whose group is number 1 of the journal. Clones share it.
#[derive(Clone, Debug)]
pub struct ShardReplica {
    /// The shard.
    pub shard: Arc<Shard>,
    /// What answers queriers.
    pub store: IngesterStore,
    shutdown: Shutdown,
}

impl ShardReplica {
    /// Opens it on what its disk has, as a node of a cluster does, and begins to flush.
    ///
    /// # Errors
    /// What is on its disk cannot be used.
    pub async fn open(parts: ReplicaParts) -> Result<Self, FlushError> {
        let ReplicaParts { config, deps, journal, transport, cluster, shard, metadata } = parts;
        let shutdown = deps.shutdown.child();
        let catalogs = Arc::clone(&deps.catalogs);
        let layout = Layout { journal: cluster, claimed: vec![shard] };
        let numbers = OwnNumbers::new(Arc::clone(&catalogs), cluster, layout.claimed.clone());
        let context = ShardContext {
            local: local_shared(
                &config,
                &deps,
                &Arc::new(DiskBudget::new(config.flush.max_unflushed_bytes, 0)),
                &shutdown,
            ),
            config: config.clone(),
            deps: deps.clone(),
            layout,
            transport: Some(transport),
            shards: Shards::default(),
            limits: SeriesLimits::new(
                Arc::new(Limits::new(&config.limits)),
                ShardMap::new(1),
                deps.clock.clone(),
            ),
            numbers: Arc::new(numbers),
            journal,
            metadata: Arc::clone(&metadata),
            metrics: FlushMetrics::default(),
            shutdown: shutdown.clone(),
        };
        context.shards.expect(1);
        let shard = Arc::new(Box::pin(Shard::open(&context, 0)).await?);
        shard.start_flushing();
        let store = IngesterStore::new(StoreParts {
            shards: Arc::new(FixedShards::new(cluster, vec![shard.reader()])),
            versions: Arc::default(),
            catalogs,
            begun_now: false,
            exemplars: Arc::new(ExemplarStore::new(&config.push)),
            metadata,
            offload: deps.offload,
        });
        Ok(Self { shard, store, shutdown })
    }

    /// The shard's log.
    #[must_use]
    pub fn group(&self) -> &Group<ShardState> {
        self.shard.group()
    }

    /// Ends its tasks at their next step, without waiting for anything.
    pub fn kill(&self) {
        self.shutdown.begin();
    }
}
