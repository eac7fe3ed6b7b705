//! A file of a block, read by places.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::TsdbError;

/// Bytes read at a time where only their checksum is asked for.
const PIECE: u64 = 1 << 20;

/// Bytes of a CRC-32C.
pub(crate) const SUM_BYTES: u64 = 4;

/// A file that is read by places; what lies behind its end is damage and no error of the disk.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    length: u64,
}

/// A part of a file whose checksum was found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Section {
    pub(crate) fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, TsdbError> {
        let failed = |error| TsdbError::disk(path, &error);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { path: path.to_owned(), file, length })
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn corrupt(&self, offset: u64, problem: impl Into<String>) -> TsdbError {
        TsdbError::Corrupt { path: self.path.clone(), offset, problem: problem.into() }
    }

    pub(crate) fn unknown(&self, offset: u64, what: &'static str, found: u64) -> TsdbError {
        TsdbError::Unknown { path: self.path.clone(), offset, what, found }
    }

    pub(crate) fn too_large(&self, offset: u64, what: impl Into<String>, limit: u64) -> TsdbError {
        TsdbError::TooLarge { path: self.path.clone(), offset, what: what.into(), limit }
    }

    /// Bytes from a place on. Who asks has a cap on how many.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, TsdbError> {
        let mut bytes = Vec::new();
        self.read_into(offset, length, &mut bytes)?;
        Ok(bytes)
    }

    /// The same into memory that is there already.
    pub(crate) fn read_into(&self, offset: u64, length: u64, bytes: &mut Vec<u8>) -> Result<(), TsdbError> {
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= self.length);
        let count = usize::try_from(length).ok().filter(|_| is_inside).ok_or_else(|| {
            self.corrupt(offset, format!("{length} bytes are expected, the file ends at {}", self.length))
        })?;
        bytes.clear();
        bytes.resize(count, 0);
        self.file.read_exact_at(bytes, offset).map_err(|error| {
            bytes.clear();
            TsdbError::disk(&self.path, &error)
        })
    }

    /// The part that begins at a place with its length in four bytes and ends with its checksum.
    pub(crate) fn section(&self, at: u64) -> Result<Section, TsdbError> {
        let prefix = self.read(at, 4)?;
        let length = prefix.first_chunk().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
        let section = Section { start: at + 4, length };
        self.check_sum(section)?;
        Ok(section)
    }

    /// Reads a part from end to end and compares its checksum, which follows it.
    pub(crate) fn check_sum(&self, section: Section) -> Result<(), TsdbError> {
        let written = self.read(section.end(), SUM_BYTES)?;
        let (mut sum, mut at, mut piece) = (0, section.start, Vec::new());
        while at < section.end() {
            let length = PIECE.min(section.end() - at);
            self.read_into(at, length, &mut piece)?;
            sum = crc32c::crc32c_append(sum, &piece);
            at += length;
        }
        if written != sum.to_be_bytes() {
            return Err(self.corrupt(section.start, "the checksum does not match"));
        }
        Ok(())
    }
}
