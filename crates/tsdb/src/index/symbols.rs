//! The texts of an index, each once.

use super::Version;
use crate::TsdbError;
use crate::cursor::Cursor;
use crate::limits::SYMBOL_BYTES;
use crate::source::Source;

/// The table, as it is in the file, and where each text begins.
#[derive(Debug)]
pub(crate) struct Symbols {
    bytes: Vec<u8>,
    /// Where `bytes` begin in the file.
    start: u64,
    /// Places in `bytes` by number; empty in version 1, which refers to places in the file.
    places: Vec<u32>,
    version: Version,
}

impl Symbols {
    pub(super) fn read(file: &Source, at: u64, version: Version) -> Result<Self, TsdbError> {
        if at == 0 {
            return Ok(Self { bytes: Vec::new(), start: 0, places: Vec::new(), version });
        }
        let section = file.section(at)?;
        if section.length > SYMBOL_BYTES {
            return Err(file.too_large(at, format!("{} bytes of symbols", section.length), SYMBOL_BYTES));
        }
        let bytes = file.read(section.start, section.length)?;
        let places = if version == Version::Two { places(file, section.start, &bytes)? } else { Vec::new() };
        Ok(Self { bytes, start: section.start, places, version })
    }

    /// The text that a series refers to.
    pub(crate) fn get(&self, reference: u32) -> Result<&str, &'static str> {
        let place = match self.version {
            Version::One => {
                u64::from(reference).checked_sub(self.start).and_then(|at| usize::try_from(at).ok())
            }
            Version::Two => self.places.get(reference as usize).map(|&at| at as usize),
        };
        let bytes = place.and_then(|at| self.bytes.get(at..)).ok_or("a series refers to no symbol")?;
        let text = Cursor::new(bytes).piece().map_err(|_| "a series refers to no symbol")?;
        std::str::from_utf8(text).map_err(|_| "a symbol is not UTF-8")
    }
}

/// Where each symbol begins.
fn places(file: &Source, start: u64, bytes: &[u8]) -> Result<Vec<u32>, TsdbError> {
    let mut cursor = Cursor::new(bytes);
    let mut read = || {
        let count = cursor.be32()?;
        // A symbol has a byte at least: no word of the file is taken for how much memory there must be.
        let mut places = Vec::with_capacity(cursor.left().min(count as usize));
        for _ in 0..count {
            places.push(cursor.at() as u32);
            cursor.piece()?;
        }
        Ok(places)
    };
    read().map_err(|problem: crate::cursor::Problem| file.corrupt(start + problem.at as u64, problem.text))
}
