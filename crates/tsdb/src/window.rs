//! Entries of a file that are read one after another, mostly forwards.

use std::sync::Arc;

use crate::TsdbError;
use crate::cursor::{Cursor, Problem};
use crate::limits::ENTRY_BYTES;
use crate::source::Source;

/// Bytes read at a time; an entry may be longer.
const BYTES: u64 = 64 << 10;

/// The bytes of a file around an entry, so that neighbours need not be fetched one by one.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<Source>,
    /// Where entries may lie at most.
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Entries are read up to `end`, or that of the file.
    pub(crate) fn new(file: Arc<Source>, end: u64) -> Self {
        let end = end.min(file.len());
        Self { file, end, start: 0, bytes: Vec::new() }
    }

    pub(crate) fn file(&self) -> &Arc<Source> {
        &self.file
    }

    /// Reads an entry that begins at a place; where the next one begins, too.
    pub(crate) fn entry<T>(
        &mut self,
        at: u64,
        read: impl Fn(&mut Cursor<'_>) -> Result<T, Problem>,
    ) -> Result<(T, u64), TsdbError> {
        let mut wanted = BYTES;
        loop {
            let bytes = self.buffered(at);
            let mut cursor = Cursor::new(bytes);
            let reached = at.saturating_add(bytes.len() as u64);
            match read(&mut cursor) {
                Ok(entry) => return Ok((entry, at + cursor.at() as u64)),
                Err(problem) if problem.is_short && reached < self.end => {
                    self.fetch(at, &mut wanted)?;
                }
                Err(problem) => {
                    return Err(self.file.corrupt(at.saturating_add(problem.at as u64), problem.text));
                }
            }
        }
    }

    /// What is there of the bytes from a place on.
    fn buffered(&self, at: u64) -> &[u8] {
        let behind = at.checked_sub(self.start).and_then(|behind| usize::try_from(behind).ok());
        behind.and_then(|behind| self.bytes.get(behind..)).unwrap_or_default()
    }

    /// Fetches from a place on, and more at the next attempt: an entry that was cut off is longer.
    fn fetch(&mut self, at: u64, wanted: &mut u64) -> Result<(), TsdbError> {
        if *wanted > ENTRY_BYTES {
            let what = format!("an entry of more than {} bytes", self.bytes.len());
            return Err(self.file.too_large(at, what, ENTRY_BYTES));
        }
        let length = (*wanted).min(self.end.saturating_sub(at));
        // Not the old bytes at the new place, should reading fail.
        self.start = at;
        self.file.read_into(at, length, &mut self.bytes)?;
        *wanted = wanted.saturating_mul(4);
        Ok(())
    }
}
