//! `index`: which series there are, and where their chunks lie.
//!
//! ```text
//! magic 0xBAAAD700 | version | symbols | series … | postings … | postings table | contents
//!       4 B           1 B                                                           52 B, at the very end
//! ```
//!
//! Series refer to symbols by number, in version 1 by place; postings refer to series by their place divided by 16,
//! in version 1 by the place itself. Sections of label values, which older writers have, are not used.

mod contents;
mod entry;
mod postings;
mod symbols;

use std::path::Path;
use std::sync::Arc;

use crate::TsdbError;
use crate::source::Source;
use crate::window::Window;
use contents::Contents;
pub(crate) use entry::{ChunkMeta, SeriesEntry};
pub(crate) use postings::{MetricPostings, PostingsTable};
pub(crate) use symbols::Symbols;

const MAGIC: [u8; 4] = 0xBAAA_D700_u32.to_be_bytes();

/// Where a series begins, in the index's newer version.
const SERIES_ALIGNMENT: u64 = 16;

/// Versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// An index whose symbols are in memory.
#[derive(Debug)]
pub(crate) struct Index {
    file: Arc<Source>,
    version: Version,
    contents: Contents,
    symbols: Symbols,
}

impl Index {
    pub(crate) fn open(path: &Path) -> Result<Self, TsdbError> {
        let file = Arc::new(Source::open(path)?);
        let header = file.read(0, 5)?;
        let version = match header.strip_prefix(&MAGIC) {
            Some([1]) => Version::One,
            Some([2]) => Version::Two,
            Some([found, ..]) => return Err(file.unknown(4, "index format", u64::from(*found))),
            _ => return Err(file.corrupt(0, "it does not begin as an index")),
        };
        let contents = Contents::read(&file)?;
        let symbols = Symbols::read(&file, contents.symbols, version)?;
        Ok(Self { file, version, contents, symbols })
    }

    pub(crate) fn file(&self) -> &Arc<Source> {
        &self.file
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Which series each metric has.
    pub(crate) fn postings(&self) -> Result<PostingsTable, TsdbError> {
        PostingsTable::read(&self.file, self.contents.postings_table)
    }

    /// What series are read through.
    pub(crate) fn window(&self) -> Window {
        Window::new(Arc::clone(&self.file), self.file.len())
    }

    /// The series that a reference stands for.
    pub(crate) fn series(&self, reference: u32, window: &mut Window) -> Result<SeriesEntry, TsdbError> {
        let at = match self.version {
            Version::One => u64::from(reference),
            Version::Two => u64::from(reference) * SERIES_ALIGNMENT,
        };
        window.entry(at, SeriesEntry::read).map(|(entry, _)| SeriesEntry { at, ..entry })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An index of these symbols, this table of postings and this list of series, all with checksums that match.
    fn index(folder: &Path, version: u8, sections: [&[u8]; 3]) -> Result<Vec<u32>, TsdbError> {
        let mut bytes = [MAGIC.as_slice(), &[version]].concat();
        let mut places = Vec::new();
        for section in sections {
            places.push(bytes.len() as u64);
            bytes.extend((section.len() as u32).to_be_bytes());
            bytes.extend(section);
            bytes.extend(crc32c::crc32c(section).to_be_bytes());
        }
        let contents = [places[0], 0, 0, 0, places[2], places[1]].map(u64::to_be_bytes).concat();
        bytes.extend(&contents);
        bytes.extend(crc32c::crc32c(&contents).to_be_bytes());
        let path = folder.join("index");
        std::fs::write(&path, bytes).unwrap();
        let index = Index::open(&path)?;
        for reference in [0, 1, 9, 40, u32::MAX] {
            let _ = index.symbols().get(reference);
            let _ = index.series(reference, &mut index.window());
        }
        index.postings()?.nameless()
    }

    proptest! {
        #[test]
        fn sections_of_any_bytes_are_read_or_damaged(
            version in 1..3_u8,
            symbols in prop::collection::vec(any::<u8>(), 0..40),
            table in prop::collection::vec(any::<u8>(), 0..40),
            count in 0..4_u8,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let _ = index(folder.path(), version, [&symbols, &table, &[]]);
            // Counts that may be right.
            let (symbols, table) = ([&[0, 0, 0, count], &symbols[..]].concat(), [&[0, 0, 0, count], &table[..]].concat());
            let _ = index(folder.path(), version, [&symbols, &table, &[]]);
        }
    }

    #[test]
    fn a_list_that_lies_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let symbols = [0, 0, 0, 1, 1, b'a'];
        let table = [0, 0, 0, 1, 2, 0, 0, 35];
        let read = |list: &[u8]| index(folder.path(), 2, [&symbols, &table, list]);
        assert_eq!(read(&[0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 7]).unwrap(), [3, 7]);
        for lie in
            [&[0, 0, 0, 9, 0, 0, 0, 3][..], &[0, 0, 0, 1, 0, 0], &[], &[0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3]]
        {
            assert!(matches!(read(lie), Err(TsdbError::Corrupt { offset: 39, .. })), "{:?}", read(lie));
        }
    }
}
