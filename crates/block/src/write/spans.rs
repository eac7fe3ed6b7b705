//! `spans.parquet` in the making.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Float64Builder, Int32Array, Int64Array, ListBuilder, RecordBatch,
};
use arrow::datatypes::SchemaRef;
use latewood_model::Resolution;

use super::output::{Finished, Output};
use crate::schema::{self, HELD, SPANS};
use crate::span::{HistogramShape, RollupSpan, Span, SpanStarts};
use crate::{BlockError, WriterConfig};

/// Rows of the batches handed to the encoder.
const BATCH: usize = 8_192;

/// Writes `spans.parquet` as series come.
pub(super) struct Spans {
    output: Output,
    schema: SchemaRef,
    open: Vec<Span>,
    rows: u64,
}

impl Spans {
    pub(super) fn create(
        dir: &Path,
        resolution: Resolution,
        config: &WriterConfig,
    ) -> Result<Self, BlockError> {
        let schema = schema::spans(resolution);
        let output = Output::create(dir, SPANS, Arc::clone(&schema), schema::table_properties(config))?;
        Ok(Self { output, schema, open: Vec::new(), rows: 0 })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn push(&mut self, span: Span) -> Result<(), BlockError> {
        self.open.push(span);
        self.rows += 1;
        if self.open.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let open = std::mem::take(&mut self.open);
        let int = |get: fn(&Span) -> i32| -> ArrayRef {
            Arc::new(Int32Array::from_iter_values(open.iter().map(get)))
        };
        let long = |get: fn(&Span) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(open.iter().map(get)))
        };
        let maybe = |get: fn(&Span) -> Option<i64>| -> ArrayRef {
            Arc::new(open.iter().map(get).collect::<Int64Array>())
        };
        let flag = |get: fn(&Span) -> bool| -> ArrayRef {
            Arc::new(open.iter().map(|span| Some(get(span))).collect::<BooleanArray>())
        };
        let shaped = |get: fn(&HistogramShape) -> i32| -> ArrayRef {
            Arc::new(open.iter().map(|span| span.shape.as_deref().map(get)).collect::<Int32Array>())
        };
        let mut columns = vec![
            int(|span| span.series as i32),
            int(|span| span.part as i32),
            long(|span| span.row_start as i64),
            long(|span| span.row_count as i64),
            int(|span| span.kind as i32),
            int(|span| span.first_scrape as i32),
            int(|span| span.last_scrape as i32),
            flag(Span::contiguous),
            maybe(|span| span.scale.map(|scale| scale.num)),
            maybe(|span| span.scale.map(|scale| scale.den)),
            flag(|span| span.has_vf),
            long(|span| span.range.start),
            long(|span| span.range.end),
            shaped(|shape| shape.parts as i32),
            shaped(|shape| shape.schema),
            Arc::new(
                open.iter().map(|span| Some(span.shape.as_ref()?.zero_threshold)).collect::<Float64Array>(),
            ),
            custom_bounds(&open),
            shaped(|shape| shape.reset_hint as i32),
            maybe(|span| match span.starts {
                SpanStarts::All(start) => Some(start),
                SpanStarts::None | SpanStarts::Each => None,
            }),
            flag(|span| span.starts == SpanStarts::Each),
        ];
        if self.schema.column_with_name(HELD).is_some() {
            columns.extend(rollup_columns(&open));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        self.output.write(&batch.map_err(|error| BlockError::encode(SPANS, &error.into()))?)
    }

    pub(super) fn finish(mut self) -> Result<Finished, BlockError> {
        if !self.open.is_empty() {
            self.flush()?;
        }
        self.output.finish()
    }
}

/// The columns about windows; NULL in other spans.
fn rollup_columns(spans: &[Span]) -> [ArrayRef; 6] {
    let column = |get: fn(&RollupSpan) -> i32| -> ArrayRef {
        Arc::new(spans.iter().map(|span| span.rollup.as_deref().map(get)).collect::<Int32Array>())
    };
    [
        column(|rollup| rollup.values.numbers()[0]),
        column(|rollup| rollup.values.numbers()[1]),
        column(|rollup| rollup.first_at.first as i32),
        column(|rollup| rollup.first_at.last as i32),
        column(|rollup| rollup.last_at.first as i32),
        column(|rollup| rollup.last_at.last as i32),
    ]
}

/// The bounds of custom buckets; NULL where there are none.
fn custom_bounds(spans: &[Span]) -> ArrayRef {
    let mut bounds = ListBuilder::new(Float64Builder::new()).with_field(schema::bound());
    for span in spans {
        let custom = span.shape.as_ref().filter(|shape| !shape.custom_bounds.is_empty());
        if let Some(shape) = custom {
            bounds.values().append_slice(&shape.custom_bounds);
        }
        bounds.append(custom.is_some());
    }
    Arc::new(bounds.finish())
}
