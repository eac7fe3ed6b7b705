//! `chunks/`: files of chunks, one after another.
//!
//! ```text
//! magic 0x85BD40DD | version 1 | 0 0 0 | length uvarint, encoding 1 B, data, CRC-32C of encoding and data | …
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::TsdbError;
use crate::chunk::{self, Fault, Sink};
use crate::cursor::Cursor;
use crate::index::ChunkMeta;
use crate::limits::CHUNK_BYTES;
use crate::source::Source;
use crate::window::Window;

const MAGIC: [u8; 4] = 0x85BD_40DD_u32.to_be_bytes();
const HEADER_BYTES: u64 = 8;

/// The files of chunks, in the order of their numbers. One is open at a time: chunks are mostly asked for in order.
#[derive(Debug)]
pub(crate) struct Segments {
    paths: Vec<PathBuf>,
    open: Option<(usize, Window)>,
}

impl Segments {
    /// Looks which there are.
    pub(crate) fn find(block: &Path) -> Result<Self, TsdbError> {
        let folder = block.join("chunks");
        let failed = |error| TsdbError::disk(&folder, &error);
        let mut numbered = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            numbered.extend(number.map(|number| (number, path)));
        }
        numbered.sort();
        Ok(Self { paths: numbered.into_iter().map(|(_, path)| path).collect(), open: None })
    }

    /// The same files, to be read beside.
    pub(crate) fn again(&self) -> Self {
        Self { paths: self.paths.clone(), open: None }
    }

    /// Opens each once: they are there, and what they should be.
    pub(crate) fn check(&self) -> Result<(), TsdbError> {
        self.paths.iter().try_for_each(|path| open(path).map(drop))
    }

    /// Decodes a chunk. `named_by` is the index, at the place of the series that has it.
    pub(crate) fn read(
        &mut self,
        meta: &ChunkMeta,
        named_by: (&Source, u64),
        sink: &mut impl Sink,
    ) -> Result<(), TsdbError> {
        let (segment, at) = ((meta.reference >> 32) as usize, meta.reference & u64::from(u32::MAX));
        let window = self.window(segment, named_by)?;
        let ((encoding, data), _) = window.entry(at, read)?;
        let file = window.file();
        if data.len() as u64 > CHUNK_BYTES {
            return Err(file.too_large(at, format!("a chunk of {} bytes", data.len()), CHUNK_BYTES));
        }
        chunk::decode(encoding, &data, sink).map_err(|fault| match fault {
            Fault::Damaged(problem) => file.corrupt(at, problem),
            Fault::TooLarge(what, limit) => file.too_large(at, what, limit),
            Fault::Encoding(encoding) => file.unknown(at, "chunk encoding", encoding.into()),
        })
    }

    fn window(&mut self, segment: usize, named_by: (&Source, u64)) -> Result<&mut Window, TsdbError> {
        let (index, place) = named_by;
        let path = self.paths.get(segment).ok_or_else(|| {
            let problem = format!("a chunk is said to be in file {} of {}", segment + 1, self.paths.len());
            index.corrupt(place, problem)
        })?;
        let window = match self.open.take() {
            Some((open, window)) if open == segment => window,
            _ => open(path)?,
        };
        Ok(&mut self.open.insert((segment, window)).1)
    }
}

/// Opens a segment.
fn open(path: &Path) -> Result<Window, TsdbError> {
    let file = Arc::new(Source::open(path)?);
    let header = file.read(0, HEADER_BYTES)?;
    match header.strip_prefix(&MAGIC) {
        Some([1, ..]) => Ok(Window::new(Arc::clone(&file), file.len())),
        Some([found, ..]) => Err(file.unknown(4, "chunk format", u64::from(*found))),
        _ => Err(file.corrupt(0, "it does not begin as a file of chunks")),
    }
}

/// Encoding and data of a chunk whose checksum is right.
fn read(cursor: &mut Cursor<'_>) -> Result<(u8, Vec<u8>), crate::cursor::Problem> {
    let length = cursor.uvarint32()? as usize;
    let mut sealed = cursor.clone();
    let (encoding, data) = (cursor.byte()?, cursor.take(length)?);
    let summed = sealed.take(length + 1)?;
    let place = cursor.at();
    if cursor.be32()? != crc32c::crc32c(summed) {
        let text = "the checksum of a chunk does not match";
        return Err(crate::cursor::Problem { at: place, text, is_short: false });
    }
    Ok((encoding, data.to_vec()))
}
