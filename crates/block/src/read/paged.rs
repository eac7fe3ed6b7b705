//! A Parquet file whose pages are read one by one: samples and scrapes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use latewood_objstore::{Bucket, BucketError};
use parquet::basic::Type;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::page_header::check_page_headers;
use crate::BlockError;
use crate::index::{IndexEntry, contained, page_ranges, parse_tail};

/// Rows beyond which a page is refused: twice what writers are allowed.
const MAX_PAGE_ROWS: u64 = 1 << 21;

/// A page of a column: where it is, what rows it has, and what its bytes must add up to.
#[derive(Clone, Debug)]
pub(crate) struct PageRef {
    pub(crate) rows: Range<u64>,
    bytes: Range<u64>,
    group: usize,
    crc32c: u32,
}

/// A file with its footer and page table; the bytes stay in the bucket.
#[derive(Debug)]
pub(crate) struct PagedFile {
    /// The key in the bucket.
    key: String,
    /// The path in the block.
    pub(crate) name: String,
    /// Rows.
    pub(crate) rows: u64,
    metadata: Arc<ParquetMetaData>,
    /// The data pages of each column.
    columns: Vec<Vec<PageRef>>,
}

impl PageRef {
    /// Bytes in the file.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }
}

/// A decoded page: a value a row, and which of them are not NULL (all, when there is no list).
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    pub(crate) values: Vec<T>,
    /// Definition levels: 1 where there is a value.
    pub(crate) present: Option<Vec<i16>>,
}

impl<T: Copy> Decoded<T> {
    /// Bytes of memory.
    pub(crate) fn heap_size(&self) -> usize {
        let levels = self.present.as_ref().map_or(0, |levels| levels.capacity() * size_of::<i16>());
        self.values.capacity() * size_of::<T>() + levels
    }

    /// Hands the values of some rows that have one to `take`, each with the item at its place in `out`.
    pub(crate) fn each<O>(&self, rows: Range<usize>, out: &mut [O], mut take: impl FnMut(&mut O, T)) {
        let values = self.values.get(rows.clone()).unwrap_or_default();
        let pairs = out.iter_mut().zip(values);
        match self.present.as_ref().and_then(|levels| levels.get(rows)) {
            None => pairs.for_each(|(out, &value)| take(out, value)),
            Some(levels) => {
                let present = pairs.zip(levels).filter(|(_, level)| **level == 1);
                present.for_each(|((out, &value), _)| take(out, value));
            }
        }
    }
}

/// A page by the column and the number it has there.
pub(crate) type PageKey = (usize, usize);

impl PagedFile {
    /// Checks the footer and the page table of a file.
    pub(crate) fn new(folder: &str, entry: &IndexEntry) -> Result<Self, BlockError> {
        let metadata = parse_tail(&entry.path, &entry.tail, entry.size)?;
        let pages = page_ranges(&entry.path, &metadata, entry.size)?;
        let corrupt = |problem: &str| BlockError::corrupt(&entry.path, problem);
        if pages.len() != entry.pages.len() {
            return Err(corrupt("it has not as many pages as the index has checksums"));
        }
        let mut columns = vec![Vec::new(); metadata.file_metadata().schema_descr().num_columns()];
        let mut rows = 0;
        for (page, &crc32c) in pages.into_iter().zip(&entry.pages) {
            if page.rows.end - page.rows.start > MAX_PAGE_ROWS {
                return Err(corrupt("a page has more rows than any writer puts there"));
            }
            rows = rows.max(page.rows.end);
            let column = columns.get_mut(page.column);
            let column = column.ok_or_else(|| corrupt("a row group has too many columns"))?;
            if !page.rows.is_empty() {
                column.push(PageRef { rows: page.rows, bytes: page.bytes, group: page.group, crc32c });
            }
        }
        Ok(Self {
            key: format!("{folder}/{}", entry.path),
            name: entry.path.clone(),
            rows,
            metadata,
            columns,
        })
    }

    /// The number of the column with this name and type.
    pub(crate) fn column(&self, name: &str, physical: Type) -> Result<usize, BlockError> {
        let schema = self.metadata.file_metadata().schema_descr();
        let found = schema.columns().iter().position(|column| {
            column.name() == name && column.physical_type() == physical && column.max_rep_level() == 0
        });
        found.ok_or_else(|| {
            BlockError::corrupt(&self.name, format!("it has no column {name} of type {physical}"))
        })
    }

    /// The type of a column.
    pub(crate) fn physical(&self, column: usize) -> Option<Type> {
        let schema = self.metadata.file_metadata().schema_descr();
        schema.columns().get(column).map(|column| column.physical_type())
    }

    /// The numbers of the pages of a column that hold some of the rows.
    pub(crate) fn pages(&self, column: usize, rows: &Range<u64>) -> Range<usize> {
        let pages = self.columns.get(column).map_or(&[][..], Vec::as_slice);
        let first = pages.partition_point(|page| page.rows.end <= rows.start);
        let end = pages.partition_point(|page| page.rows.start < rows.end);
        first..end.max(first)
    }

    /// A page by its key.
    pub(crate) fn page(&self, key: PageKey) -> Option<&PageRef> {
        self.columns.get(key.0)?.get(key.1)
    }

    /// The bytes of pages. Joining ranges that are near each other is the bucket's to do.
    pub(crate) async fn fetch(
        &self,
        bucket: &Bucket,
        keys: &[PageKey],
    ) -> Result<BTreeMap<PageKey, Bytes>, BlockError> {
        let pages = keys.iter().filter_map(|&key| Some((key, self.page(key)?.bytes.clone())));
        let (keys, ranges): (Vec<PageKey>, Vec<Range<u64>>) = pages.unzip();
        if ranges.is_empty() {
            return Ok(BTreeMap::new());
        }
        let bodies = bucket.get_ranges(&self.key, &ranges).await.map_err(|error| self.lost(error))?;
        if bodies.len() != ranges.len() {
            return Err(BlockError::corrupt(&self.name, "the bucket returned too little"));
        }
        Ok(keys.into_iter().zip(bodies).collect())
    }

    /// The bytes of pages out of those of the whole file.
    pub(crate) fn cut(
        &self,
        whole: &Bytes,
        keys: &[PageKey],
    ) -> Result<BTreeMap<PageKey, Bytes>, BlockError> {
        let cut = |&key: &PageKey| {
            let bytes = &self.page(key)?.bytes;
            let (start, end) = (usize::try_from(bytes.start).ok()?, usize::try_from(bytes.end).ok()?);
            (start <= end && end <= whole.len()).then(|| (key, whole.slice(start..end)))
        };
        let cut = |key| {
            let page = cut(key);
            page.ok_or_else(|| BlockError::corrupt(&self.name, "the file is shorter than its index says"))
        };
        keys.iter().map(cut).collect()
    }

    /// What `meta.json` names must be there, and as long as it says, whatever the bucket calls it.
    fn lost(&self, error: BucketError) -> BlockError {
        match error {
            BucketError::NotFound { .. } => BlockError::Missing { file: self.name.clone() },
            BucketError::Invalid { message, .. } => {
                BlockError::corrupt(&self.name, format!("the file is shorter than its index says: {message}"))
            }
            other => other.into(),
        }
    }

    /// Decodes a page after comparing its checksum. NULLs have the type's zero.
    pub(crate) fn decode<T>(&self, key: PageKey, bytes: Bytes) -> Result<Decoded<T::T>, BlockError>
    where
        T: DataType,
        T::T: Copy + Default,
    {
        let page = self.page(key);
        let page = page.ok_or_else(|| BlockError::corrupt(&self.name, "a page is not there"))?;
        if crc32c::crc32c(&bytes) != page.crc32c {
            let problem = format!("the checksum of the page at byte {} does not match", page.bytes.start);
            return Err(BlockError::corrupt(&self.name, problem));
        }
        let rows = (page.rows.end - page.rows.start) as usize;
        contained(&self.name, || self.decode_unchecked::<T>(key.0, page, bytes, rows))
    }

    fn decode_unchecked<T>(
        &self,
        column: usize,
        page: &PageRef,
        bytes: Bytes,
        rows: usize,
    ) -> Result<Decoded<T::T>, ParquetError>
    where
        T: DataType,
        T::T: Copy + Default,
    {
        let descriptor = self.metadata.file_metadata().schema_descr().column(column);
        let compression = self.metadata.row_group(page.group).column(column).compression();
        check_page_headers(&bytes)?;
        // The page alone, as if it were the whole column.
        let chunk = ColumnChunkMetaData::builder(Arc::clone(&descriptor))
            .set_compression(compression)
            .set_num_values(rows as i64)
            .set_data_page_offset(0)
            .set_total_compressed_size(bytes.len() as i64)
            .build()?;
        let reader = SerializedPageReader::new(Arc::new(bytes), &chunk, rows, None)?;
        let optional = descriptor.max_def_level() > 0;
        let mut reader = ColumnReaderImpl::<T>::new(descriptor, Box::new(reader));
        let (mut values, mut levels) =
            (Vec::with_capacity(rows), Vec::with_capacity(if optional { rows } else { 0 }));
        let (read, _, _) = reader.read_records(rows, optional.then_some(&mut levels), None, &mut values)?;
        if read != rows {
            return Err(ParquetError::General(format!("a page has {read} rows instead of {rows}")));
        }
        Ok(spread(values, optional.then_some(levels), rows))
    }
}

/// Puts the values that are there into their rows.
fn spread<T: Copy + Default>(values: Vec<T>, levels: Option<Vec<i16>>, rows: usize) -> Decoded<T> {
    let Some(levels) = levels.filter(|_| values.len() < rows) else {
        return Decoded { values, present: None };
    };
    let mut next = values.iter();
    let dense = levels.iter().map(|&level| {
        let value = if level == 1 { next.next() } else { None };
        value.copied().unwrap_or_default()
    });
    Decoded { values: dense.collect(), present: Some(levels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_rows() {
        let decoded = spread(vec![5, 6], Some(vec![0, 1, 0, 1]), 4);
        assert_eq!(decoded.values, [0, 5, 0, 6]);
        assert_eq!(spread(vec![5, 6], Some(vec![1, 1]), 2).present, None);
    }
}
