//! A Parquet file of rows in the making, and the files of one folder after another.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use latewood_model::{TimeRange, TimestampMs};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::output::{Finished, Output, sync_folder};
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
    /// Begins the part `number` under a name of its own, until its window is known.
    fn create(dir: &Path, number: usize, config: &WriterConfig) -> Result<Self, BlockError> {
        let schema = R::schema();
        let name = format!("{}/open-{number}.parquet", R::FOLDER);
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

    fn finish(mut self) -> Result<(PartMeta, Finished), BlockError> {
        if self.open.len() > 0 {
            self.flush()?;
        }
        let part = PartMeta {
            path: String::new(),
            window: 0,
            range: self.range,
            rows: self.rows,
            first_metric: self.first_metric.unwrap_or_default(),
            last_metric: self.last_metric,
        };
        Ok((part, self.output.finish()?))
    }
}

/// The files of one folder.
pub(super) struct Parts<R> {
    open: Option<Part<R>>,
    done: Vec<(PartMeta, Finished)>,
}

impl<R> Default for Parts<R> {
    fn default() -> Self {
        Self { open: None, done: Vec::new() }
    }
}

impl<R: Rows> Parts<R> {
    /// The number of the open part.
    pub(super) fn number(&self) -> u32 {
        self.done.len() as u32
    }

    /// The part that takes the next run.
    pub(super) fn open(&mut self, dir: &Path, config: &WriterConfig) -> Result<&mut Part<R>, BlockError> {
        if self.open.as_ref().is_some_and(|part| part.output.bytes() >= config.part_bytes) {
            self.close()?;
        }
        if self.open.is_none() && self.done.is_empty() {
            let folder = dir.join(R::FOLDER);
            std::fs::create_dir_all(&folder).map_err(|error| BlockError::disk(&folder, &error))?;
        }
        match &mut self.open {
            Some(part) => Ok(part),
            none => Ok(none.insert(Part::create(dir, self.done.len(), config)?)),
        }
    }

    fn close(&mut self) -> Result<(), BlockError> {
        if let Some(part) = self.open.take() {
            self.done.push(part.finish()?);
        }
        Ok(())
    }

    /// Ends the open part and moves all into the folder of their window, whose start is known only now.
    pub(super) fn finish(
        mut self,
        dir: &Path,
        window: TimestampMs,
    ) -> Result<(Vec<PartMeta>, Vec<Finished>), BlockError> {
        self.close()?;
        if self.done.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let folder = format!("{}/w={}", R::FOLDER, rfc3339(window));
        let disk = |path: &Path, error: std::io::Error| BlockError::disk(path, &error);
        let path = dir.join(&folder);
        std::fs::create_dir(&path).map_err(|error| disk(&path, error))?;
        for (number, (part, done)) in self.done.iter_mut().enumerate() {
            part.path = format!("{folder}/part-{number}.parquet");
            part.window = window;
            let from = dir.join(&done.file.path);
            std::fs::rename(&from, dir.join(&part.path)).map_err(|error| disk(&from, error))?;
            done.file.path.clone_from(&part.path);
            done.entry.path.clone_from(&part.path);
        }
        sync_folder(&path)?;
        sync_folder(&dir.join(R::FOLDER))?;
        Ok(self.done.into_iter().unzip())
    }
}

/// A folder name for the window that begins at a time; to the second, and held within four-digit years.
fn rfc3339(time: TimestampMs) -> String {
    let seconds = time.div_euclid(1_000).clamp(-62_167_219_200, 253_402_300_799);
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
