//! Who did not answer: either why the query fails, or what its answer must say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use latewood_base::{ErrorKind, Kinded};
use latewood_proto::store::wire::BucketUsage;
use latewood_proto::store::{Leaderless, StoreError, listed_shards};
use parking_lot::Mutex;

/// The most sources that a partial answer names one by one.
const MAX_NAMED: usize = 32;

/// Why an answer may lack what was acknowledged last: which replica answered for a shard, and how long ago it heard a leader.
type Stale = BTreeMap<u32, (Arc<str>, Option<Duration>)>;

/// What one attempt at a query knows of its sources.
#[derive(Debug)]
pub(crate) struct Coverage {
    partial: bool,
    last_attempt: bool,
    allow_stale: bool,
    stale: Arc<Mutex<Stale>>,
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
            allow_stale: false,
            stale: Arc::default(),
            gave_up: Arc::default(),
            missing: Mutex::default(),
            newest_version: AtomicU64::new(0),
            bucket_requests: AtomicU64::new(0),
            bucket_read_bytes: AtomicU64::new(0),
        }
    }

    /// The same, where shards that nobody leads may be answered by what is left of them.
    pub(crate) fn with_stale(self, allow_stale: bool) -> Self {
        Self { allow_stale, ..self }
    }

    /// For reads of the same attempt whose answers must lack nothing.
    pub(crate) fn strict(&self) -> Self {
        let (gave_up, stale) = (Arc::clone(&self.gave_up), Arc::clone(&self.stale));
        Self { gave_up, stale, ..Self::new(false, false) }
    }

    /// Whether shards that nobody leads may be answered by what is left of them.
    pub(crate) fn allows_stale(&self) -> bool {
        self.allow_stale
    }

    /// Takes note that an ingester answered for shards that nobody leads.
    pub(crate) fn note_stale(&self, source: &Arc<str>, shards: &BTreeMap<u32, Leaderless>) {
        let note = |(&shard, one): (&u32, &Leaderless)| (shard, (Arc::clone(source), one.silent));
        self.stale.lock().extend(shards.iter().map(note));
    }

    /// Takes note of what nobody else may know, and no log has, of a source that is away.
    pub(crate) fn note_untold(&self, source: &str, error: &StoreError) {
        self.note(format!("metadata and exemplars that {source} alone was told of are missing: {error}"));
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
        self.note(format!("partial response: {error}"));
        Ok(())
    }

    fn note(&self, text: String) {
        let mut missing = self.missing.lock();
        if missing.len() < MAX_NAMED {
            missing.insert(text);
        }
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

    /// What the answer must say: one text for each source that is missing, and for each that may lack something.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut by_source: BTreeMap<(Arc<str>, Option<u64>), Vec<u32>> = BTreeMap::new();
        for (shard, (source, silent)) in &*self.stale.lock() {
            let seconds = silent.map(|silent| silent.as_secs());
            by_source.entry((Arc::clone(source), seconds)).or_default().push(*shard);
        }
        let stale = by_source.iter().map(|((source, seconds), shards)| stale_text(source, *seconds, shards));
        let missing = self.missing.lock();
        missing.iter().cloned().chain(stale.take(MAX_NAMED)).collect()
    }
}

fn stale_text(source: &str, seconds: Option<u64>, shards: &[u32]) -> String {
    let (shards, since) = (
        listed_shards(shards),
        match seconds {
            Some(seconds) => format!("it heard one {seconds} s ago"),
            None => "it has heard none since its start".to_owned(),
        },
    );
    format!(
        "stale response: no ingester leads shards {shards}; ingester {source} answered for them from what it has, and {since}: \
         samples that came last may be missing"
    )
}
