//! Looks at the disk now and then, so that a write need not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Offload, Shutdown};
use latewood_wal::Journal;

use super::DiskBudget;

/// Tells the budget how large the journal is and how much space is free.
#[derive(Clone, Debug)]
pub struct DiskWatch {
    /// Is told.
    pub budget: Arc<DiskBudget>,
    /// Is weighed.
    pub journal: Journal,
    /// Its file system is looked at.
    pub data_dir: PathBuf,
    /// Between two looks.
    pub interval: Duration,
    /// File systems may take their time.
    pub offload: Offload,
}

impl DiskWatch {
    /// One look. A file system that does not tell its free space has enough.
    pub async fn look(&self) {
        let dir = self.data_dir.clone();
        let free = self.offload.run(move || rustix::fs::statvfs(&dir)).await;
        let free = match free {
            Ok(Ok(found)) => found.f_bavail.saturating_mul(found.f_frsize),
            Ok(Err(error)) => {
                tracing::warn!(dir = %self.data_dir.display(), %error, "cannot see how much space is free");
                u64::MAX
            }
            Err(_) => return,
        };
        self.budget.note(self.journal.sealed_bytes(), free, self.journal.is_full());
    }

    /// Looks until the shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(self.interval) => self.look().await,
            }
        }
    }
}
