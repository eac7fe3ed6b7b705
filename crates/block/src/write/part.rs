//! A Parquet file of rows in the making.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use latewood_model::{TimeRange, TimestampMs};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::output::{Finished, Output};
use crate::{BlockError, PartMeta, WriterConfig};

/// The rows of an open page, column by column.
pub(super) trait Rows: Default {
    /// The folder of the files.
    const FOLDER: &'static str;

    /// A run of rows of one series.
    type Run<'a>;

    /// Names and types of the columns.
    fn schema() -> SchemaRef;

    /// How they are encoded.
    fn properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError>;

    /// How many rows.
    fn len(&self) -> usize;

    /// Appends some rows of a run.
    fn extend(&mut self, run: &Self::Run<'_>, rows: Range<usize>);

    /// The columns in the order of the schema.
    fn columns(self) -> Result<Vec<ArrayRef>, ArrowError>;
}

/// Writes one file; rows are handed to the encoder a page at a time.
pub(super) struct Part<R> {
    output: Output,
    name: String,
    schema: SchemaRef,
    page_rows: usize,
    rows: u64,
    range: TimeRange,
    first_metric: Option<String>,
    last_metric: String,
    open: R,
}

impl<R: Rows> Part<R> {
    /// Begins a part under a path in the folder of the block.
    pub(super) fn create(dir: &Path, name: String, config: &WriterConfig) -> Result<Self, BlockError> {
        let schema = R::schema();
        Ok(Self {
            output: Output::create(dir, &name, Arc::clone(&schema), R::properties(config))?,
            name,
            schema,
            page_rows: config.page_rows,
            rows: 0,
            range: TimeRange::EMPTY,
            first_metric: None,
            last_metric: String::new(),
            open: R::default(),
        })
    }

    /// Bytes so far, roughly.
    pub(super) fn bytes(&self) -> u64 {
        self.output.bytes()
    }

    /// Rows so far: where the next run begins.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends a run of `count` rows.
    pub(super) fn push(
        &mut self,
        metric: &str,
        range: TimeRange,
        count: usize,
        run: &R::Run<'_>,
    ) -> Result<(), BlockError> {
        if self.first_metric.is_none() {
            self.first_metric = Some(metric.to_owned());
        }
        if self.last_metric != metric {
            metric.clone_into(&mut self.last_metric);
        }
        self.range = self.range.union(range);
        let mut done = 0;
        while done < count {
            let end = count.min(done + self.page_rows - self.open.len());
            self.open.extend(run, done..end);
            done = end;
            if self.open.len() == self.page_rows {
                self.flush()?;
            }
        }
        self.rows += count as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let columns = std::mem::take(&mut self.open).columns();
        let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        let batch = batch.map_err(|error| BlockError::encode(&self.name, &error.into()))?;
        self.output.write(&batch)
    }

    /// Ends the part of the window that begins at `window`.
    pub(super) fn finish(mut self, window: TimestampMs) -> Result<(PartMeta, Finished), BlockError> {
        if self.open.len() > 0 {
            self.flush()?;
        }
        let part = PartMeta {
            path: self.name,
            window,
            range: self.range,
            rows: self.rows,
            first_metric: self.first_metric.unwrap_or_default(),
            last_metric: self.last_metric,
        };
        Ok((part, self.output.finish()?))
    }
}
