//! Rows of windows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Builder, Int32Array, Int64Array, Int64Builder,
    StringArray,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::part::Rows;
use super::rollup_values::RoutedRollups;
use super::scrapes::Placed;
use crate::WriterConfig;
use crate::schema::{self, SAMPLES};

/// The times of windows in the dictionary of times.
pub(super) struct PlacedWindows {
    pub(super) ends: Placed,
    pub(super) first_at: Placed,
    pub(super) last_at: Placed,
}

impl PlacedWindows {
    /// Those of some of the windows, at least one.
    pub(super) fn slice(&self, windows: &std::ops::Range<usize>) -> Self {
        let [ends, first_at, last_at] =
            [&self.ends, &self.first_at, &self.last_at].map(|placed| placed.slice(windows.clone()));
        Self { ends, first_at, last_at }
    }
}

/// The windows of one series on their way into a part: of floats, or of histograms without any values.
pub(super) struct RollupRun<'a> {
    pub(super) id: i32,
    pub(super) metric: Option<&'a str>,
    pub(super) placed: &'a PlacedWindows,
    pub(super) counts: &'a [u64],
    pub(super) stale: &'a [bool],
    pub(super) routed: &'a RoutedRollups,
}

/// The rows of the open page, column by column.
#[derive(Default)]
pub(super) struct RollupRows {
    series: Vec<i32>,
    scrapes: Vec<i32>,
    first_scrapes: Vec<i32>,
    last_scrapes: Vec<i32>,
    metrics: Vec<Option<String>>,
    metric_of_row: Vec<Option<i32>>,
    num: Vec<Option<i64>>,
    den: Vec<Option<i64>>,
    counts: Vec<i64>,
    stale: Vec<bool>,
    values: [(Int64Builder, Float64Builder); 6],
}

impl Rows for RollupRows {
    const FOLDER: &'static str = SAMPLES;

    type Run<'a> = RollupRun<'a>;

    fn schema() -> SchemaRef {
        schema::rollups()
    }

    fn properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
        schema::rollup_properties(config)
    }

    fn len(&self) -> usize {
        self.series.len()
    }

    fn extend(&mut self, run: &RollupRun<'_>, rows: std::ops::Range<usize>) {
        let end = self.series.len() + rows.len();
        self.series.resize(end, run.id);
        self.scrapes.extend(rows.clone().map(|row| run.placed.ends.scrape(row)));
        self.first_scrapes.extend(rows.clone().map(|row| run.placed.first_at.scrape(row)));
        self.last_scrapes.extend(rows.clone().map(|row| run.placed.last_at.scrape(row)));
        if self.metrics.last().is_none_or(|last| last.as_deref() != run.metric) {
            self.metrics.push(run.metric.map(str::to_owned));
        }
        self.metric_of_row.resize(end, run.metric.map(|_| self.metrics.len() as i32 - 1));
        self.num.resize(end, run.routed.scale.map(|scale| scale.num));
        self.den.resize(end, run.routed.scale.map(|scale| scale.den));
        self.counts
            .extend(run.counts.get(rows.clone()).unwrap_or_default().iter().map(|&count| count as i64));
        self.stale.extend(run.stale.get(rows.clone()).unwrap_or_default());
        for ((integers, doubles), slots) in self.values.iter_mut().zip(&run.routed.slots) {
            for slot in slots.get(rows.clone()).unwrap_or_default() {
                let (vi, vf) = slot.columns();
                integers.append_option(vi);
                doubles.append_option(vf);
            }
        }
    }

    fn columns(self) -> Result<Vec<ArrayRef>, ArrowError> {
        let metrics = StringArray::from(self.metrics);
        let keys = Int32Array::from(self.metric_of_row);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(self.series)),
            Arc::new(Int32Array::from(self.scrapes)),
            Arc::new(Int32Array::from(self.first_scrapes)),
            Arc::new(Int32Array::from(self.last_scrapes)),
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(metrics))?),
            Arc::new(Int64Array::from(self.num)),
            Arc::new(Int64Array::from(self.den)),
            Arc::new(Int64Array::from(self.counts)),
            Arc::new(BooleanArray::from(self.stale)),
        ];
        for (mut integers, mut doubles) in self.values {
            columns.push(Arc::new(integers.finish()));
            columns.push(Arc::new(doubles.finish()));
        }
        Ok(columns)
    }
}
