//! Closing a segment and beginning the next one.
//!
//! Invariants: a segment is durable before the next one is begun; the next one's header and name are
//! durable before its first record is written; older segments stay until the new one begins with a copy of
//! all purge points and state values.

use latewood_base::Rng;

use crate::config::WalConfig;
use crate::error::WalError;
use crate::files::Files;
use crate::format::{SEGMENT_HEADER, SegmentHeader};
use crate::recover::{Active, segment_name};
use crate::writer::{Failure, Writer, poisoned};

impl Writer {
    /// Closes the active segment and begins the next one.
    pub(crate) fn roll(&mut self) -> Result<(), Failure> {
        if self.shared.config.preallocate {
            let cut = self.active.file.truncate(self.active.end);
            cut.map_err(|error| Failure::Poisoned(poisoned(&self.io("cut to its length", &error))))?;
            self.owe_sync();
        }
        self.sync()?;
        let Some(sequence) = self.active.sequence.checked_add(1) else {
            let full = std::io::Error::other("4 billion segments were written");
            return Err(Failure::Retryable(self.io("begin a segment after", &full)));
        };
        let salt = draw_salt(&self.rng);
        self.active = create_segment(&*self.shared.files, sequence, salt, &self.shared.config)?;
        self.shared.index.write().add_segment(sequence, SEGMENT_HEADER as u64);
        self.snapshot_owed = true;
        self.note_synced();
        self.write_snapshot()?;
        self.drop_segments().map_err(Failure::Poisoned)?;
        match self.move_old_entries() {
            // Space can wait; the appends at hand need not.
            Err(Failure::Retryable(error)) => tracing::warn!(%error, "cannot move old journal entries"),
            Err(poisoned) => return Err(poisoned),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Writes purge points and state values again, so that older segments hold none that is needed.
    pub(crate) fn write_snapshot(&mut self) -> Result<(), Failure> {
        let records = self.shared.index.read().snapshot();
        self.append(records.iter())?;
        self.sync()?;
        self.snapshot_owed = false;
        Ok(())
    }
}

/// A number that nobody outside can guess.
pub(crate) fn draw_salt(rng: &Rng) -> u32 {
    u32::try_from(rng.next_u64() & u64::from(u32::MAX)).unwrap_or(1)
}

/// Makes a segment whose header is durable, and whose name is. When it fails for want of space nothing
/// is left of it.
pub(crate) fn create_segment(
    files: &dyn Files,
    sequence: u32,
    salt: u32,
    config: &WalConfig,
) -> Result<Active, Failure> {
    let name = segment_name(sequence);
    let path = files.path(&name);
    let failed = |action: &'static str, error: &std::io::Error| WalError::io(action, &path, error);
    let file = files.create(&name).map_err(|error| Failure::Retryable(failed("create", &error)))?;
    let header = SegmentHeader { sequence: u64::from(sequence), salt }.encode();
    let reserved = if config.preallocate { file.reserve(config.segment_bytes) } else { Ok(()) };
    if let Err(error) = reserved.and_then(|()| file.write_at(0, &header)) {
        let error = failed("begin", &error);
        return Err(match files.remove(&name) {
            Ok(()) => Failure::Retryable(error),
            Err(_) => Failure::Poisoned(poisoned(&error)),
        });
    }
    let durable = file.sync().and_then(|()| files.sync_directory());
    durable.map_err(|error| Failure::Poisoned(poisoned(&failed("sync", &error))))?;
    let end = SEGMENT_HEADER as u64;
    Ok(Active { sequence, salt, file, end, synced: end })
}
