//! Rows of native histograms: a row a number, all histograms' numbers of one part next to each other.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int32Array, Int64Builder};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use latewood_model::NO_START;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::part::Rows;
use super::runs::Run;
use super::scrapes::Placed;
use crate::WriterConfig;
use crate::schema::{self, HISTOGRAMS};

/// Histograms of one series on their way into a part.
pub(super) struct HistogramRun<'a> {
    pub(super) id: i32,
    pub(super) placed: &'a Placed,
    pub(super) run: &'a Run<'a>,
}

/// The rows of the open page, column by column.
#[derive(Default)]
pub(super) struct HistogramRows {
    series: Vec<i32>,
    parts: Vec<i32>,
    buckets: Vec<Option<i32>>,
    scrapes: Vec<i32>,
    vi: Int64Builder,
    vf: Float64Builder,
    starts: Int64Builder,
}

impl Rows for HistogramRows {
    const FOLDER: &'static str = HISTOGRAMS;

    type Run<'a> = HistogramRun<'a>;

    fn schema() -> SchemaRef {
        schema::histograms()
    }

    fn properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
        schema::histogram_properties(config)
    }

    fn len(&self) -> usize {
        self.series.len()
    }

    fn extend(&mut self, series: &HistogramRun<'_>, rows: std::ops::Range<usize>) {
        self.series.resize(self.series.len() + rows.len(), series.id);
        let histograms = series.run.samples.len().max(1);
        for row in rows {
            let (number, at) = (row / histograms, row % histograms);
            let (Some(&part), Some(sample)) = (series.run.parts.get(number), series.run.samples.get(at))
            else {
                debug_assert!(false, "row {row} is beyond the run");
                continue;
            };
            self.parts.push(part.number());
            self.buckets.push(part.bucket());
            self.scrapes.push(series.placed.scrape(at));
            let is_started = number == 0 && sample.start != NO_START;
            self.starts.append_option(is_started.then_some(sample.start));
            let (vi, vf) = part.of(&sample.histogram).columns();
            self.vi.append_option(vi);
            self.vf.append_option(vf);
        }
    }

    fn columns(mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![
            Arc::new(Int32Array::from(self.series)),
            Arc::new(Int32Array::from(self.parts)),
            Arc::new(Int32Array::from(self.buckets)),
            Arc::new(Int32Array::from(self.scrapes)),
            Arc::new(self.vi.finish()),
            Arc::new(self.vf.finish()),
            Arc::new(self.starts.finish()),
        ])
    }
}
