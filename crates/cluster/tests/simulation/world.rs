//! One run: clients that write and read, and an enemy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::Rng;
use latewood_cluster::testing::Wires;
use latewood_cluster::{Group, Peer, Position};
use latewood_wal::testing::Loss;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::history::History;
use crate::node::Node;
use crate::register::{Number, Numbers, Register};

/// How long clients and the enemy are at it, in milliseconds.
const BUSY_MS: u64 = 15_000;
/// How long it may take until all agree once the enemy has gone.
const PATIENCE: Duration = Duration::from_secs(120);

/// A fault in what is simulated, which must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Syncs do nothing.
    NoSync,
    /// A client counts its number as acknowledged when it was handed over.
    EarlyAcknowledgement,
    /// A follower's state is read.
    ReadWithoutBarrier,
}

impl Fault {
    pub const ALL: [Self; 3] = [Self::NoSync, Self::EarlyAcknowledgement, Self::ReadWithoutBarrier];
}

/// What a run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub acknowledged: usize,
    pub reads: usize,
    /// A hash of all that happened.
    pub trace: u64,
}

/// Runs a seed.
pub fn run(seed: u64, fault: Option<Fault>) -> Outcome {
    latewood_cluster::seed_chance(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let history = History::default();
    // In the runtime, whose time it is.
    runtime.block_on(async { World::new(seed, fault, history.clone()).live().await });
    let (violations, acknowledged, reads, trace) = history.close();
    Outcome { violations, acknowledged, reads, trace }
}

#[derive(Clone)]
struct World {
    rng: Rng,
    wires: Wires,
    history: History,
    fault: Option<Fault>,
    nodes: Arc<tokio::sync::Mutex<Vec<Node>>>,
    next: Arc<Mutex<u64>>,
    end: Instant,
}

impl World {
    fn new(seed: u64, fault: Option<Fault>, history: History) -> Self {
        let rng = Rng::seeded(seed);
        let nodes = if rng.below(3) == 0 { 5 } else { 3 };
        let node = |id| Node::new(id, fault == Some(Fault::NoSync));
        Self {
            wires: Wires::new(&rng),
            history,
            fault,
            nodes: Arc::new(tokio::sync::Mutex::new((1..=nodes).map(node).collect())),
            next: Arc::default(),
            end: Instant::now() + Duration::from_millis(BUSY_MS),
            rng,
        }
    }

    async fn live(self) {
        let all = self.start_all().await;
        let voters: Vec<Peer> = all.iter().take(3).map(|id| peer(*id)).collect();
        for (_, group) in self.groups().await.into_iter().take(3) {
            group.form(&voters).await.unwrap();
        }
        let mut tasks = vec![tokio::spawn(self.clone().enemy())];
        for _ in 0..3 {
            tasks.push(tokio::spawn(self.clone().writer()));
        }
        tasks.push(tokio::spawn(self.clone().reader()));
        for task in tasks {
            task.await.unwrap();
        }
        self.settle().await;
    }

    async fn start(&self, node: &mut Node) {
        node.start(&self.wires, &self.history, &self.rng).await;
    }

    /// Starts those that do not run; all nodes' ids.
    async fn start_all(&self) -> Vec<u64> {
        let mut nodes = self.nodes.lock().await;
        for node in nodes.iter_mut().filter(|node| node.running.is_none()) {
            self.start(node).await;
        }
        nodes.iter().map(|node| node.id).collect()
    }

    /// The groups of the nodes that run.
    async fn groups(&self) -> Vec<(u64, Group<Register>)> {
        let nodes = self.nodes.lock().await;
        nodes.iter().filter_map(|node| Some((node.id, node.running.as_ref()?.group.clone()))).collect()
    }

    async fn numbers(&self, id: u64) -> Vec<(Position, u64)> {
        let nodes = self.nodes.lock().await;
        let running = nodes.iter().find(|node| node.id == id).and_then(|node| node.running.as_ref());
        running.map(|running| running.numbers.0.lock().clone()).unwrap_or_default()
    }

    /// Any node, a leader more often than others.
    async fn any(&self) -> Option<(u64, Group<Register>)> {
        let groups = self.groups().await;
        let leads = groups.iter().find(|(_, group)| group.leader_term().is_some());
        match leads {
            Some(leader) if self.rng.below(4) > 0 => Some(leader.clone()),
            _ => groups.get(usize::try_from(self.rng.below(groups.len() as u64)).unwrap()).cloned(),
        }
    }

    async fn pause(&self, most_ms: u64) {
        sleep(Duration::from_millis(1 + self.rng.below(most_ms))).await;
    }

    async fn writer(self) {
        while Instant::now() < self.end {
            self.pause(100).await;
            let number = {
                let mut next = self.next.lock();
                *next += 1;
                *next
            };
            let Some((_, group)) = self.any().await else { continue };
            if self.fault == Some(Fault::EarlyAcknowledgement) && group.leader_term().is_some() {
                self.history.acknowledged(number, Position::default());
            }
            if let Ok(Ok((at, _))) = timeout(Duration::from_secs(3), group.propose(Number(number))).await {
                self.history.acknowledged(number, at);
            }
        }
    }

    async fn reader(self) {
        while Instant::now() < self.end {
            self.pause(300).await;
            let Some((id, group)) = self.any().await else { continue };
            let before = self.history.all_acknowledged();
            let reads = match self.fault {
                Some(Fault::ReadWithoutBarrier) => true,
                _ => matches!(timeout(Duration::from_secs(3), group.read_barrier()).await, Ok(Ok(()))),
            };
            let now = self.groups().await;
            // A node that was started anew since does not stand by what was said before.
            if reads && now.iter().any(|(other, one)| *other == id && one.is(&group)) {
                self.history.read(id, &before, &self.numbers(id).await);
            }
        }
    }

    async fn enemy(self) {
        while Instant::now() < self.end {
            self.pause(1_200).await;
            let blow = self.rng.below(10);
            self.history.note(&blow);
            match blow {
                0..=2 => self.crash().await,
                3 => self.part().await,
                4 => self.wires.lose(self.rng.below(30)),
                5 => self.slow_disk().await,
                6 => self.failing_disk().await,
                7 => self.checkpoint().await,
                8 => self.hand_over().await,
                _ => self.change_voters().await,
            }
        }
        self.wires.part(BTreeSet::new());
        self.wires.lose(0);
    }

    async fn crash(&self) {
        let loss = [Loss::Nothing, Loss::All, Loss::Torn, Loss::Sectors];
        let mut nodes = self.nodes.lock().await;
        let count = nodes.len() as u64;
        let node = &mut nodes[usize::try_from(self.rng.below(count)).unwrap()];
        if node.running.is_some() {
            let loss = loss[usize::try_from(self.rng.below(4)).unwrap()];
            node.kill(&self.wires, loss, &self.rng);
        } else {
            self.start(node).await;
        }
    }

    async fn part(&self) {
        let ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        self.wires.part(ids.into_iter().filter(|_| self.rng.below(2) == 0).collect());
    }

    async fn slow_disk(&self) {
        for node in self.nodes.lock().await.iter() {
            if self.rng.below(3) == 0 {
                node.disk.take_ms(400);
            } else {
                node.disk.recover();
            }
        }
    }

    /// A disk that fails a sync costs the process.
    async fn failing_disk(&self) {
        let mut nodes = self.nodes.lock().await;
        let count = nodes.len() as u64;
        let node = &mut nodes[usize::try_from(self.rng.below(count)).unwrap()];
        if node.running.is_none() {
            return;
        }
        node.disk.files.fail_next_sync();
        sleep(Duration::from_millis(self.rng.below(500))).await;
        node.kill(&self.wires, Loss::All, &self.rng);
        self.start(node).await;
    }

    async fn checkpoint(&self) {
        let Some((id, group)) = self.any().await else { return };
        let numbers = self.numbers(id).await;
        if numbers.is_empty() {
            return;
        }
        let end = usize::try_from(self.rng.below(numbers.len() as u64)).unwrap() + 1;
        let payload = Numbers::encode(&numbers[..end]);
        let taken = timeout(Duration::from_secs(2), group.checkpoint(numbers[end - 1].0, payload)).await;
        self.history.note(&matches!(taken, Ok(Ok(()))));
    }

    async fn hand_over(&self) {
        let ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        let to = ids[usize::try_from(self.rng.below(ids.len() as u64)).unwrap()];
        for (_, group) in self.groups().await {
            if group.leader_term().is_some() {
                drop(timeout(Duration::from_secs(2), group.hand_over(to)).await);
            }
        }
    }

    async fn change_voters(&self) {
        let mut ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        while ids.len() > 3 {
            ids.remove(usize::try_from(self.rng.below(ids.len() as u64)).unwrap());
        }
        let voters: Vec<Peer> = ids.into_iter().map(peer).collect();
        for (_, group) in self.groups().await {
            if group.leader_term().is_some() {
                drop(timeout(Duration::from_secs(3), group.change_voters(&voters)).await);
            }
        }
    }

    /// With all nodes back and all wires whole, one more number comes to all voters, and with it all others.
    async fn settle(&self) {
        for node in self.nodes.lock().await.iter() {
            node.disk.recover();
        }
        self.start_all().await;
        if timeout(PATIENCE, self.all_agree()).await.is_err() {
            let states: Vec<_> = self.groups().await.iter().map(|(_, group)| group.status()).collect();
            self.history.violation(format!("they do not come to agree: {states:#?}"));
        }
    }

    async fn all_agree(&self) {
        let (last, voters) = loop {
            sleep(Duration::from_millis(50)).await;
            let groups = self.groups().await;
            let led = groups.iter().filter(|(_, group)| group.leader_term().is_some());
            let Some((_, leader)) = led.max_by_key(|(_, group)| group.leader_term()) else { continue };
            if let Ok(Ok((at, _))) = timeout(Duration::from_secs(3), leader.propose(Number(0))).await {
                break (at, leader.status().voters);
            }
        };
        // Who was let go while it was away does not know of it, and waits for ever.
        for (id, group) in self.groups().await {
            if !voters.contains(&peer(id)) {
                continue;
            }
            while group.applied() < Some(last) {
                sleep(Duration::from_millis(50)).await;
            }
            let all = self.history.all_acknowledged();
            self.history.check_has_all(&format!("node {id}"), &all, &self.numbers(id).await);
        }
    }
}

fn peer(id: u64) -> Peer {
    Peer { id, address: format!("node-{id}") }
}
