//! Rows of samples and scrapes against the spans: the slow, complete comparison behind `verify`.

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use latewood_model::{TimestampMs, is_stale};

use super::check_starts::StartCheck;
use super::table_file::for_each_batch;
use crate::schema::{SCRAPES, START_TS};
use crate::span::Span;
use crate::{BlockError, BlockMeta};

/// All scrape times, after checking ids and order.
pub(crate) fn check_scrapes(bytes: &Bytes, meta: &BlockMeta) -> Result<Vec<TimestampMs>, BlockError> {
    let mut times: Vec<TimestampMs> = Vec::new();
    let mut group_before = -1;
    for_each_batch(SCRAPES, bytes, meta.scrapes, |batch| {
        let ids = column::<Int32Type>(SCRAPES, batch, "scrape_id")?;
        let groups = column::<Int32Type>(SCRAPES, batch, "group_id")?;
        let stamps = column::<Int64Type>(SCRAPES, batch, "ts")?;
        for row in 0..batch.num_rows() {
            let (id, group, at) = (ids.value(row), groups.value(row), stamps.value(row));
            let ascends = group > group_before || times.last().is_none_or(|&before| before < at);
            if usize::try_from(id) != Ok(times.len()) || group < group_before || !ascends {
                return Err(BlockError::corrupt(
                    SCRAPES,
                    format!("row {}: ids or times out of order", times.len()),
                ));
            }
            group_before = group;
            times.push(at);
        }
        Ok(())
    })?;
    Ok(times)
}

/// Compares the rows of a part with its spans (in the order of their rows) and returns how many there are.
pub(crate) fn check_samples(
    path: &str,
    bytes: &Bytes,
    spans: &[Span],
    times: &[TimestampMs],
    mut report: impl FnMut(u64, String),
) -> Result<u64, BlockError> {
    let rows = spans.iter().map(|span| span.row_count).sum();
    let mut cursor = Cursor::default();
    for_each_batch(path, bytes, rows, |batch| {
        let columns = Columns::of(path, batch)?;
        for row in 0..batch.num_rows() {
            if let Some(problem) = cursor.next(spans, times, &columns, row) {
                report(cursor.row - 1, problem);
            }
        }
        Ok(())
    })?;
    Ok(cursor.row)
}

struct Columns<'a> {
    series: &'a PrimitiveArray<Int32Type>,
    scrapes: &'a PrimitiveArray<Int32Type>,
    num: &'a PrimitiveArray<Int64Type>,
    den: &'a PrimitiveArray<Int64Type>,
    vi: &'a PrimitiveArray<Int64Type>,
    vf: &'a PrimitiveArray<Float64Type>,
    start_ts: Option<&'a PrimitiveArray<Int64Type>>,
}

impl<'a> Columns<'a> {
    fn of(path: &str, batch: &'a RecordBatch) -> Result<Self, BlockError> {
        Ok(Self {
            series: column(path, batch, "series_id")?,
            scrapes: column(path, batch, "scrape_id")?,
            num: column(path, batch, "num")?,
            den: column(path, batch, "den")?,
            vi: column(path, batch, "vi")?,
            vf: column(path, batch, "vf")?,
            start_ts: start_column(path, batch)?,
        })
    }
}

/// Where the comparison stands: the span, and what was seen of it.
#[derive(Default)]
struct Cursor {
    row: u64,
    span: usize,
    scrape: Option<i32>,
    doubles: bool,
    starts: StartCheck,
}

impl Cursor {
    /// Compares one row; what is wrong with it, if anything.
    fn next(
        &mut self,
        spans: &[Span],
        times: &[TimestampMs],
        columns: &Columns<'_>,
        at: usize,
    ) -> Option<String> {
        let row = self.row;
        self.row += 1;
        let span = spans.get(self.span)?;
        let first = row == span.row_start;
        let last = row + 1 == span.row_start + span.row_count;
        let scrape = columns.scrapes.value(at);
        let before = if first { None } else { self.scrape };
        self.doubles = columns.vf.is_valid(at) || (!first && self.doubles);
        self.scrape = Some(scrape);
        let time = usize::try_from(scrape).ok().and_then(|scrape| times.get(scrape)).copied();
        if last {
            self.span += 1;
        }
        let scale = (columns.num.is_valid(at) && columns.den.is_valid(at))
            .then(|| (columns.num.value(at), columns.den.value(at)));
        let (vi, vf) = (columns.vi.is_valid(at), columns.vf.is_valid(at));
        let start = columns.start_ts.filter(|starts| starts.is_valid(at)).map(|starts| starts.value(at));
        let wrong_start = self.starts.next(span, row.saturating_sub(span.row_start), start);
        let wrong = if i64::from(columns.series.value(at)) != i64::from(span.series) {
            "its series is not that of its span"
        } else if before.is_some_and(|before| before >= scrape) {
            "its scrape does not come after its predecessor's"
        } else if first
            && (time != Some(span.range.start) || i64::from(scrape) != i64::from(span.first_scrape))
        {
            "it is not the first scrape of its span"
        } else if last && (time != Some(span.range.end) || i64::from(scrape) != i64::from(span.last_scrape)) {
            "it is not the last scrape of its span"
        } else if scale != span.scale.map(|scale| (scale.num, scale.den)) {
            "num and den are not those of its span"
        } else if vi && vf {
            "it has two values"
        } else if vi && span.scale.and_then(|scale| scale.restore(columns.vi.value(at))).is_none() {
            "vi · num is beyond the exact integers"
        } else if vf && (!span.has_vf || is_stale(columns.vf.value(at))) {
            "vf holds what its span excludes"
        } else if last && span.has_vf && !self.doubles {
            "its span has no value in vf, against what the span says"
        } else {
            wrong_start?
        };
        Some(wrong.to_owned())
    }
}

/// The start timestamps, which older versions of the format do not have.
pub(super) fn start_column<'a>(
    path: &str,
    batch: &'a RecordBatch,
) -> Result<Option<&'a PrimitiveArray<Int64Type>>, BlockError> {
    batch.column_by_name(START_TS).map(|_| column(path, batch, START_TS)).transpose()
}

pub(super) fn column<'a, T: ArrowPrimitiveType>(
    path: &str,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, BlockError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| BlockError::corrupt(path, format!("it has no proper column {name}")))
}
