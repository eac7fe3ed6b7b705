//! A disk that stays when its node is killed, and the writing to it.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Rng};
use latewood_wal::testing::{Forgetful, MemoryFiles};
use latewood_wal::{Files, Journal, WalConfig, WalError};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long a sync takes at most unless the disk is slow, in milliseconds.
const QUICK_MS: u64 = 5;

/// How often a full disk is tried again.
const SPACE_PAUSE: Duration = Duration::from_millis(50);

/// A node's disk with its journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What is on it.
    pub files: MemoryFiles,
    forgets: bool,
    sync_ms: Arc<Mutex<u64>>,
}

impl Disk {
    /// An empty disk; one that `forgets` says that it has synced what it has not.
    #[must_use]
    pub fn new(forgets: bool) -> Self {
        Self { files: MemoryFiles::new(), forgets, sync_ms: Arc::new(Mutex::new(QUICK_MS)) }
    }

    /// How long a sync takes from now on, at most, in milliseconds.
    pub fn take_ms(&self, most: u64) {
        *self.sync_ms.lock() = most;
    }

    /// It is as quick as it was, and has room.
    pub fn recover(&self) {
        self.make_room();
        self.take_ms(QUICK_MS);
    }

    /// It has no room for anything more, until it is given some.
    pub fn fill(&self) {
        self.files.set_capacity(Some(self.files.sizes().values().sum()));
    }

    /// It has room again.
    pub fn make_room(&self) {
        self.files.set_capacity(None);
    }

    /// Opens the journal that is on it; the task writes to it until it is aborted.
    ///
    /// # Errors
    /// What a start of a node must never meet.
    pub fn open(&self, config: WalConfig, rng: &Rng) -> Result<(Journal, JoinHandle<()>), WalError> {
        let mounted: Arc<dyn Files> = self.files.mount();
        let files = if self.forgets { Forgetful::before(mounted) } else { mounted };
        let (journal, mut steps) = Journal::open_stepped(files, config, rng, &Clock::manual(0).0)?;
        let (sync_ms, chance) = (Arc::clone(&self.sync_ms), rng.clone());
        let writing = tokio::spawn(async move {
            loop {
                steps.due().await;
                let most = *sync_ms.lock();
                sleep(Duration::from_millis(chance.below(most + 1))).await;
                if !steps.step() {
                    break;
                }
                if steps.is_full() {
                    sleep(SPACE_PAUSE).await;
                }
            }
        });
        Ok((journal, writing))
    }
}
