//! Reads a segment from front to back in large chunks, and tells a torn tail from damage.
//!
//! A record carries how much of its segment was durable when it was written. So when a record does not
//! check out at offset X, and any later record says that more than X was durable, the bytes at X were
//! good once: that is damage. Otherwise nothing from X on was ever acknowledged: a torn tail.

use std::io;

use crate::files::{SegmentFile, read_full};
use crate::format::{ALIGN, RECORD_HEADER, RecordHeader, SEGMENT_HEADER};

const CHUNK: usize = 4 << 20;

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A record that checks out, where it begins, and its payload.
    Record(RecordHeader, u64, &'a [u8]),
    /// The end of the file.
    End,
    /// Something else begins here.
    Bad(u64, &'static str),
}

/// Reads records one after another, holding one chunk, or one record when that is larger.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a dyn SegmentFile,
    salt: u32,
    file_len: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
    next: u64,
}

impl<'a> Scan<'a> {
    /// Begins after the header of a segment.
    pub(crate) fn new(file: &'a dyn SegmentFile, salt: u32) -> io::Result<Self> {
        let file_len = file.len()?;
        let next = SEGMENT_HEADER as u64;
        Ok(Self { file, salt, file_len, chunk: Vec::new(), chunk_at: next, next })
    }

    /// The next record.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let at = self.next;
        let left = self.file_len.saturating_sub(at);
        if left == 0 {
            return Ok(Step::End);
        }
        let salt = self.salt;
        let Some(header) = RecordHeader::decode(self.bytes(at, RECORD_HEADER)?, salt) else {
            return Ok(Step::Bad(at, "no record begins here"));
        };
        if header.record_len() > left {
            return Ok(Step::Bad(at, "the record ends beyond the file"));
        }
        self.next = at + header.record_len();
        let payload = self.bytes(at + RECORD_HEADER as u64, header.payload_len as usize)?;
        if payload.len() != header.payload_len as usize {
            return Ok(Step::Bad(at, "the record's payload is cut short"));
        }
        if crc32c::crc32c(payload) != header.payload_crc {
            return Ok(Step::Bad(at, "the record's payload does not match its checksum"));
        }
        Ok(Step::Record(header, at, payload))
    }

    /// Whether a record after `bad` says that the bytes at `bad` had been durable.
    pub(crate) fn was_durable(&mut self, bad: u64) -> io::Result<bool> {
        let mut at = bad + ALIGN as u64;
        while at + RECORD_HEADER as u64 <= self.file_len {
            let salt = self.salt;
            if RecordHeader::decode(self.bytes(at, RECORD_HEADER)?, salt)
                .is_some_and(|later| u64::from(later.synced) > bad)
            {
                return Ok(true);
            }
            at += ALIGN as u64;
        }
        Ok(false)
    }

    /// Up to `want` bytes at `at`: fewer only at the end of the file.
    fn bytes(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let inside = |chunk_at: u64, len: usize| {
            let start = usize::try_from(at.checked_sub(chunk_at)?).ok()?;
            (start + want <= len).then_some(start)
        };
        let mut start = inside(self.chunk_at, self.chunk.len());
        if start.is_none() {
            // `want` is no more than the file has left: a header's length was compared with it.
            let left = usize::try_from(self.file_len.saturating_sub(at)).unwrap_or(usize::MAX);
            self.chunk.resize(want.max(CHUNK).min(left), 0);
            self.chunk_at = at;
            let read = read_full(self.file, at, &mut self.chunk)?;
            self.chunk.truncate(read);
            start = Some(0);
        }
        let start = start.unwrap_or(0);
        let end = (start + want).min(self.chunk.len());
        Ok(self.chunk.get(start..end).unwrap_or_default())
    }
}
