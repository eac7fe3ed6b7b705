//! Deletes segments that nothing needs, oldest first.
//!
//! Only the oldest may go: a truncation or purge in a segment speaks of older ones, and must not vanish
//! before them. So that one slow group does not hold everything, entries that make up a small part of the
//! oldest segment are written again at the end.

use crate::error::WalError;
use crate::files::read_full;
use crate::format::RECORD_HEADER;
use crate::record::Record;
use crate::recover::segment_name;
use crate::runs::Location;
use crate::writer::{Failure, Writer, poisoned};

/// The oldest segment's entries are moved when they are less than this part of it.
const MOVE_BELOW: u64 = 8;
/// Entries are moved this many bytes at a time.
const MOVE_BYTES: u64 = 4 << 20;

impl Writer {
    /// Deletes the oldest segments that hold no entry that is needed. An error poisons the journal.
    pub(crate) fn drop_segments(&mut self) -> Result<(), WalError> {
        if self.snapshot_owed {
            return Ok(());
        }
        let active = self.active.sequence;
        let dead: Vec<u32> = {
            let index = self.shared.index.read();
            let old = index.segments().take_while(|(sequence, used)| *sequence != active && used.live == 0);
            old.map(|(sequence, _)| sequence).collect()
        };
        if !dead.is_empty() {
            // The purge must be durable before what it purged is gone.
            self.sync().map_err(|failure| match failure {
                Failure::Retryable(error) | Failure::Poisoned(error) => poisoned(&error),
            })?;
        }
        for sequence in &dead {
            let name = segment_name(*sequence);
            if let Err(error) = self.shared.files.remove(&name) {
                // Oldest first, or not at all: it is tried again with the next purge.
                tracing::warn!(file = name, %error, "cannot delete a journal segment");
                break;
            }
            self.shared.index.write().remove_segment(*sequence);
            // One by one: a power cut may keep the deletions of one sync in any order, and a hole among the
            // segments is a loss.
            let synced = self.shared.files.sync_directory();
            synced.map_err(|error| poisoned(&WalError::io("sync", self.shared.files.path(""), &error)))?;
        }
        self.count_segments();
        Ok(())
    }

    pub(crate) fn count_segments(&self) {
        let index = self.shared.index.read();
        let (segments, bytes) =
            index.segments().fold((0, 0), |(count, sum), (_, used)| (count + 1, sum + used.bytes));
        self.shared.metrics.segments.set(segments);
        self.shared.metrics.disk_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Writes the few entries that the oldest segment still holds again, and deletes it.
    pub(crate) fn move_old_entries(&mut self) -> Result<(), Failure> {
        let oldest = self.shared.index.read().segments().next();
        let Some((sequence, used)) = oldest else {
            return Ok(());
        };
        // The segment before the active one is left alone: its entries are young.
        if sequence.saturating_add(1) >= self.active.sequence
            || used.live.saturating_mul(MOVE_BELOW) > used.bytes
        {
            return Ok(());
        }
        let live = self.shared.index.read().live_in(sequence);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for (group, index, location) in live {
            let Some(payload) = self.read_for_move(location) else {
                tracing::warn!(group, index, "cannot move a journal entry: its segment stays");
                return Ok(());
            };
            bytes += location.record_len();
            records.push(Record::entry(group, index, payload));
            if bytes >= MOVE_BYTES {
                self.append(records.iter())?;
                self.shared.metrics.moved_bytes.inc_by(std::mem::take(&mut bytes));
                records.clear();
            }
        }
        self.append(records.iter())?;
        self.shared.metrics.moved_bytes.inc_by(bytes);
        self.sync()?;
        self.drop_segments().map_err(Failure::Poisoned)
    }

    fn read_for_move(&self, at: Location) -> Option<bytes::Bytes> {
        let file = self.shared.files.open(&segment_name(at.segment)).ok()?;
        let mut record = vec![0; RECORD_HEADER + at.len as usize];
        let read = read_full(&*file, u64::from(at.offset), &mut record).ok()?;
        let crc = u32::from_le_bytes(*record.get(4..)?.first_chunk()?);
        let payload = bytes::Bytes::from(record).slice(RECORD_HEADER..);
        (read == RECORD_HEADER + at.len as usize && crc32c::crc32c(&payload) == crc).then_some(payload)
    }
}
