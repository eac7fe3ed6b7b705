//! A node: disks that stay, and what runs on them until it is killed.
//!
//! The journal's disk loses what was not synced. Local blocks are files of this machine, which a crash leaves as they are,
//! or takes the newest ones of: all of a generation that was not known to be whole, or a part of one that was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_base::{Clock, Ids, Offload, Rng, Shutdown, Ulid};
use latewood_catalog::{CatalogConfig, Catalogs};
use latewood_cluster::testing::{Disk, Plug, Wires};
use latewood_ingester::flush::FlushConfig;
use latewood_ingester::metadata::{MetadataRef, MetadataStore};
use latewood_ingester::testing::{ReplicaParts, ShardReplica};
use latewood_ingester::{IngesterConfig, IngesterDeps, PushConfig};
use latewood_model::MetricType;
use latewood_objstore::Bucket;
use latewood_wal::testing::Loss;
use latewood_wal::{Journal, WalConfig};
use tokio::task::JoinHandle;

use crate::history::History;
use crate::samples::tenants;

/// What all nodes share.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub rng: Rng,
    pub clock: Clock,
    pub wires: Wires,
    pub bucket: Bucket,
    pub history: History,
    /// Who has claimed the shard's number.
    pub cluster: Ulid,
    /// The shard's number in the catalogs.
    pub shard: u32,
}

impl Surroundings {
    /// The catalogs of a bucket, as a process has them.
    pub fn catalogs(&self, bucket: Bucket) -> Arc<Catalogs> {
        let ids = Ids::new(self.clock.clone(), self.rng.clone());
        let config = CatalogConfig {
            commit_timeout_ms: 2_000,
            retry_initial_ms: 20,
            checkpoint_interval: 4,
            ..CatalogConfig::default()
        };
        Catalogs::new(bucket, self.clock.clone(), ids, config)
    }
}

pub struct Node {
    pub id: u64,
    pub disk: Disk,
    pub running: Option<Running>,
    starts: u64,
    root: PathBuf,
}

/// A node that was started and not killed.
#[derive(Clone)]
pub struct Running {
    pub replica: ShardReplica,
    pub journal: Journal,
    writing: Arc<JoinHandle<()>>,
}

impl Node {
    /// A node that was never started, with its folder below `root`.
    pub fn new(id: u64, forgets: bool, root: &Path) -> Self {
        let root = root.join(format!("node-{id}"));
        Self { id, disk: Disk::new(forgets), running: None, starts: 0, root }
    }

    /// Where its local blocks are. Each start has a folder, so that what is dead and does not know it yet is in nobody's way.
    fn data_dir(&self) -> PathBuf {
        self.root.join(self.starts.to_string())
    }

    /// The generations that it has local blocks of.
    pub fn local_generations(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.data_dir().join("unflushed/shard-0")) else { return Vec::new() };
        let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("gen-");
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(is_one).collect();
        found.sort();
        found
    }

    /// Starts it on what its disks have, which must be possible.
    pub async fn start(&mut self, around: &Surroundings) {
        let (before, history) = (self.data_dir(), &around.history);
        self.starts += 1;
        if before.exists() {
            fs::rename(before, self.data_dir()).unwrap();
        }
        // Who starts it makes room first.
        self.disk.make_room();
        let settings = WalConfig { segment_bytes: 4096, ..WalConfig::default() };
        let (journal, writing) = match self.disk.open(settings, &around.rng) {
            Ok(opened) => opened,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        let parts = self.parts(around, journal.clone());
        let replica = match ShardReplica::open(parts).await {
            Ok(replica) => replica,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        around.wires.connect(self.id, self.starts, replica.group().clone());
        self.running = Some(Running { replica, journal, writing: Arc::new(writing) });
    }

    fn parts(&self, around: &Surroundings, journal: Journal) -> ReplicaParts {
        ReplicaParts {
            config: self.config(),
            deps: IngesterDeps {
                bucket: Arc::clone(&around.bucket),
                catalogs: around.catalogs(Arc::clone(&around.bucket)),
                clock: around.clock.clone(),
                ids: Ids::new(around.clock.clone(), around.rng.clone()),
                rng: around.rng.clone(),
                data_dir: self.data_dir(),
                offload: Offload::inline(),
                dialer: latewood_proto::Dialer::plain(),
                shutdown: Shutdown::new(),
            },
            journal,
            transport: Arc::new(Plug { node: self.id, start: self.starts, wires: around.wires.clone() }),
            cluster: around.cluster,
            shard: around.shard,
            metadata: self.metadata(),
        }
    }

    fn config(&self) -> IngesterConfig {
        let mut config = IngesterConfig {
            flush: FlushConfig {
                max_age_seconds: 2,
                check_interval_ms: 100,
                linger_seconds: 1,
                retry_initial_ms: 50,
                retry_max_ms: 500,
                ..FlushConfig::default()
            },
            ..IngesterConfig::default()
        };
        (config.group.node_id, config.group.replay_chunk_bytes) = (self.id, 1 << 16);
        config
    }

    /// Each node was told something else, so that no two encode the same bytes.
    fn metadata(&self) -> Arc<MetadataStore> {
        let (store, help) =
            (MetadataStore::new(&PushConfig::default()), format!("as node {} knows", self.id));
        let told = MetadataRef { metric: "up", metric_type: MetricType::Gauge, help: &help, unit: "" };
        for tenant in tenants() {
            store.update(&tenant, [told].into_iter());
        }
        Arc::new(store)
    }

    /// Pulls the plug.
    pub fn kill(&mut self, around: &Surroundings, loss: Loss) {
        let Some(Running { replica, writing, .. }) = self.running.take() else { return };
        around.wires.disconnect(self.id);
        writing.abort();
        self.disk.files.crash(loss, &around.rng);
        replica.kill();
        let dead = self.data_dir();
        self.starts += 1;
        if dead.exists() {
            fs::rename(dead, self.data_dir()).unwrap();
        }
        match around.rng.below(4) {
            0 => self.lose_newest("complete.json"),
            1 => self.lose_newest("0/meta.json"),
            _ => {}
        }
        tokio::spawn(async move { replica.group().shutdown().await });
    }

    /// A file of the newest generation is gone.
    fn lose_newest(&self, file: &str) {
        if let Some(newest) = self.local_generations().last() {
            drop(fs::remove_file(newest.join(file)));
        }
    }
}
