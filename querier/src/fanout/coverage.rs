//! Who did not answer: either why the query fails, or what its answer must say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use latewood_base::{ErrorKind, Kinded};
use latewood_proto::store::StoreError;
use latewood_proto::store::wire::BucketUsage;
use parking_lot::Mutex;

/// The most sources that a partial answer names one by one.
const MAX_NAMED: usize = 32;

/// What one attempt at a query knows of its sources.
#[derive(Debug)]
pub(crate) struct Coverage {
    partial: bool,
    last_attempt: bool,
    gave_up: Arc<AtomicBool>,
    missing: Mutex<BTreeSet<String>>,
    newest_version: AtomicU64,
    bucket_requests: AtomicU64,
    bucket_read_bytes: AtomicU64,
}

impl Coverage {
    /// With `partial`, sources that fail are named instead of failing the query. A stale view fails all
    /// but the last attempt, so that the view is pinned again first.
    pub(crate) fn new(partial: bool, last_attempt: bool) -> Self {
        Self {
            partial,
            last_attempt,
            gave_up: Arc::default(),
            missing: Mutex::default(),
            newest_version: AtomicU64::new(0),
            bucket_requests: AtomicU64::new(0),
            bucket_read_bytes: AtomicU64::new(0),
        }
    }

    /// For reads of the same attempt whose answers must lack nothing.
    pub(crate) fn strict(&self) -> Self {
        Self { gave_up: Arc::clone(&self.gave_up), ..Self::new(false, false) }
    }

    /// Takes note that shards were waited for in vain: the attempt's other reads do not wait as long again.
    pub(crate) fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
    }

    /// Whether shards were waited for in vain.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Takes note of a source that failed.
    ///
    /// # Errors
    /// What the query must fail with, unless the answer may be partial.
    pub(crate) fn failed(&self, source: &str, error: StoreError) -> Result<(), StoreError> {
        let error = match error {
            StoreError::StaleView { .. } if !self.last_attempt => return Err(error),
            StoreError::StaleView { .. } => {
                StoreError::new(ErrorKind::Unavailable, format!("{source}: {error}, again"))
            }
            StoreError::Other { kind, message } => StoreError::new(kind, format!("{source}: {message}")),
            StoreError::NotLeader { .. } => StoreError::new(error.kind(), format!("{source}: {error}")),
        };
        // The caller's going away and its deadline are no source's failing.
        if !self.partial || matches!(error.kind(), ErrorKind::Canceled | ErrorKind::Timeout) {
            return Err(error);
        }
        tracing::warn!(source, %error, "a source is missing from a partial answer");
        let mut missing = self.missing.lock();
        if missing.len() < MAX_NAMED {
            missing.insert(format!("partial response: {error}"));
        }
        Ok(())
    }

    /// Takes note of the newest catalog version that a source knows of.
    pub(crate) fn saw_version(&self, version: u64) {
        self.newest_version.fetch_max(version, Ordering::Relaxed);
    }

    /// The newest catalog version that any source knows of.
    pub(crate) fn newest_version(&self) -> u64 {
        self.newest_version.load(Ordering::Relaxed)
    }

    /// Adds what a source, or the reading of the catalog, asked of the bucket.
    pub(crate) fn asked_bucket(&self, usage: BucketUsage) {
        self.bucket_requests.fetch_add(usage.requests, Ordering::Relaxed);
        self.bucket_read_bytes.fetch_add(usage.read_bytes, Ordering::Relaxed);
    }

    /// What the bucket was asked for so far.
    pub(crate) fn bucket(&self) -> BucketUsage {
        BucketUsage {
            requests: self.bucket_requests.load(Ordering::Relaxed),
            read_bytes: self.bucket_read_bytes.load(Ordering::Relaxed),
        }
    }

    /// What the answer must say: one text for each source that is missing.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.missing.lock().iter().cloned().collect()
    }
}
