//! A node: a disk that stays, and what runs on it until it is killed.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Offload, Rng};
use latewood_cluster::{Group, GroupConfig};
use latewood_wal::testing::{Loss, MemoryFiles};
use latewood_wal::{Files, Journal, WalConfig};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::history::History;
use crate::register::{Numbers, Register};
use crate::wires::{Plug, Wires};

/// The one group.
const GROUP: u64 = 1;

pub struct Node {
    pub id: u64,
    pub files: MemoryFiles,
    /// How long a sync takes at most, in milliseconds.
    pub sync_ms: Arc<Mutex<u64>>,
    pub running: Option<Running>,
    starts: u64,
}

/// A node that was started and not killed.
pub struct Running {
    pub group: Group<Register>,
    pub numbers: Numbers,
    disk: JoinHandle<()>,
}

impl Node {
    pub fn new(id: u64) -> Self {
        Self { id, files: MemoryFiles::new(), sync_ms: Arc::new(Mutex::new(5)), running: None, starts: 0 }
    }

    /// Starts it on what its disk has, which must be possible. `lying` stands before the disk when a fault is planted.
    pub async fn start(
        &mut self,
        wires: &Wires,
        history: &History,
        rng: &Rng,
        lying: impl Fn(Arc<dyn Files>) -> Arc<dyn Files>,
    ) {
        self.starts += 1;
        let config = WalConfig { segment_bytes: 4096, ..WalConfig::default() };
        let opened = Journal::open_stepped(lying(self.files.mount()), config, rng, &Clock::manual(0).0);
        let (journal, mut steps) = match opened {
            Ok(opened) => opened,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        let (sync_ms, chance) = (Arc::clone(&self.sync_ms), rng.clone());
        let disk = tokio::spawn(async move {
            loop {
                steps.due().await;
                let most = *sync_ms.lock();
                tokio::time::sleep(Duration::from_millis(chance.below(most + 1))).await;
                if !steps.step() {
                    break;
                }
            }
        });
        let numbers = Numbers::default();
        let state = Register { node: self.id, numbers: numbers.clone(), history: history.clone() };
        let config = GroupConfig { node_id: self.id, replay_chunk_bytes: 1 << 16, ..GroupConfig::default() };
        let plug = Arc::new(Plug { node: self.id, start: self.starts, wires: wires.clone() });
        let group = match Group::start(GROUP, config, journal, plug, Offload::inline(), state).await {
            Ok(group) => group,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        wires.connect(self.id, self.starts, group.clone());
        self.running = Some(Running { group, numbers, disk });
    }

    /// Pulls the plug.
    pub fn kill(&mut self, wires: &Wires, loss: Loss, rng: &Rng) {
        let Some(Running { group, disk, .. }) = self.running.take() else { return };
        wires.disconnect(self.id);
        disk.abort();
        self.files.crash(loss, rng);
        tokio::spawn(async move { group.shutdown().await });
    }
}
