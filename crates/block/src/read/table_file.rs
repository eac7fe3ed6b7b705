//! Reading a whole small Parquet file as record batches.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::page_header::check_page_headers;
use crate::index::{chunk_range, contained};
use crate::schema::LABELS_REST;
use crate::{BlockError, FileMeta};

/// Rows of a batch.
const BATCH: usize = 65_536;

/// Compares size and checksum of a whole file.
pub(crate) fn check_file(file: &FileMeta, bytes: &Bytes) -> Result<(), BlockError> {
    if bytes.len() as u64 != file.size {
        let problem = format!("it has {} bytes instead of {}", bytes.len(), file.size);
        return Err(BlockError::corrupt(&file.path, problem));
    }
    if crc32c::crc32c(bytes) != file.crc32c {
        return Err(BlockError::corrupt(&file.path, "its checksum does not match meta.json"));
    }
    Ok(())
}

/// Hands the batches of a file to `take`, strings outside of maps as dictionaries. The file must have
/// exactly `rows` rows.
pub(crate) fn for_each_batch(
    name: &str,
    bytes: &Bytes,
    rows: u64,
    mut take: impl FnMut(&RecordBatch) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let mut reader = contained(name, || {
        let plain = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())?;
        let fields = plain.schema().fields().iter().map(|field| coded(field));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)?;
        let found = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(found) != Ok(rows) {
            return Err(ParquetError::General(format!("it has {found} rows instead of {rows}")));
        }
        check_chunks(bytes, metadata.metadata())?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata);
        builder.with_batch_size(BATCH).build()
    })?;
    let mut seen = 0;
    while let Some(batch) = contained(name, || Ok(reader.next().transpose()?))? {
        seen += batch.num_rows() as u64;
        take(&batch)?;
    }
    if seen == rows {
        Ok(())
    } else {
        Err(BlockError::corrupt(name, format!("it has {seen} rows instead of {rows}")))
    }
}

/// Checks the headers of all pages of a file.
fn check_chunks(bytes: &Bytes, metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let pages = chunk_range(chunk).and_then(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        let pages = pages.ok_or_else(|| ParquetError::General("a column lies beyond the end".to_owned()))?;
        check_page_headers(pages)?;
    }
    Ok(())
}

fn coded(field: &Field) -> Field {
    if *field.data_type() == DataType::Utf8 && field.name() != LABELS_REST {
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        return field.clone().with_data_type(coded);
    }
    field.clone()
}
