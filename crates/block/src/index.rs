//! The `index` object: the tails (column index, offset index, footer) of all Parquet files of a block, and
//! the checksum of every page, so that opening a block takes two small reads however many parts it has.
//!
//! The Parquet writer cannot put checksums into page headers yet; the ones here are compared before a
//! page is decoded.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::BlockError;
use crate::schema::INDEX;

const MAGIC: &[u8; 4] = b"LWBI";
const VERSION: u8 = 1;

/// What the index holds of one Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The file's path, relative to the block's folder.
    pub(crate) path: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its last bytes, from the first column or offset index to the end.
    pub(crate) tail: Bytes,
    /// The CRC-32C of each page, in the order of [`page_ranges`].
    pub(crate) pages: Vec<u32>,
}

/// Writes an index.
pub(crate) fn encode(entries: &[IndexEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_slice(MAGIC);
    out.put_slice(&[VERSION, 0, 0, 0]);
    out.put_u32_le(entries.len() as u32);
    for entry in entries {
        out.put_u16_le(entry.path.len() as u16);
        out.put_slice(entry.path.as_bytes());
        out.put_u64_le(entry.size);
        out.put_u32_le(entry.tail.len() as u32);
        out.put_slice(&entry.tail);
        out.put_u32_le(entry.pages.len() as u32);
        entry.pages.iter().for_each(|&page| out.put_u32_le(page));
    }
    out.put_u32_le(crc32c::crc32c(&out));
    out
}

/// Reads an index, checking its checksum and every length against what is there.
pub(crate) fn decode(bytes: &Bytes) -> Result<Vec<IndexEntry>, BlockError> {
    let corrupt = |problem: &str| BlockError::corrupt(INDEX, problem);
    let short = || corrupt("it ends too soon");
    let body_length = bytes.len().checked_sub(4).ok_or_else(short)?;
    let mut body = bytes.slice(..body_length);
    if body.try_copy_to_bytes_exact(4).ok_or_else(short)?.as_ref() != MAGIC {
        return Err(corrupt("it does not begin with LWBI"));
    }
    let version = body.try_get_u8().map_err(|_| short())?;
    if version != VERSION {
        return Err(BlockError::Version {
            file: INDEX.to_owned(),
            version: u32::from(version),
            newest: u32::from(VERSION),
        });
    }
    let stored = bytes.slice(body_length..).get_u32_le();
    if crc32c::crc32c(&bytes.slice(..body_length)) != stored {
        return Err(corrupt("its checksum does not match"));
    }
    body.try_copy_to_bytes_exact(3).ok_or_else(short)?;
    let count = body.try_get_u32_le().map_err(|_| short())?;
    let entries: Option<Vec<_>> = (0..count).map(|_| decode_entry(&mut body)).collect();
    let entries = entries.ok_or_else(short)?;
    if body.has_remaining() {
        return Err(corrupt("it holds more than its entries"));
    }
    Ok(entries)
}

fn decode_entry(body: &mut Bytes) -> Option<IndexEntry> {
    let path_length = usize::from(body.try_get_u16_le().ok()?);
    let path = body.try_copy_to_bytes_exact(path_length)?;
    let size = body.try_get_u64_le().ok()?;
    let tail_length = body.try_get_u32_le().ok()? as usize;
    let tail = body.try_copy_to_bytes_exact(tail_length)?;
    let page_count = body.try_get_u32_le().ok()? as usize;
    let mut pages = body.try_copy_to_bytes_exact(page_count.checked_mul(4)?)?;
    let pages = (0..page_count).map(|_| pages.get_u32_le()).collect();
    Some(IndexEntry { path: String::from_utf8(path.into()).ok()?, size, tail, pages })
}

trait TakeExact {
    fn try_copy_to_bytes_exact(&mut self, length: usize) -> Option<Bytes>;
}

impl TakeExact for Bytes {
    fn try_copy_to_bytes_exact(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.len()).then(|| self.split_to(length))
    }
}

/// Where the tail of a file begins: at its first column or offset index.
pub(crate) fn tail_start(metadata: &ParquetMetaData, size: u64) -> u64 {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let starts = chunks.flat_map(|chunk| [chunk.column_index_offset(), chunk.offset_index_offset()]);
    let starts = starts.flatten().filter_map(|start| u64::try_from(start).ok());
    // Without row groups there are no indexes: the footer is small then, and so is the file.
    starts.min().unwrap_or(0).min(size)
}

/// Parses the tail of a file of `size` bytes.
pub(crate) fn parse_tail(path: &str, tail: &Bytes, size: u64) -> Result<Arc<ParquetMetaData>, BlockError> {
    if tail.len() as u64 > size {
        return Err(BlockError::corrupt(INDEX, format!("the tail of {path} is longer than the file")));
    }
    let mut reader = ParquetMetaDataReader::new()
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional);
    let parsed = contained(path, || {
        reader.try_parse_sized(tail, size)?;
        reader.finish()
    })?;
    Ok(Arc::new(parsed))
}

/// Runs Parquet code on bytes that may be anything: an error or a panic becomes [`BlockError::Corrupt`].
pub(crate) fn contained<T>(
    path: &str,
    work: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, BlockError> {
    // The Parquet crate asserts in places where it should return an error. Nothing it touched is used
    // after a panic, so that unwind safety holds.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| BlockError::corrupt(path, error)),
        Err(_) => Err(BlockError::corrupt(path, "the Parquet decoder panicked on it")),
    }
}

/// A page of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Row group and column.
    pub(crate) group: usize,
    pub(crate) column: usize,
    /// Its rows, counted from the start of the file; none for a dictionary page.
    pub(crate) rows: Range<u64>,
    /// Its bytes in the file, header included.
    pub(crate) bytes: Range<u64>,
}

/// All pages of a file: by row group, then column, then place; a column's dictionary page first. Checks
/// that they lie inside the file, follow each other and cover all rows.
pub(crate) fn page_ranges(
    path: &str,
    metadata: &ParquetMetaData,
    size: u64,
) -> Result<Vec<Page>, BlockError> {
    let corrupt = |problem: &str| BlockError::corrupt(path, problem);
    let mut pages = Vec::new();
    let mut first_row = 0u64;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        let rows =
            u64::try_from(row_group.num_rows()).map_err(|_| corrupt("a row group has a negative size"))?;
        let end_row = first_row.checked_add(rows).ok_or_else(|| corrupt("too many rows"))?;
        for (column, chunk) in row_group.columns().iter().enumerate() {
            let offsets = metadata.offset_index().and_then(|index| index.get(group)?.get(column));
            let offsets = offsets.ok_or_else(|| corrupt("a column has no offset index"))?;
            let (start, length) =
                chunk_range(chunk).ok_or_else(|| corrupt("a column has negative bounds"))?;
            let chunk_end = start.checked_add(length).filter(|&end| end <= size);
            let chunk_end = chunk_end.ok_or_else(|| corrupt("a column lies beyond the end"))?;
            let place = Place { group, column, rows: first_row..end_row, bytes: start..chunk_end };
            chunk_pages(&place, offsets.page_locations(), &mut pages)
                .ok_or_else(|| corrupt("the pages of a column do not follow each other"))?;
        }
        first_row = end_row;
    }
    Ok(pages)
}

/// Start and length of a column's bytes. `byte_range` of the Parquet crate panics on negative numbers: the
/// same without.
pub(crate) fn chunk_range(chunk: &parquet::file::metadata::ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    Some((u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?))
}

struct Place {
    group: usize,
    column: usize,
    rows: Range<u64>,
    bytes: Range<u64>,
}

fn chunk_pages(
    place: &Place,
    locations: &[parquet::file::page_index::offset_index::PageLocation],
    out: &mut Vec<Page>,
) -> Option<()> {
    let page = |rows, bytes| Page { group: place.group, column: place.column, rows, bytes };
    let mut at = place.bytes.start;
    let mut row = place.rows.start;
    for (number, location) in locations.iter().enumerate() {
        let start = u64::try_from(location.offset).ok()?;
        if number == 0 && start > at {
            out.push(page(row..row, at..start));
            at = start;
        }
        let end = start.checked_add(u64::try_from(location.compressed_page_size).ok()?)?;
        let next_row = match locations.get(number + 1) {
            Some(next) => place.rows.start.checked_add(u64::try_from(next.first_row_index).ok()?)?,
            None => place.rows.end,
        };
        let expected = place.rows.start.checked_add(u64::try_from(location.first_row_index).ok()?)?;
        if start != at || end > place.bytes.end || end <= start || expected != row || next_row <= row {
            return None;
        }
        if next_row > place.rows.end {
            return None;
        }
        out.push(page(row..next_row, start..end));
        (at, row) = (end, next_row);
    }
    (row == place.rows.end).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_and_every_flipped_bit_is_noticed() {
        let entry = |path: &str, pages: &[u32]| IndexEntry {
            path: path.to_owned(),
            size: 77,
            tail: Bytes::from_static(b"tail"),
            pages: pages.to_vec(),
        };
        let entries = [entry("a", &[]), entry("samples/b", &[1, u32::MAX])];
        let bytes = encode(&entries);
        assert_eq!(decode(&bytes.clone().into()).unwrap(), entries);
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&broken.into()).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length].to_vec().into()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused_before_they_are_believed() {
        let mut bytes = encode(&[]);
        bytes.truncate(8);
        bytes.extend(u32::MAX.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend(checksum.to_le_bytes());
        assert!(decode(&bytes.into()).unwrap_err().to_string().contains("ends too soon"));
    }
}
