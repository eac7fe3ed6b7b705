//! The journal's handle.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use latewood_base::{Clock, Rng};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use crate::config::WalConfig;
use crate::error::WalError;
use crate::files::Files;
use crate::format::RECORD_HEADER;
use crate::index::Bounds;
use crate::metrics::Metrics;
use crate::queue::{Completion, Pending, Queue};
use crate::record::Record;
use crate::recover::{Active, Recovered, replay, segment_name};
use crate::roll::{create_segment, draw_salt};
use crate::std_files::StdFiles;
use crate::writer::{Failure, Shared, Writer};
use crate::{GroupId, read};

/// A journal that many groups append to. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal in `dir` (made if it is not there), and repairs a torn tail. Blocks: call it
    /// off the async runtime.
    ///
    /// # Errors
    /// The directory is in use, cannot be read, or holds a journal that is damaged.
    pub fn open(
        dir: &Path,
        config: WalConfig,
        rng: &Rng,
        clock: &Clock,
        registry: &mut Registry,
    ) -> Result<(Self, Recovered), WalError> {
        config.validate()?;
        let files = StdFiles::new(dir, config.record_synced_offsets);
        let files = files.map_err(|error| WalError::io("open", dir, &error))?;
        Self::open_on(Arc::new(files), config, rng, clock, registry)
    }

    /// Opens a journal on other files than those of the operating system. Blocks.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        files: Arc<dyn Files>,
        config: WalConfig,
        rng: &Rng,
        clock: &Clock,
        registry: &mut Registry,
    ) -> Result<(Self, Recovered), WalError> {
        let (shared, writer, found) = Self::recover(files, config, rng, clock, registry)?;
        Ok((Self::start(shared, writer)?, found))
    }

    /// As [`Journal::open_on`], but for the thread that writes: a simulation takes its steps.
    ///
    /// # Errors
    /// As [`Journal::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_stepped(
        files: Arc<dyn Files>,
        config: WalConfig,
        rng: &Rng,
        clock: &Clock,
    ) -> Result<(Self, crate::testing::Steps), WalError> {
        let (shared, writer, _) = Self::recover(files, config, rng, clock, &mut Registry::default())?;
        let journal = Self(Arc::new(Handle { shared, thread: Mutex::new(None) }));
        Ok((journal, crate::testing::Steps::new(writer)))
    }

    fn recover(
        files: Arc<dyn Files>,
        config: WalConfig,
        rng: &Rng,
        clock: &Clock,
        registry: &mut Registry,
    ) -> Result<(Arc<Shared>, Writer, Recovered), WalError> {
        config.validate()?;
        let lock = files.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => WalError::InUse { dir: files.path("") },
            _ => WalError::io("lock", files.path(""), &error),
        })?;
        let replayed = replay(&*files)?;
        let metrics = Metrics::register(registry);
        metrics.repaired_bytes.inc_by(replayed.found.repaired_bytes);
        let fresh = replayed.active.is_none();
        let active = match replayed.active {
            Some(active) => active,
            None => first_segment(&*files, rng, &config)?,
        };
        let mut index = replayed.index;
        if fresh {
            index.add_segment(active.sequence, active.end);
        }
        let shared = Arc::new(Shared {
            files,
            queue: Queue::new(config.max_queued_bytes),
            index: RwLock::new(index),
            config,
            metrics,
            synced: RwLock::new((active.sequence, active.synced)),
            is_full: AtomicBool::new(false),
        });
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            clock: clock.clone(),
            rng: rng.clone(),
            active,
            buffer: Vec::new(),
            broken: std::collections::BTreeMap::new(),
            snapshot_owed: false,
            held: Vec::new(),
            lock,
        };
        writer.prepare(fresh)?;
        Ok((shared, writer, replayed.found))
    }

    fn start(shared: Arc<Shared>, writer: Writer) -> Result<Self, WalError> {
        let on_exit = FailOnExit(Arc::clone(&shared));
        let run = move || {
            let _fails_what_comes_later = on_exit;
            writer.run();
        };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(run);
        let thread =
            thread.map_err(|error| WalError::io("start the writer of", shared.files.path(""), &error))?;
        Ok(Self(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Appends records and resolves once they are durable. They are written in order, and after all
    /// appends that were handed over before. Waits for room when too much is queued, and while the disk is full; when
    /// dropped while it waits for the queue nothing is appended, later the append goes on alone.
    ///
    /// # Errors
    /// The append is too large, or could not be written: then none of it is in the journal.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), WalError> {
        let (told, result) = oneshot::channel();
        let done = move |outcome| drop(told.send(outcome));
        self.enqueue(records, done).await?;
        result.await.unwrap_or(Err(WalError::Closed))
    }

    /// As [`Journal::append`], but returns as soon as the append has its place in the order, and calls
    /// `done` when it is durable or failed. `done` runs on the writer's thread: it must not block.
    ///
    /// # Errors
    /// The append is too large or the journal is closed; `done` is not called then.
    pub async fn enqueue(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), WalError>) + Send + 'static,
    ) -> Result<(), WalError> {
        self.queue(records, Some(Box::new(done))).await
    }

    /// Appends records that nobody waits for: they become durable with a later append, or at the close.
    /// For hints that may be lost.
    ///
    /// # Errors
    /// The append is too large or the journal is closed.
    pub async fn enqueue_lazily(&self, records: Vec<Record>) -> Result<(), WalError> {
        self.queue(records, None).await
    }

    async fn queue(&self, records: Vec<Record>, done: Option<Completion>) -> Result<(), WalError> {
        let shared = &self.0.shared;
        let bytes = self.check_sizes(&records)?;
        if let Some(error) = shared.queue.failure() {
            return Err(error);
        }
        // Nobody wakes the writer for a lazy append: it must not hold room that others wait for.
        let room = if done.is_some() { shared.queue.room(bytes).await } else { None };
        shared.queue.push(Pending { records, bytes, done, room });
        Ok(())
    }

    fn check_sizes(&self, records: &[Record]) -> Result<usize, WalError> {
        let config = &self.0.shared.config;
        let too_large = |bytes, limit, setting| Err(WalError::TooLarge { bytes, limit, setting });
        let state = records.iter().filter(|record| record.is_state()).map(Record::payload_len).max();
        if let Some(bytes) = state.filter(|bytes| *bytes > config.max_state_bytes) {
            return too_large(bytes, config.max_state_bytes, "max_state_bytes");
        }
        let bytes = records.iter().map(Record::disk_len).sum::<usize>().max(RECORD_HEADER);
        if bytes > config.max_append_bytes {
            return too_large(bytes, config.max_append_bytes, "max_append_bytes");
        }
        Ok(bytes)
    }

    /// Entries of a group in a range, ascending, until their payloads exceed `max_bytes`; at least one
    /// when there is one. Sees what was written, be it durable or not. Blocks.
    ///
    /// # Errors
    /// The disk fails, or gives back other bytes than were written.
    pub fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, WalError> {
        read::read(&self.0.shared, group, &range, max_bytes)
    }

    /// Which entries a group has.
    #[must_use]
    pub fn bounds(&self, group: GroupId) -> Bounds {
        self.0.shared.index.read().bounds(group)
    }

    /// A group's state value.
    #[must_use]
    pub fn state(&self, group: GroupId, key: u64) -> Option<Bytes> {
        self.0.shared.index.read().state(group, key)
    }

    /// The groups that have anything in the journal.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.0.shared.index.read().groups()
    }

    /// The segments and how many of their bytes are durable, oldest first.
    #[must_use]
    pub fn synced(&self) -> Vec<(PathBuf, u64)> {
        let shared = &self.0.shared;
        let (newest, durable) = *shared.synced.read();
        let index = shared.index.read();
        let length = |(sequence, bytes)| if sequence == newest { durable } else { bytes };
        let path = |sequence| shared.files.path(&segment_name(sequence));
        index.segments().map(|(sequence, used)| (path(sequence), length((sequence, used.bytes)))).collect()
    }

    /// Bytes on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.0.shared.index.read().segments().map(|(_, used)| used.bytes).sum()
    }

    /// Bytes on disk but for the newest segment, which stays whatever is purged.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        self.0.shared.index.read().segments().rev().skip(1).map(|(_, used)| used.bytes).sum()
    }

    /// Why the journal takes no more appends, if it does not.
    #[must_use]
    pub fn failure(&self) -> Option<WalError> {
        self.0.shared.queue.failure()
    }

    /// Whether the disk is full: appends wait until it has room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.shared.is_full.load(Ordering::Relaxed)
    }

    /// From now on appends that a full disk has no room for fail, so that who waits for them can be stopped.
    pub fn fail_when_full(&self) {
        self.0.shared.queue.fail_when_full();
    }

    /// Writes what is queued and stops; the directory is free afterwards. Blocks for as long as a sync takes.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Handle {
    fn close(&self) {
        self.shared.queue.close();
        let thread = self.thread.lock().take();
        // The last clone may be dropped by a completion, on the writer's own thread.
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        if other.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's writer panicked");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// However the writer ends, nobody waits for it in vain.
struct FailOnExit(Arc<Shared>);

impl Drop for FailOnExit {
    fn drop(&mut self) {
        self.0.queue.fail(&WalError::Closed);
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Journal").field(&self.0.shared.files.path("")).finish()
    }
}

fn first_segment(files: &dyn Files, rng: &Rng, config: &WalConfig) -> Result<Active, WalError> {
    create_segment(files, 1, draw_salt(rng), config).map_err(|failure| match failure {
        Failure::Retryable(error) | Failure::Poisoned(error) => error,
    })
}

impl Writer {
    /// Before the first append. A crash while the newest segment was begun leaves it without its copy of
    /// purge points and state values: it is written (again) before older segments may go.
    fn prepare(&mut self, fresh: bool) -> Result<(), WalError> {
        let older = self.shared.index.read().segments().count() > 1;
        if !fresh && older {
            self.write_snapshot().map_err(|failure| match failure {
                Failure::Retryable(error) | Failure::Poisoned(error) => error,
            })?;
        }
        self.note_synced();
        self.drop_segments()
    }
}

#[cfg(test)]
mod tests;
