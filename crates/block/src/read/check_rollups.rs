//! Rows of windows against their spans, for `verify`.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use latewood_model::{RollupWindows, TimestampMs};

use super::check::column;
use super::table_file::for_each_batch;
use crate::BlockError;
use crate::rollup_value::{HeldValues, RollupValue};
use crate::schema::{COUNT, FIRST_SCRAPE, IS_STALE, LAST_SCRAPE};
use crate::span::{Kind, RollupSpan, ScrapeRange, Span};
use crate::write::problem_of_times;

/// The scrapes at which windows of histograms end, by series: their histograms stand at no others.
pub(crate) type HistogramEnds = HashMap<u32, Vec<i32>>;

/// Compares the rows of a part with its spans (in the order of their rows) and returns how many there are. Notes the ends
/// of windows of histograms.
pub(crate) fn check_rollups(
    path: &str,
    bytes: &Bytes,
    spans: &[Span],
    (times, windows): (&[TimestampMs], RollupWindows),
    ends: &mut HistogramEnds,
    mut report: impl FnMut(u64, String),
) -> Result<u64, BlockError> {
    let rows = spans.iter().map(|span| span.row_count).sum();
    let mut cursor = Cursor { times, windows, row: 0, span: 0, before: None, held: HeldValues::default() };
    for_each_batch(path, bytes, rows, |batch| {
        let columns = Columns::of(path, batch)?;
        for row in 0..batch.num_rows() {
            let Some(span) = spans.get(cursor.span) else { break };
            if let Some(problem) = cursor.next(span, &columns, row) {
                report(cursor.row - 1, problem.to_owned());
            }
            if span.kind == Kind::HistogramRollup {
                ends.entry(span.series).or_default().push(columns.scrapes.value(row));
            }
        }
        Ok(())
    })?;
    Ok(cursor.row)
}

struct Columns<'a> {
    series: &'a PrimitiveArray<Int32Type>,
    scrapes: &'a PrimitiveArray<Int32Type>,
    first_scrapes: &'a PrimitiveArray<Int32Type>,
    last_scrapes: &'a PrimitiveArray<Int32Type>,
    num: &'a PrimitiveArray<Int64Type>,
    den: &'a PrimitiveArray<Int64Type>,
    counts: &'a PrimitiveArray<Int64Type>,
    stale: &'a BooleanArray,
    values: Vec<(&'a PrimitiveArray<Int64Type>, &'a PrimitiveArray<Float64Type>)>,
}

impl<'a> Columns<'a> {
    fn of(path: &str, batch: &'a RecordBatch) -> Result<Self, BlockError> {
        let stale = batch.column_by_name(IS_STALE).and_then(|column| column.as_boolean_opt());
        let stale = stale.filter(|stale| stale.null_count() == 0);
        let values = RollupValue::ALL.map(|value| {
            let [vi, vf] = value.columns();
            Ok((column(path, batch, vi)?, column(path, batch, vf)?))
        });
        Ok(Self {
            series: column(path, batch, "series_id")?,
            scrapes: column(path, batch, "scrape_id")?,
            first_scrapes: column(path, batch, FIRST_SCRAPE)?,
            last_scrapes: column(path, batch, LAST_SCRAPE)?,
            num: column(path, batch, "num")?,
            den: column(path, batch, "den")?,
            counts: column(path, batch, COUNT)?,
            stale: stale.ok_or_else(|| BlockError::corrupt(path, "it has no proper column is_stale"))?,
            values: values.into_iter().collect::<Result<_, BlockError>>()?,
        })
    }

    /// The scrapes of a row: its end, its first and its last sample.
    fn scrapes(&self, at: usize) -> [i32; 3] {
        [self.scrapes, self.first_scrapes, self.last_scrapes].map(|column| column.value(at))
    }
}

/// Where the comparison stands.
struct Cursor<'a> {
    times: &'a [TimestampMs],
    windows: RollupWindows,
    row: u64,
    span: usize,
    /// The scrapes of the row before.
    before: Option<[i32; 3]>,
    /// What was seen of the span.
    held: HeldValues,
}

impl Cursor<'_> {
    /// Compares one row; what is wrong with it, if anything.
    fn next(&mut self, span: &Span, columns: &Columns<'_>, at: usize) -> Option<&'static str> {
        let place = self.row.checked_sub(span.row_start)?;
        let Some(rollup) = span.rollup.as_deref() else { return Some("its span is not one of windows") };
        self.row += 1;
        if place == 0 {
            (self.before, self.held) = (None, HeldValues::default());
        }
        let is_last = place + 1 == span.row_count;
        if is_last {
            self.span += 1;
        }
        self.held.note_stale(columns.stale.value(at));
        let scale = (columns.num.is_valid(at) && columns.den.is_valid(at))
            .then(|| (columns.num.value(at), columns.den.value(at)));
        let wrong = if i64::from(columns.series.value(at)) != i64::from(span.series) {
            Some("its series is not that of its span")
        } else if scale != span.scale.map(|scale| (scale.num, scale.den)) {
            Some("num and den are not those of its span")
        } else {
            None
        };
        let wrong = wrong.or_else(|| self.scrapes(span, rollup, columns.scrapes(at), (place == 0, is_last)));
        let wrong = wrong.or_else(|| self.times(columns.scrapes(at), columns.counts.value(at)));
        let wrong = wrong.or_else(|| self.values(span, columns, at));
        let differs = is_last && self.held != rollup.values;
        wrong.or_else(|| differs.then_some("which columns its span has values in is not what the span says"))
    }

    /// Its scrapes against those before and those of the span.
    fn scrapes(
        &mut self,
        span: &Span,
        rollup: &RollupSpan,
        scrapes: [i32; 3],
        (is_first, is_last): (bool, bool),
    ) -> Option<&'static str> {
        let before = self.before.replace(scrapes);
        let ends = ScrapeRange { first: span.first_scrape, last: span.last_scrape };
        let ranges = [ends, rollup.first_at, rollup.last_at];
        let is = |id: fn(&ScrapeRange) -> u32| {
            scrapes.iter().zip(&ranges).all(|(scrape, range)| i64::from(*scrape) == i64::from(id(range)))
        };
        if before.is_some_and(|before| before.iter().zip(&scrapes).any(|(before, now)| before >= now)) {
            Some("one of its scrapes does not come after its predecessor's")
        } else if is_first && !(is(|range| range.first) && self.time(scrapes[0]) == Some(span.range.start)) {
            Some("its scrapes are not the first ones of its span")
        } else if is_last && !(is(|range| range.last) && self.time(scrapes[0]) == Some(span.range.end)) {
            Some("its scrapes are not the last ones of its span")
        } else {
            None
        }
    }

    fn time(&self, scrape: i32) -> Option<TimestampMs> {
        self.times.get(usize::try_from(scrape).ok()?).copied()
    }

    fn times(&self, scrapes: [i32; 3], count: i64) -> Option<&'static str> {
        let [Some(end), Some(first_at), Some(last_at)] = scrapes.map(|scrape| self.time(scrape)) else {
            return Some("one of its scrapes is not in scrapes.parquet");
        };
        problem_of_times(self.windows, end, (first_at, last_at), u64::try_from(count).unwrap_or(0))
    }

    /// Its values, which windows of histograms have none of.
    fn values(&mut self, span: &Span, columns: &Columns<'_>, at: usize) -> Option<&'static str> {
        let mut stored = [None; 6];
        for ((value, (vi, vf)), stored) in RollupValue::ALL.into_iter().zip(&columns.values).zip(&mut stored)
        {
            let (integer, double) = (vi.is_valid(at), vf.is_valid(at));
            if integer && double {
                return Some("it has two numbers for a value");
            }
            if span.kind == Kind::HistogramRollup {
                if integer || double {
                    return Some("a window of histograms has a value");
                }
                continue;
            }
            self.held.note(value, integer, double);
            if integer {
                *stored = span.scale.and_then(|scale| scale.restore(vi.value(at)));
                if stored.is_none() {
                    return Some("vi · num is beyond the exact integers");
                }
            } else if double {
                *stored = Some(vf.value(at));
            }
        }
        if span.kind == Kind::HistogramRollup {
            None
        } else {
            problem_of_values(stored, columns.counts.value(at))
        }
    }
}

/// Whether all values are there or told, and lie between the least and the greatest.
fn problem_of_values(stored: [Option<f64>; 6], count: i64) -> Option<&'static str> {
    let count = u64::try_from(count).unwrap_or(0);
    let of = |value: RollupValue| stored.get(value as usize).copied().flatten();
    let Some(last) = of(RollupValue::Last) else { return Some("its last value is missing") };
    let first = of(RollupValue::First).unwrap_or(last);
    let whole = |value: RollupValue| of(value).or_else(|| value.derived(count, first, last));
    let (Some(_), Some(min), Some(max)) =
        (whole(RollupValue::Sum), whole(RollupValue::Min), whole(RollupValue::Max))
    else {
        return Some("a value is missing");
    };
    let outside = |value: f64| value < min || value > max;
    (outside(first) || outside(last))
        .then_some("its first or last value is below the least or above the greatest")
}
