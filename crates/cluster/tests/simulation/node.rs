//! A node: a disk that stays, and what runs on it until it is killed.

use std::sync::Arc;

use latewood_base::{Offload, Rng};
use latewood_cluster::testing::{Disk, Plug, Wires};
use latewood_cluster::{Group, GroupConfig};
use latewood_wal::WalConfig;
use latewood_wal::testing::Loss;
use tokio::task::JoinHandle;

use crate::history::History;
use crate::register::{Numbers, Register};

/// The one group.
const GROUP: u64 = 1;

pub struct Node {
    pub id: u64,
    pub disk: Disk,
    pub running: Option<Running>,
    starts: u64,
}

/// A node that was started and not killed.
pub struct Running {
    pub group: Group<Register>,
    pub numbers: Numbers,
    writing: JoinHandle<()>,
}

impl Node {
    pub fn new(id: u64, forgets: bool) -> Self {
        Self { id, disk: Disk::new(forgets), running: None, starts: 0 }
    }

    /// Starts it on what its disk has, which must be possible.
    pub async fn start(&mut self, wires: &Wires, history: &History, rng: &Rng) {
        self.starts += 1;
        let config = WalConfig { segment_bytes: 4096, ..WalConfig::default() };
        let (journal, writing) = match self.disk.open(config, rng) {
            Ok(opened) => opened,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        let numbers = Numbers::default();
        let state = Register { node: self.id, numbers: numbers.clone(), history: history.clone() };
        let config = GroupConfig { node_id: self.id, replay_chunk_bytes: 1 << 16, ..GroupConfig::default() };
        let plug = Arc::new(Plug { node: self.id, start: self.starts, wires: wires.clone() });
        let group = match Group::start(GROUP, config, journal, plug, Offload::inline(), state).await {
            Ok(group) => group,
            Err(error) => return history.violation(format!("node {} cannot start: {error}", self.id)),
        };
        wires.connect(self.id, self.starts, group.clone());
        self.running = Some(Running { group, numbers, writing });
    }

    /// Pulls the plug.
    pub fn kill(&mut self, wires: &Wires, loss: Loss, rng: &Rng) {
        let Some(Running { group, writing, .. }) = self.running.take() else { return };
        wires.disconnect(self.id);
        writing.abort();
        self.disk.files.crash(loss, rng);
        tokio::spawn(async move { group.shutdown().await });
    }
}
