//! A file of samples in the making.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Float64Builder, Int32Array, Int64Array, Int64Builder,
    RecordBatch, StringArray,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use latewood_model::TimeRange;

use super::output::{Finished, Output};
use super::scrapes::Placed;
use crate::decimal::{Routed, Slot};
use crate::schema::{self, SAMPLES};
use crate::{BlockError, WriterConfig};

/// The samples of one series on their way into a part.
pub(super) struct SeriesRows<'a> {
    pub(super) id: i32,
    pub(super) metric: &'a str,
    pub(super) has_metric: bool,
    pub(super) range: TimeRange,
    pub(super) placed: &'a Placed,
    pub(super) routed: &'a Routed,
}

/// Writes one part; rows are handed to the encoder a page at a time.
pub(super) struct Part {
    output: Output,
    name: String,
    schema: SchemaRef,
    page_rows: usize,
    rows: u64,
    pub(super) range: TimeRange,
    pub(super) first_metric: Option<String>,
    pub(super) last_metric: String,
    open: OpenRows,
}

/// The rows of the open page, column by column.
#[derive(Default)]
struct OpenRows {
    series: Vec<i32>,
    scrapes: Vec<i32>,
    metrics: Vec<Option<String>>,
    metric_of_row: Vec<Option<i32>>,
    num: Vec<Option<i64>>,
    den: Vec<Option<i64>>,
    vi: Int64Builder,
    vf: Float64Builder,
}

impl Part {
    /// Begins the part `number` under a name of its own, until its window is known.
    pub(super) fn create(dir: &Path, number: usize, config: &WriterConfig) -> Result<Self, BlockError> {
        let schema = schema::samples();
        let name = format!("{SAMPLES}/open-{number}.parquet");
        let properties = schema::sample_properties(config);
        Ok(Self {
            output: Output::create(dir, &name, Arc::clone(&schema), properties)?,
            name,
            schema,
            page_rows: config.page_rows,
            rows: 0,
            range: TimeRange::EMPTY,
            first_metric: None,
            last_metric: String::new(),
            open: OpenRows::default(),
        })
    }

    /// Rows so far: where the next series begins.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes so far, the open row group estimated.
    pub(super) fn bytes(&self) -> u64 {
        self.output.bytes()
    }

    /// Appends the rows of a series.
    pub(super) fn push(&mut self, series: &SeriesRows<'_>) -> Result<(), BlockError> {
        if self.first_metric.is_none() {
            self.first_metric = Some(series.metric.to_owned());
        }
        if self.last_metric != series.metric {
            series.metric.clone_into(&mut self.last_metric);
        }
        self.range = self.range.union(series.range);
        let count = series.routed.slots.len();
        let mut done = 0;
        while done < count {
            let end = count.min(done + self.page_rows - self.open.series.len());
            self.open.extend(series, done..end);
            done = end;
            if self.open.series.len() == self.page_rows {
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

    pub(super) fn finish(mut self) -> Result<Finished, BlockError> {
        if !self.open.series.is_empty() {
            self.flush()?;
        }
        self.output.finish()
    }
}

impl OpenRows {
    fn extend(&mut self, series: &SeriesRows<'_>, rows: std::ops::Range<usize>) {
        let end = self.series.len() + rows.len();
        self.series.resize(end, series.id);
        self.scrapes.extend(rows.clone().map(|row| series.placed.scrape(row)));
        let metric = series.has_metric.then_some(series.metric);
        if self.metrics.last().is_none_or(|last| last.as_deref() != metric) {
            self.metrics.push(metric.map(str::to_owned));
        }
        let code = series.has_metric.then(|| self.metrics.len() as i32 - 1);
        self.metric_of_row.resize(end, code);
        self.num.resize(end, series.routed.scale.map(|scale| scale.num));
        self.den.resize(end, series.routed.scale.map(|scale| scale.den));
        for slot in series.routed.slots.get(rows).unwrap_or_default() {
            let (vi, vf) = match *slot {
                Slot::Integer(vi) => (Some(vi), None),
                Slot::Double(vf) => (None, Some(vf)),
                Slot::Stale => (None, None),
            };
            self.vi.append_option(vi);
            self.vf.append_option(vf);
        }
    }

    fn columns(mut self) -> Result<Vec<ArrayRef>, arrow::error::ArrowError> {
        let metrics = StringArray::from(self.metrics);
        let keys = Int32Array::from(self.metric_of_row);
        let vf: Float64Array = self.vf.finish();
        Ok(vec![
            Arc::new(Int32Array::from(self.series)),
            Arc::new(Int32Array::from(self.scrapes)),
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(metrics))?),
            Arc::new(Int64Array::from(self.num)),
            Arc::new(Int64Array::from(self.den)),
            Arc::new(self.vi.finish()),
            Arc::new(vf),
        ])
    }
}
