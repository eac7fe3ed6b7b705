//! Rows of float samples.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Float64Builder, Int32Array, Int64Array, Int64Builder,
    StringArray,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use arrow::error::ArrowError;
use latewood_model::{NO_START, TimestampMs};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::part::Rows;
use super::scrapes::Placed;
use crate::WriterConfig;
use crate::decimal::Routed;
use crate::schema::{self, SAMPLES};

/// The samples of one series on their way into a part.
pub(super) struct SampleRun<'a> {
    pub(super) id: i32,
    pub(super) metric: Option<&'a str>,
    pub(super) placed: &'a Placed,
    pub(super) routed: &'a Routed,
    /// As many as samples, or nothing.
    pub(super) starts: &'a [TimestampMs],
}

/// The rows of the open page, column by column.
#[derive(Default)]
pub(super) struct SampleRows {
    series: Vec<i32>,
    scrapes: Vec<i32>,
    metrics: Vec<Option<String>>,
    metric_of_row: Vec<Option<i32>>,
    num: Vec<Option<i64>>,
    den: Vec<Option<i64>>,
    vi: Int64Builder,
    vf: Float64Builder,
    starts: Int64Builder,
}

impl Rows for SampleRows {
    const FOLDER: &'static str = SAMPLES;

    type Run<'a> = SampleRun<'a>;

    fn schema() -> SchemaRef {
        schema::samples()
    }

    fn properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
        schema::sample_properties(config)
    }

    fn len(&self) -> usize {
        self.series.len()
    }

    fn extend(&mut self, series: &SampleRun<'_>, rows: std::ops::Range<usize>) {
        let end = self.series.len() + rows.len();
        self.series.resize(end, series.id);
        self.scrapes.extend(rows.clone().map(|row| series.placed.scrape(row)));
        if self.metrics.last().is_none_or(|last| last.as_deref() != series.metric) {
            self.metrics.push(series.metric.map(str::to_owned));
        }
        let code = series.metric.map(|_| self.metrics.len() as i32 - 1);
        self.metric_of_row.resize(end, code);
        self.num.resize(end, series.routed.scale.map(|scale| scale.num));
        self.den.resize(end, series.routed.scale.map(|scale| scale.den));
        match series.starts.get(rows.clone()) {
            Some(starts) => starts.iter().for_each(|&start| {
                self.starts.append_option((start != NO_START).then_some(start));
            }),
            None => self.starts.append_nulls(rows.len()),
        }
        for slot in series.routed.slots.get(rows).unwrap_or_default() {
            let (vi, vf) = slot.columns();
            self.vi.append_option(vi);
            self.vf.append_option(vf);
        }
    }

    fn columns(mut self) -> Result<Vec<ArrayRef>, ArrowError> {
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
            Arc::new(self.starts.finish()),
        ])
    }
}
