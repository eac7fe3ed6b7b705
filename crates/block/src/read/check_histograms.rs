//! Rows of native histograms against their spans, for `verify`.

use arrow::array::{Array, PrimitiveArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use latewood_model::{TimestampMs, is_stale};

use super::check::{column, start_column};
use super::check_rollups::HistogramEnds;
use super::check_starts::StartCheck;
use super::table_file::for_each_batch;
use crate::BlockError;
use crate::histogram_part::HistogramPart;
use crate::span::{Kind, Span};

/// Compares the rows of a part with its spans (in the order of their rows) and returns how many histograms
/// they make. `ends` is where those of windows may stand.
pub(crate) fn check_histograms(
    path: &str,
    bytes: &Bytes,
    spans: &[Span],
    (times, ends): (&[TimestampMs], &HistogramEnds),
    mut report: impl FnMut(u64, String),
) -> Result<u64, BlockError> {
    let rows = spans.iter().map(|span| span.row_count).sum();
    let mut cursor = Cursor {
        spans,
        times,
        ends,
        row: 0,
        span: 0,
        scrapes: Vec::new(),
        part: None,
        doubles: false,
        starts: StartCheck::default(),
    };
    for_each_batch(path, bytes, rows, |batch| {
        let columns = Columns::of(path, batch)?;
        for row in 0..batch.num_rows() {
            if let Some(problem) = cursor.next(&columns, row) {
                report(cursor.row - 1, problem.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(spans.iter().map(|span| span.samples()).sum())
}

struct Columns<'a> {
    series: &'a PrimitiveArray<Int32Type>,
    part: &'a PrimitiveArray<Int32Type>,
    bucket: &'a PrimitiveArray<Int32Type>,
    scrapes: &'a PrimitiveArray<Int32Type>,
    vi: &'a PrimitiveArray<Int64Type>,
    vf: &'a PrimitiveArray<Float64Type>,
    start_ts: Option<&'a PrimitiveArray<Int64Type>>,
}

impl<'a> Columns<'a> {
    fn of(path: &str, batch: &'a RecordBatch) -> Result<Self, BlockError> {
        Ok(Self {
            series: column(path, batch, "series_id")?,
            part: column(path, batch, "part")?,
            bucket: column(path, batch, "bucket")?,
            scrapes: column(path, batch, "scrape_id")?,
            vi: column(path, batch, "vi")?,
            vf: column(path, batch, "vf")?,
            start_ts: start_column(path, batch)?,
        })
    }

    fn part(&self, at: usize) -> Option<HistogramPart> {
        let bucket = self.bucket.is_valid(at).then(|| self.bucket.value(at));
        HistogramPart::from_columns(self.part.value(at), bucket)
    }
}

/// Where the comparison stands.
struct Cursor<'a> {
    spans: &'a [Span],
    times: &'a [TimestampMs],
    /// Where those of windows may stand.
    ends: &'a HistogramEnds,
    row: u64,
    span: usize,
    /// The scrapes of the span's first part.
    scrapes: Vec<i32>,
    /// The part of the row before.
    part: Option<HistogramPart>,
    /// Whether the span had a value in `vf`.
    doubles: bool,
    starts: StartCheck,
}

impl Cursor<'_> {
    /// Compares one row; what is wrong with it, if anything.
    fn next(&mut self, columns: &Columns<'_>, at: usize) -> Option<&'static str> {
        let row = self.row;
        self.row += 1;
        let span = self.spans.get(self.span)?;
        let place = row.checked_sub(span.row_start)?;
        let (number, histogram) = (place / span.samples().max(1), place % span.samples().max(1));
        if place == 0 {
            (self.part, self.doubles) = (None, false);
            self.scrapes.clear();
        }
        self.doubles |= columns.vf.is_valid(at);
        let is_last = place + 1 == span.row_count;
        if is_last {
            self.span += 1;
        }
        if i64::from(columns.series.value(at)) != i64::from(span.series) {
            return Some("its series is not that of its span");
        }
        if let wrong @ Some(_) = self.scrape(columns.scrapes.value(at), span, number, histogram) {
            return wrong;
        }
        if let wrong @ Some(_) = self.part(columns.part(at), span, number, histogram) {
            return wrong;
        }
        let start = columns.start_ts.filter(|starts| starts.is_valid(at)).map(|starts| starts.value(at));
        let wrong = match number {
            0 => self.starts.next(span, histogram, start),
            _ => start.map(|_| "it has a start timestamp, which only counts have"),
        };
        if wrong.is_some() {
            return wrong;
        }
        if is_last && span.has_vf != self.doubles {
            return Some("whether its span has values in vf is not what the span says");
        }
        self.value(columns, at, span)
    }

    fn scrape(&mut self, scrape: i32, span: &Span, number: u64, histogram: u64) -> Option<&'static str> {
        if number > 0 {
            let first = self.scrapes.get(histogram as usize).copied();
            return (first != Some(scrape)).then_some("its scrape is not that of its part before");
        }
        let ascends = self.scrapes.last().is_none_or(|&before| before < scrape);
        self.scrapes.push(scrape);
        let time = usize::try_from(scrape).ok().and_then(|scrape| self.times.get(scrape)).copied();
        let is = |id: u32, at: TimestampMs| i64::from(scrape) == i64::from(id) && time == Some(at);
        let ends = || self.ends.get(&span.series).is_some_and(|ends| ends.binary_search(&scrape).is_ok());
        if span.kind.role().is_some() && !ends() {
            Some("no window of its series ends there")
        } else if !ascends {
            Some("its scrape does not come after its predecessor's")
        } else if histogram == 0 && !is(span.first_scrape, span.range.start) {
            Some("it is not the first scrape of its span")
        } else if histogram + 1 == span.samples() && !is(span.last_scrape, span.range.end) {
            Some("it is not the last scrape of its span")
        } else {
            None
        }
    }

    fn part(
        &mut self,
        part: Option<HistogramPart>,
        span: &Span,
        number: u64,
        histogram: u64,
    ) -> Option<&'static str> {
        let before = std::mem::replace(&mut self.part, part);
        let expected = match (number, histogram) {
            (_, 1..) => part.is_some() && part == before,
            (0, _) => part == Some(HistogramPart::Count),
            (1, _) => part == Some(HistogramPart::Sum),
            _ => part.is_some() && part > before,
        };
        let fits = span.kind != Kind::StaleHistogram || number == 0;
        (!expected || !fits).then_some("its part is not the one that comes there")
    }

    fn value(&self, columns: &Columns<'_>, at: usize, span: &Span) -> Option<&'static str> {
        let (vi, vf) = (columns.vi.is_valid(at), columns.vf.is_valid(at));
        let is_count = self.part != Some(HistogramPart::Sum);
        if vi && vf {
            Some("it has two values")
        } else if span.kind == Kind::StaleHistogram && (vi || vf) {
            Some("a stale marker has a value")
        } else if span.kind.has_integer_counts() && is_count && !vi {
            Some("a count is not an integer")
        } else if vf && (!span.has_vf || is_stale(columns.vf.value(at))) {
            Some("vf holds what its span excludes")
        } else {
            None
        }
    }
}
