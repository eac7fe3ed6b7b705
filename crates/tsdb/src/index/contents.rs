//! The end of an index: where its sections begin.

use crate::TsdbError;
use crate::cursor::Cursor;
use crate::source::{SUM_BYTES, Section, Source};

/// Six places of eight bytes.
const BYTES: u64 = 48;

/// Where the sections begin that are read; 0 if one is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) symbols: u64,
    pub(super) postings_table: u64,
}

impl Contents {
    pub(super) fn read(file: &Source) -> Result<Self, TsdbError> {
        let start = file.len().checked_sub(BYTES + SUM_BYTES);
        let start = start.ok_or_else(|| file.corrupt(0, "it is too short for an index"))?;
        file.check_sum(Section { start, length: BYTES })?;
        let bytes = file.read(start, BYTES)?;
        let mut cursor = Cursor::new(&bytes);
        let mut next =
            || cursor.be64().map_err(|problem| file.corrupt(start + problem.at as u64, problem.text));
        let (symbols, _series, _label_values, _label_table, _postings, postings_table) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        Ok(Self { symbols, postings_table })
    }
}
