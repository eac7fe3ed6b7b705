//! A Parquet file on its way to disk: counted, checksummed, fsynced, and read once for its index entry.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::index::{IndexEntry, page_ranges, parse_tail, tail_start};
use crate::{BlockError, FileMeta};

/// Bytes of the write buffer.
const BUFFER: usize = 256 << 10;

/// A file that knows its size and checksum.
struct Checksummed {
    file: BufWriter<File>,
    size: u64,
    crc32c: u32,
}

impl Write for Checksummed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let taken = bytes.get(..written).unwrap_or(bytes);
        self.crc32c = crc32c::crc32c_append(self.crc32c, taken);
        self.size += taken.len() as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A Parquet file being written.
pub(super) struct Output {
    path: PathBuf,
    name: String,
    writer: ArrowWriter<Checksummed>,
}

/// A Parquet file that is written and durable, but for its folder's entry.
pub(super) struct Finished {
    /// Size and checksum under the name given at [`Output::create`].
    pub(super) file: FileMeta,
    /// Its index entry.
    pub(super) entry: IndexEntry,
}

impl Output {
    /// Creates `dir/name`.
    pub(super) fn create(
        dir: &Path,
        name: &str,
        schema: SchemaRef,
        properties: Result<WriterProperties, ParquetError>,
    ) -> Result<Self, BlockError> {
        let path = dir.join(name);
        let file = File::create(&path).map_err(|error| BlockError::disk(&path, &error))?;
        let sink = Checksummed { file: BufWriter::with_capacity(BUFFER, file), size: 0, crc32c: 0 };
        let encode = |error: ParquetError| BlockError::encode(name, &error);
        // Without the Arrow schema the file is plain Parquet, and smaller.
        let options = ArrowWriterOptions::new()
            .with_properties(properties.map_err(encode)?)
            .with_skip_arrow_metadata(true);
        Ok(Self {
            path,
            name: name.to_owned(),
            writer: ArrowWriter::try_new_with_options(sink, schema, options).map_err(encode)?,
        })
    }

    /// Appends rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), BlockError> {
        let written = self.writer.write(batch);
        written.map_err(|error| BlockError::encode(&self.name, &error))
    }

    /// Bytes so far, those of the open row group estimated.
    pub(super) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Writes the footer, fsyncs, and reads the file back for its index entry.
    pub(super) fn finish(mut self) -> Result<Finished, BlockError> {
        let encode = |error: ParquetError| BlockError::encode(&self.name, &error);
        let metadata = self.writer.finish().map_err(encode)?;
        let disk = |error: &std::io::Error| BlockError::disk(&self.path, error);
        let sink = self.writer.inner_mut();
        sink.flush().map_err(|error| disk(&error))?;
        sink.file.get_ref().sync_all().map_err(|error| disk(&error))?;
        let (size, crc32c) = (sink.size, sink.crc32c);
        let mut file = File::open(&self.path).map_err(|error| disk(&error))?;
        let start = tail_start(&metadata, size);
        let tail = read_at(&mut file, start..size).map_err(|error| disk(&error))?;
        let metadata = parse_tail(&self.name, &tail.clone().into(), size)?;
        let mut pages = Vec::new();
        for page in page_ranges(&self.name, &metadata, size)? {
            let bytes = read_at(&mut file, page.bytes).map_err(|error| disk(&error))?;
            pages.push(crc32c::crc32c(&bytes));
        }
        Ok(Finished {
            entry: IndexEntry { path: self.name.clone(), size, tail: tail.into(), pages },
            file: FileMeta { path: self.name, size, crc32c },
        })
    }
}

fn read_at(file: &mut File, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes a small file and fsyncs it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BlockError> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| BlockError::disk(path, &error))
}

/// Fsyncs a folder, so that the names in it last.
pub(super) fn sync_folder(path: &Path) -> Result<(), BlockError> {
    let sync = File::open(path).and_then(|folder| folder.sync_all());
    sync.map_err(|error| BlockError::disk(path, &error))
}
