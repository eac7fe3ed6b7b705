//! The spans in memory, checked against everything they point to.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use latewood_model::histogram::ResetHint;
use latewood_model::{NO_START, Resolution, TimeRange};

use super::packed_spans::{PackedSpans, Packer};
use super::series_table::SeriesTable;
use super::span_check::SpanCheck;
use super::table_file::for_each_batch;
use crate::decimal::Scale;
use crate::meta::WITH_STARTS;
use crate::rollup_value::HeldValues;
use crate::schema::{DERIVED, HELD, SPAN_TIMES, SPANS, START_TS, STARTS_DIFFER};
use crate::span::{HistogramShape, Kind, RollupSpan, ScrapeRange, Span, SpanStarts};
use crate::{BlockError, BlockMeta};

/// The spans of a block, by series.
#[derive(Debug)]
pub(crate) struct SpanTable(PackedSpans);

impl SpanTable {
    /// Decodes `spans.parquet` of a block whose series table was read: memory is taken for so many
    /// series as it really has.
    pub(crate) fn decode(bytes: &Bytes, meta: &BlockMeta, series: &SeriesTable) -> Result<Self, BlockError> {
        let (mut spans, mut check) = (Packer::default(), SpanCheck::new(meta));
        for_each_batch(SPANS, bytes, meta.spans, |batch| append(batch, meta, &mut check, &mut spans))?;
        check.finish()?;
        Ok(Self(spans.finish(series.len())))
    }

    /// The spans of a series.
    pub(crate) fn of(&self, series: u32) -> impl Iterator<Item = Span> {
        self.0.of(series)
    }

    /// All spans, in the order of their series.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter()
    }

    /// Whether a series has samples in a range, as far as its spans tell.
    pub(crate) fn overlaps(&self, series: u32, range: TimeRange) -> bool {
        self.0.overlaps(series, range)
    }

    /// Bytes of memory held.
    pub(crate) fn weight(&self) -> usize {
        self.0.weight()
    }
}

/// Packs the spans of a batch that pass the check.
fn append(
    batch: &RecordBatch,
    meta: &BlockMeta,
    check: &mut SpanCheck<'_>,
    out: &mut Packer,
) -> Result<(), BlockError> {
    let int = |name| required::<Int32Type>(batch, name);
    let long = |name| required::<Int64Type>(batch, name);
    let (series, part, kind) = (int("series_id")?, int("part")?, int("kind")?);
    let (row_start, row_count) = (long("row_start")?, long("row_count")?);
    let (first, last) = (int("first_scrape")?, int("last_scrape")?);
    let (contiguous, has_vf) = (flags(batch, "contiguous")?, flags(batch, "has_vf")?);
    let (num, den) = (numbers::<Int64Type>(batch, "num")?, numbers::<Int64Type>(batch, "den")?);
    let (min_time, max_time) = (long("min_time")?, long("max_time")?);
    let shapes = ShapeColumns::of(batch)?;
    let starts = StartColumns::of(batch, meta)?;
    let rollups = RollupColumns::of(batch)?;
    for row in 0..batch.num_rows() {
        let corrupt = |problem: &str| BlockError::corrupt(SPANS, format!("row {}: {problem}", out.len()));
        let id =
            |value: i32, what: &str| u32::try_from(value).map_err(|_| corrupt(&format!("negative {what}")));
        let count =
            |value: i64, what: &str| u64::try_from(value).map_err(|_| corrupt(&format!("negative {what}")));
        let scale = (num.is_valid(row) && den.is_valid(row))
            .then(|| Scale { num: num.value(row), den: den.value(row) });
        let kind = Kind::from_number(kind.value(row)).ok_or_else(|| corrupt("unknown kind"))?;
        if kind.is_rollup() != (meta.resolution != Resolution::Raw) {
            return Err(corrupt("its kind is not that of the block's resolution"));
        }
        let shape = kind.is_histogram().then(|| shapes.as_ref().and_then(|shapes| shapes.shape(row)));
        let shape = shape.map(|shape| shape.ok_or_else(|| corrupt("its histograms have no shape")));
        let rollup = matches!(kind, Kind::FloatRollup | Kind::HistogramRollup)
            .then(|| rollups.as_ref().and_then(|rollups| rollups.of_row(row, kind)));
        let rollup =
            rollup.map(|rollup| rollup.ok_or_else(|| corrupt("what it says of windows makes no sense")));
        let part = id(part.value(row), "part")?;
        let span = Span {
            series: id(series.value(row), "series_id")?,
            part: number_of_part(part, kind, meta).ok_or_else(|| corrupt("its part is not in meta.json"))?,
            row_start: count(row_start.value(row), "row_start")?,
            row_count: count(row_count.value(row), "row_count")?,
            kind,
            first_scrape: id(first.value(row), "first_scrape")?,
            last_scrape: id(last.value(row), "last_scrape")?,
            scale,
            has_vf: has_vf.value(row),
            range: TimeRange::new(min_time.value(row), max_time.value(row)),
            starts: starts
                .as_ref()
                .map_or(Some(SpanStarts::None), |starts| starts.of_row(row))
                .ok_or_else(|| corrupt("what it says of start timestamps makes no sense"))?,
            shape: shape.transpose()?.map(Arc::new),
            rollup: rollup.transpose()?.map(Arc::new),
        };
        if span.last_scrape < span.first_scrape || span.contiguous() != contiguous.value(row) {
            return Err(corrupt("its scrapes contradict its rows"));
        }
        check.take(&span)?;
        out.push(span);
    }
    Ok(())
}

/// The number among all parts of one that is given among those of its kind.
fn number_of_part(part: u32, kind: Kind, meta: &BlockMeta) -> Option<u32> {
    let (floats, histograms) = (meta.parts.len() as u32, meta.histogram_parts.len() as u32);
    match kind.is_histogram() {
        false => (part < floats).then_some(part),
        true => (part < histograms).then(|| floats + part),
    }
}

/// The columns that spans of histograms have values in.
struct ShapeColumns<'a> {
    parts: &'a PrimitiveArray<Int32Type>,
    schema: &'a PrimitiveArray<Int32Type>,
    zero_threshold: &'a PrimitiveArray<Float64Type>,
    custom_bounds: &'a ListArray,
    reset_hint: &'a PrimitiveArray<Int32Type>,
}

impl<'a> ShapeColumns<'a> {
    /// Nothing where the first version of the format had none.
    fn of(batch: &'a RecordBatch) -> Result<Option<Self>, BlockError> {
        if batch.column_by_name("parts").is_none() {
            return Ok(None);
        }
        let bounds = batch.column_by_name("custom_bounds").and_then(|column| column.as_list_opt::<i32>());
        let bounds =
            bounds.ok_or_else(|| BlockError::corrupt(SPANS, "it has no proper column custom_bounds"))?;
        Ok(Some(Self {
            parts: numbers(batch, "parts")?,
            schema: numbers(batch, "schema")?,
            zero_threshold: numbers(batch, "zero_threshold")?,
            custom_bounds: bounds,
            reset_hint: numbers(batch, "reset_hint")?,
        }))
    }

    fn shape(&self, row: usize) -> Option<HistogramShape> {
        let hint = self.reset_hint.is_valid(row).then(|| self.reset_hint.value(row))?;
        let bounds = match self.custom_bounds.is_valid(row) {
            true => Arc::from(&self.custom_bounds.value(row).as_primitive_opt::<Float64Type>()?.values()[..]),
            false => Arc::default(),
        };
        Some(HistogramShape {
            parts: self.parts.is_valid(row).then(|| u32::try_from(self.parts.value(row)).ok())??,
            schema: self.schema.is_valid(row).then(|| self.schema.value(row))?,
            zero_threshold: self.zero_threshold.is_valid(row).then(|| self.zero_threshold.value(row))?,
            custom_bounds: bounds,
            reset_hint: Some(ResetHint::from_wire(hint)).filter(|known| known.to_wire() == hint)?,
        })
    }
}

/// What spans say of start timestamps.
struct StartColumns<'a> {
    all: &'a PrimitiveArray<Int64Type>,
    differ: &'a BooleanArray,
}

impl<'a> StartColumns<'a> {
    /// Nothing where older versions of the format had none.
    fn of(batch: &'a RecordBatch, meta: &BlockMeta) -> Result<Option<Self>, BlockError> {
        if meta.version < WITH_STARTS {
            return Ok(None);
        }
        Ok(Some(Self { all: numbers(batch, START_TS)?, differ: flags(batch, STARTS_DIFFER)? }))
    }

    fn of_row(&self, row: usize) -> Option<SpanStarts> {
        let all = self.all.is_valid(row).then(|| self.all.value(row));
        match (all, self.differ.value(row)) {
            (None, false) => Some(SpanStarts::None),
            (None, true) => Some(SpanStarts::Each),
            (Some(start), false) if start != NO_START => Some(SpanStarts::All(start)),
            _ => None,
        }
    }
}

/// The columns that spans of windows have values in.
struct RollupColumns<'a> {
    values: [&'a PrimitiveArray<Int32Type>; 2],
    times: [&'a PrimitiveArray<Int32Type>; 4],
}

impl<'a> RollupColumns<'a> {
    /// Nothing where older versions of the format had none.
    fn of(batch: &'a RecordBatch) -> Result<Option<Self>, BlockError> {
        if batch.column_by_name(HELD).is_none() {
            return Ok(None);
        }
        let [a, b, c, d] = SPAN_TIMES.map(|name| numbers(batch, name));
        Ok(Some(Self { values: [numbers(batch, HELD)?, numbers(batch, DERIVED)?], times: [a?, b?, c?, d?] }))
    }

    fn of_row(&self, row: usize, kind: Kind) -> Option<RollupSpan> {
        let number = |column: &PrimitiveArray<Int32Type>| column.is_valid(row).then(|| column.value(row));
        let [held, derived] = self.values.map(number);
        let [a, b, c, d] = self.times.map(|column| number(column).and_then(|id| u32::try_from(id).ok()));
        Some(RollupSpan {
            values: HeldValues::from_numbers([held?, derived?], kind == Kind::FloatRollup)?,
            first_at: ScrapeRange { first: a?, last: b? },
            last_at: ScrapeRange { first: c?, last: d? },
        })
    }
}

fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, BlockError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| BlockError::corrupt(SPANS, format!("it has no proper column {name}")))
}

fn required<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, BlockError> {
    let column = numbers(batch, name)?;
    if column.null_count() > 0 {
        return Err(BlockError::corrupt(SPANS, format!("column {name} has NULLs")));
    }
    Ok(column)
}

fn flags<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BooleanArray, BlockError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
    let column = column.filter(|column| column.null_count() == 0);
    column.ok_or_else(|| BlockError::corrupt(SPANS, format!("it has no proper column {name}")))
}
