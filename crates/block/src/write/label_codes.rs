//! The codes of all series' labels, in a file beside the block until it ends: a million series of a dozen labels
//! would fill more memory than anything else that a writer holds.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::BlockError;

/// Where it is in the folder of the block, of which it is no part.
const FILE: &str = "labels.scratch";
/// Bytes of the buffers.
const BUFFER: usize = 64 << 10;

/// What is known of a series.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CodedSeries {
    /// Codes of name and value of its labels.
    pub(super) pairs: Vec<(u32, u32)>,
    /// Codes of type, unit and help, where they are known.
    pub(super) described: [Option<u32>; 3],
}

/// Takes series.
pub(super) struct LabelCodes {
    path: PathBuf,
    file: BufWriter<File>,
    /// The bytes of a series.
    record: Vec<u8>,
}

impl LabelCodes {
    pub(super) fn create(dir: &Path) -> Result<Self, BlockError> {
        let path = dir.join(FILE);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| BlockError::disk(&path, &error))?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER, file), record: Vec::new() })
    }

    pub(super) fn push(&mut self, series: &CodedSeries) -> Result<(), BlockError> {
        self.record.clear();
        let pairs = series.pairs.iter().flat_map(|&(name, value)| [name, value]);
        let described = series.described.iter().map(|code| code.map_or(0, |code| code.saturating_add(1)));
        let numbers = std::iter::once(series.pairs.len() as u32).chain(pairs).chain(described);
        numbers.for_each(|number| put(&mut self.record, number));
        self.file.write_all(&self.record).map_err(|error| BlockError::disk(&self.path, &error))
    }

    /// Reads them again, in the same order.
    pub(super) fn read(self) -> Result<LabelCodesReader, BlockError> {
        let disk = |error: &std::io::Error| BlockError::disk(&self.path, error);
        let mut file = self.file.into_inner().map_err(|error| disk(error.error()))?;
        file.rewind().map_err(|error| disk(&error))?;
        Ok(LabelCodesReader { file: BufReader::with_capacity(BUFFER, file), path: self.path })
    }
}

/// Gives series back.
pub(super) struct LabelCodesReader {
    path: PathBuf,
    file: BufReader<File>,
}

impl LabelCodesReader {
    /// The next series, of so many as were pushed.
    pub(super) fn next(&mut self, series: &mut CodedSeries) -> Result<(), BlockError> {
        let read = self.try_next(series);
        read.map_err(|error| BlockError::disk(&self.path, &error))
    }

    fn try_next(&mut self, series: &mut CodedSeries) -> std::io::Result<()> {
        series.pairs.clear();
        for _ in 0..take(&mut self.file)? {
            series.pairs.push((take(&mut self.file)?, take(&mut self.file)?));
        }
        for code in &mut series.described {
            *code = take(&mut self.file)?.checked_sub(1);
        }
        Ok(())
    }

    /// Deletes the file.
    pub(super) fn delete(self) -> Result<(), BlockError> {
        std::fs::remove_file(&self.path).map_err(|error| BlockError::disk(&self.path, &error))
    }
}

/// Appends a number, seven bits a byte.
fn put(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(file: &mut impl Read) -> std::io::Result<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return u32::try_from(number).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error));
        }
    }
    Err(ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_come_back_and_the_file_goes() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            CodedSeries::default(),
            CodedSeries { pairs: vec![(0, 127), (128, u32::MAX)], described: [None, Some(0), Some(300)] },
            CodedSeries { pairs: vec![(16_384, 2_097_152)], described: [Some(u32::MAX - 1), None, None] },
        ];
        let mut codes = LabelCodes::create(dir.path()).unwrap();
        all.iter().for_each(|series| codes.push(series).unwrap());
        let mut reader = codes.read().unwrap();
        let mut found = CodedSeries::default();
        for series in &all {
            reader.next(&mut found).unwrap();
            assert_eq!(found, *series);
        }
        assert!(reader.next(&mut found).is_err());
        reader.delete().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
