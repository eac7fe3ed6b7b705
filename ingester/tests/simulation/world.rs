//! One run: clients that write and read, and an enemy.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use latewood_base::{Clock, ManualClock, Offload, Rng, Ulid};
use latewood_cluster::testing::Wires;
use latewood_cluster::{Group, Peer};
use latewood_ingester::distributor::ShardWriter;
use latewood_ingester::journal::ShardState;
use latewood_ingester::testing::{Unfenced, plant};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::bucket::SlowBucket;
use crate::history::{History, Outcome};
use crate::node::{Node, Running, Surroundings};
use crate::samples::{START_MS, parts};

/// How long clients and the enemy are at it, in milliseconds.
const BUSY_MS: u64 = 9_000;
/// How often the nodes' clocks move.
const TICK: Duration = Duration::from_millis(10);
/// How often a client sends a write that was not acknowledged.
const ATTEMPTS: usize = 4;

/// A fault in what is simulated, which must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Syncs of the journal do nothing.
    NoSync,
    /// A client counts its samples as acknowledged when they were handed over.
    EarlyAcknowledgement,
    /// The journal lets go of generations that are in no catalog.
    PurgeBeforeCommit,
    /// The flush lacks a fence.
    Flush(Unfenced),
}

impl Fault {
    pub const ALL: [Self; 5] = [
        Self::NoSync,
        Self::EarlyAcknowledgement,
        Self::PurgeBeforeCommit,
        Self::Flush(Unfenced::SharedIds),
        Self::Flush(Unfenced::OwnBlocksAlone),
    ];
}

/// Runs a seed.
pub fn run(seed: u64, fault: Option<Fault>) -> Outcome {
    latewood_cluster::seed_chance(seed);
    Offload::make_inline_here();
    plant(match fault {
        Some(Fault::Flush(unfenced)) => Some(unfenced),
        _ => None,
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (history, dir) = (History::default(), folder());
    // In the runtime, whose time it is.
    runtime.block_on(async { World::new(seed, fault, &history, dir.path()).await.live().await });
    history.close()
}

/// In memory where there is such a folder: local blocks are synced often.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[derive(Clone)]
pub struct World {
    pub around: Surroundings,
    pub bucket: SlowBucket,
    pub fault: Option<Fault>,
    pub nodes: Arc<tokio::sync::Mutex<Vec<Node>>>,
    /// The samples of the blocks that were read.
    pub blocks: Arc<Mutex<BTreeMap<Ulid, Arc<Vec<u32>>>>>,
    pub end: Instant,
}

impl World {
    pub async fn new(seed: u64, fault: Option<Fault>, history: &History, dir: &Path) -> Self {
        let (rng, (clock, hand)) = (Rng::seeded(seed), Clock::manual(START_MS));
        let bucket = SlowBucket::new(&rng, &clock, history);
        let count = if rng.below(3) == 0 { 4 } else { 3 };
        let node = |id| Node::new(id, fault == Some(Fault::NoSync), dir);
        let mut around = Surroundings {
            wires: Wires::new(&rng),
            rng,
            clock,
            bucket: Arc::new(bucket.clone()),
            history: history.clone(),
            cluster: Ulid::from_parts(1, 1),
            shard: 0,
        };
        let claims = around.catalogs(bucket.memory());
        around.shard = claims.claim_shards(around.cluster, 1).await.unwrap()[0];
        tokio::spawn(tick(hand));
        Self {
            around,
            bucket,
            fault,
            nodes: Arc::new(tokio::sync::Mutex::new((1..=count).map(node).collect())),
            blocks: Arc::default(),
            end: Instant::now() + Duration::from_millis(BUSY_MS),
        }
    }

    async fn live(self) {
        self.start_all().await;
        let voters: Vec<Peer> = (1..=3).map(peer).collect();
        for (_, running) in self.running().await.into_iter().take(3) {
            running.replica.group().form(&voters).await.unwrap();
        }
        let mut tasks = vec![tokio::spawn(self.clone().enemy())];
        for _ in 0..3 {
            tasks.push(tokio::spawn(self.clone().writer()));
        }
        tasks.push(tokio::spawn(self.clone().reader()));
        if self.fault == Some(Fault::PurgeBeforeCommit) {
            tasks.push(tokio::spawn(self.clone().purger()));
        }
        for task in tasks {
            task.await.unwrap();
        }
        self.settle().await;
    }

    /// Starts those that do not run.
    pub async fn start_all(&self) {
        let mut nodes = self.nodes.lock().await;
        for node in nodes.iter_mut().filter(|node| node.running.is_none()) {
            node.start(&self.around).await;
        }
    }

    /// The nodes that run.
    pub async fn running(&self) -> Vec<(u64, Running)> {
        let nodes = self.nodes.lock().await;
        nodes.iter().filter_map(|node| Some((node.id, node.running.clone()?))).collect()
    }

    /// The groups of those that lead, or think so.
    pub async fn leading(&self) -> Vec<Group<ShardState>> {
        let groups = self.running().await.into_iter().map(|(_, running)| running.replica.group().clone());
        groups.filter(|group| group.leader_term().is_some()).collect()
    }

    /// Any node, a leader more often than others.
    pub async fn any(&self) -> Option<(u64, Running)> {
        let running = self.running().await;
        let leads = running.iter().find(|(_, one)| one.replica.shard.leads());
        match leads {
            Some(leader) if self.around.rng.below(8) > 0 => Some(leader.clone()),
            _ => running.get(self.below(running.len())).cloned(),
        }
    }

    /// An index below this.
    pub fn below(&self, count: usize) -> usize {
        usize::try_from(self.around.rng.below(count as u64)).unwrap()
    }

    pub async fn pause(&self, most_ms: u64) {
        sleep(Duration::from_millis(1 + self.around.rng.below(most_ms))).await;
    }

    async fn writer(self) {
        while Instant::now() < self.end {
            self.pause(100).await;
            let numbers = self.around.history.number(1 + self.around.rng.below(3));
            for _ in 0..ATTEMPTS {
                if self.write(&numbers).await || Instant::now() >= self.end {
                    break;
                }
                self.pause(300).await;
            }
        }
    }

    /// Whether samples were acknowledged; if not, they may be stored all the same.
    pub async fn write(&self, numbers: &[u32]) -> bool {
        let Some((_, running)) = self.any().await else { return false };
        let shard = &running.replica.shard;
        let history = &self.around.history;
        if self.fault == Some(Fault::EarlyAcknowledgement) && shard.leads() {
            history.acknowledged(numbers);
        }
        history.send(numbers);
        let all = try_join_all(parts(numbers).into_iter().map(|part| shard.write(part)));
        let written = timeout(Duration::from_secs(3), all).await;
        let is_there = matches!(written, Ok(Ok(_)));
        if is_there {
            history.acknowledged(numbers);
            // Now and then nobody hears of it, and it is sent again.
            return self.around.rng.below(20) > 0;
        }
        false
    }

    /// The fault [`Fault::PurgeBeforeCommit`].
    async fn purger(self) {
        while Instant::now() < self.end {
            self.pause(300).await;
            for (_, running) in self.running().await {
                let (group, head) = (running.replica.group(), running.replica.shard.head());
                for closed in head.closed().into_iter().filter(|closed| !closed.flushed) {
                    let Some(frozen) = closed.frozen else { continue };
                    let payload = ShardState::checkpoint(closed.number, frozen.next);
                    let taken = group.checkpoint(frozen.at, payload.into());
                    drop(timeout(Duration::from_secs(1), taken).await);
                }
            }
        }
    }
}

async fn tick(hand: ManualClock) {
    loop {
        sleep(TICK).await;
        hand.advance(TICK);
    }
}

pub fn peer(id: u64) -> Peer {
    Peer { id, address: format!("node-{id}") }
}
