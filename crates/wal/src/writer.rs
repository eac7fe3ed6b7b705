//! The one thread that writes: takes all appends that wait, writes them with one call, syncs once.
//!
//! Invariants: nothing is reported durable before the sync that covers it returned; a sync that failed
//! is never tried again; after a failed write the segment is cut back to where it was. What a full disk has no room for is
//! written when it has, and before anything that came later.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latewood_base::{Clock, Rng};
use parking_lot::RwLock;

use crate::GroupId;
use crate::config::WalConfig;
use crate::error::WalError;
use crate::files::Files;
use crate::format::{Kind, RecordHeader, SEGMENT_HEADER};
use crate::index::Index;
use crate::metrics::Metrics;
use crate::queue::{Pending, Queue};
use crate::record::Record;
use crate::recover::{Active, segment_name};

/// How often a full disk is tried again.
const SPACE_PAUSE: Duration = Duration::from_millis(500);

/// What the journal's handle, its readers and its writer share.
pub(crate) struct Shared {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) queue: Queue,
    pub(crate) index: RwLock<Index>,
    pub(crate) config: WalConfig,
    pub(crate) metrics: Metrics,
    /// The newest segment and how many of its bytes are durable.
    pub(crate) synced: RwLock<(u32, u64)>,
    /// Whether appends wait for room on the disk.
    pub(crate) is_full: AtomicBool,
}

/// The writer's own state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) active: Active,
    pub(crate) buffer: Vec<u8>,
    /// Groups whose append failed: entries after this one would leave a hole, and are refused.
    pub(crate) broken: BTreeMap<GroupId, u64>,
    /// The newest segment does not begin with a copy of the purge points and state values yet: older
    /// segments are needed for them.
    pub(crate) snapshot_owed: bool,
    /// What the disk has no room for: it is written next.
    pub(crate) held: Vec<Pending>,
    /// Keeps other processes out.
    pub(crate) lock: Box<dyn Any + Send + Sync>,
}

/// A write that failed costs its appends; a sync that failed costs the journal.
pub(crate) enum Failure {
    Retryable(WalError),
    Poisoned(WalError),
}

impl Writer {
    /// Runs until the queue is closed and empty, or until a sync fails.
    pub(crate) fn run(mut self) {
        while self.write_next() {
            if !self.held.is_empty() {
                self.shared.queue.wait_for_space(SPACE_PAUSE);
            }
        }
        if self.shared.queue.failure().is_none() {
            self.mark_the_end();
        }
        // The directory stays ours until the journal is closed, poisoned or not.
        while self.shared.queue.take(usize::MAX).is_some() {}
        drop(self.lock);
    }

    /// Waits for appends, and writes them; whether there may be more.
    pub(crate) fn write_next(&mut self) -> bool {
        let batch = match std::mem::take(&mut self.held) {
            held if !held.is_empty() => held,
            _ => match self.shared.queue.take(self.shared.config.max_batch_bytes) {
                Some(batch) => batch,
                None => return false,
            },
        };
        self.write_batch(batch);
        self.shared.queue.failure().is_none()
    }

    fn poison(&self, error: &WalError) {
        self.shared.metrics.poisoned.set(1);
        tracing::error!(%error, "the journal takes no more appends");
        self.shared.queue.fail(error);
    }

    /// Writes and syncs appends, and tells those who wait; poisons the journal where it must.
    fn write_batch(&mut self, batch: Vec<Pending>) {
        let (batch, refused) = self.refuse_holes(batch);
        for (pending, error) in refused {
            self.shared.metrics.failed_appends.inc();
            pending.finish(&Err(error));
        }
        let result = self.write_records(&batch);
        if let Err(Failure::Retryable(error)) = &result
            && error.is_disk_full()
            && self.shared.queue.waits_for_space()
        {
            self.note_full(Some(error));
            self.held = batch;
            return;
        }
        self.note_full(None);
        let told = match &result {
            Ok(()) => Ok(()),
            Err(Failure::Retryable(error) | Failure::Poisoned(error)) => Err(error.clone()),
        };
        if let Err(error) = &told {
            tracing::warn!(%error, appends = batch.len(), "journal appends failed");
            self.note_broken(&batch);
            self.shared.metrics.failed_appends.inc_by(batch.len() as u64);
        } else {
            self.shared.metrics.appends.inc_by(batch.len() as u64);
        }
        let drops_entries =
            batch.iter().flat_map(|pending| &pending.records).any(|record| record.kind() == Kind::Purge);
        if let Err(Failure::Poisoned(error)) = &result {
            // Before anyone is told: who hears of the failure may ask the journal for it.
            self.poison(error);
        }
        for pending in batch {
            pending.finish(&told);
        }
        if let (Ok(()), true) = (result, drops_entries)
            && let Err(error) = self.drop_segments()
        {
            self.poison(&error);
        }
    }

    /// Takes note of whether the disk is full.
    fn note_full(&self, error: Option<&WalError>) {
        let was_full = self.shared.is_full.swap(error.is_some(), Ordering::Relaxed);
        self.shared.metrics.full.set(i64::from(error.is_some()));
        match error {
            Some(error) if !was_full => tracing::error!(%error, "journal appends wait for room on the disk"),
            None if was_full => tracing::info!("the journal's disk has room again"),
            _ => {}
        }
    }

    fn write_records(&mut self, batch: &[Pending]) -> Result<(), Failure> {
        let bytes: u64 = batch.iter().map(|pending| pending.bytes as u64).sum();
        if batch.is_empty() {
            return Ok(());
        }
        if self.active.end + bytes > self.shared.config.segment_bytes
            && self.active.end > SEGMENT_HEADER as u64
        {
            self.roll()?;
        }
        if self.snapshot_owed {
            self.write_snapshot()?;
        }
        self.append(batch.iter().flat_map(|pending| &pending.records))?;
        if batch.iter().any(|pending| pending.done.is_some()) {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes records at the end of the active segment, and takes them into the index.
    pub(crate) fn append<'r>(
        &mut self,
        records: impl Iterator<Item = &'r Record> + Clone,
    ) -> Result<(), Failure> {
        self.buffer.clear();
        for record in records.clone() {
            record.encode_into(&mut self.buffer, self.active.salt, self.active.synced);
        }
        if let Err(error) = self.active.file.write_at(self.active.end, &self.buffer) {
            let failed = self.io("write", &error);
            return match self.active.file.truncate(self.active.end) {
                Ok(()) => {
                    self.owe_sync();
                    Err(Failure::Retryable(failed))
                }
                Err(error) => {
                    Err(Failure::Poisoned(poisoned(&self.io("cut back after a failed write", &error))))
                }
            };
        }
        self.shared.metrics.bytes.inc_by(self.buffer.len() as u64);
        self.take_into_index(records);
        if self.buffer.capacity() > 2 * self.shared.config.max_batch_bytes {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn take_into_index<'r>(&mut self, records: impl Iterator<Item = &'r Record>) {
        let mut index = self.shared.index.write();
        let mut at = self.active.end;
        for record in records {
            let header = RecordHeader {
                kind: record.kind(),
                group: record.group(),
                index: record.index(),
                payload_len: u32::try_from(record.payload_len()).unwrap_or(u32::MAX),
                payload_crc: 0,
                synced: 0,
            };
            let offset = u32::try_from(at).unwrap_or(u32::MAX);
            index.take(&header, self.active.sequence, offset, || record.value().clone());
            at += record.disk_len() as u64;
        }
        index.set_segment_bytes(self.active.sequence, at);
        self.active.end = at;
    }

    /// The file was cut: its new length must be durable before the segment is closed, or else a power cut
    /// brings back what was cut off, in a segment where only a torn tail could be told from damage.
    pub(crate) fn owe_sync(&mut self) {
        self.active.synced = self.active.synced.min(self.active.end.saturating_sub(1));
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if self.active.synced == self.active.end {
            return Ok(());
        }
        let before = self.clock.elapsed();
        self.active.file.sync().map_err(|error| Failure::Poisoned(poisoned(&self.io("sync", &error))))?;
        self.shared.metrics.syncs.observe((self.clock.elapsed() - before).as_secs_f64());
        self.active.synced = self.active.end;
        self.note_synced();
        Ok(())
    }

    pub(crate) fn note_synced(&self) {
        let (sequence, bytes) = (self.active.sequence, self.active.synced);
        *self.shared.synced.write() = (sequence, bytes);
        if let Err(error) = self.shared.files.note_synced(&segment_name(sequence), bytes) {
            tracing::warn!(%error, "cannot note how much of the journal is durable");
        }
    }

    pub(crate) fn io(&self, action: &'static str, error: &std::io::Error) -> WalError {
        let name = segment_name(self.active.sequence);
        WalError::io(action, self.shared.files.path(&name), error)
    }

    /// At an orderly stop: a last record that says all before it is durable, so that damage in the last
    /// append is told from a torn tail too.
    fn mark_the_end(&mut self) {
        let done = self.sync().and_then(|()| self.append([Record::mark()].iter())).and_then(|()| self.sync());
        if let Err(Failure::Retryable(error) | Failure::Poisoned(error)) = done {
            tracing::warn!(%error, "the journal was closed without its last mark");
        }
    }
}

pub(crate) fn poisoned(error: &WalError) -> WalError {
    match error {
        WalError::Poisoned { .. } => error.clone(),
        other => WalError::Poisoned { reason: other.to_string() },
    }
}
