//! Native histograms out of the decoded pages of a batch.

use std::ops::Range;
use std::sync::Arc;

use latewood_model::histogram::{BucketCount, Buckets, Histogram};
use latewood_model::{HistogramSample, NativeHistogram, TimeRange, stale_nan};

use super::decoded::{PageCache, SamplePageData, Times};
use super::part::Part;
use super::plan::{Piece, within};
use crate::BlockError;
use crate::decimal::Slot;
use crate::histogram_part::HistogramPart;
use crate::schema::SCRAPES;
use crate::span::{HistogramShape, Kind};

/// A count as it stands in a row.
trait Stored: BucketCount {
    fn from_slot(slot: Slot) -> Option<Self>;
}

impl Stored for u64 {
    fn from_slot(slot: Slot) -> Option<Self> {
        match slot {
            Slot::Integer(vi) => Some(vi as Self),
            Slot::Double(_) | Slot::Null => None,
        }
    }
}

impl Stored for f64 {
    fn from_slot(slot: Slot) -> Option<Self> {
        Some(match slot {
            Slot::Integer(vi) => vi as Self,
            Slot::Double(vf) => vf,
            Slot::Null => stale_nan(),
        })
    }
}

/// The rows of a span: for each part one row a histogram.
struct Matrix<'a> {
    shape: &'a HistogramShape,
    histograms: usize,
    slots: Vec<Slot>,
    has_zero: bool,
    positive: Arc<[i32]>,
    negative: Arc<[i32]>,
}

impl Matrix<'_> {
    /// Of a histogram, the number in the row of a part.
    fn at<C: Stored>(&self, part: usize, histogram: usize) -> Option<C> {
        C::from_slot(self.slots.get(part * self.histograms + histogram).copied()?)
    }

    fn histogram<C: Stored>(&self, histogram: usize) -> Option<Histogram<C>> {
        let first = 2 + usize::from(self.has_zero);
        let side = |indexes: &Arc<[i32]>, first: usize| {
            let counts = (first..first + indexes.len()).map(|part| self.at(part, histogram));
            Some(Buckets::from_layout(indexes, counts.collect::<Option<Vec<C>>>()?))
        };
        Some(Histogram {
            schema: self.shape.schema,
            zero_threshold: self.shape.zero_threshold,
            custom_bounds: Arc::clone(&self.shape.custom_bounds),
            reset_hint: self.shape.reset_hint,
            count: self.at(0, histogram)?,
            sum: self.at(1, histogram)?,
            zero_count: if self.has_zero { self.at(2, histogram)? } else { C::ZERO },
            positive: side(&self.positive, first)?,
            negative: side(&self.negative, first + self.positive.len())?,
        })
    }
}

impl PageCache {
    /// The histograms of a piece, cut to the range.
    pub(super) fn histograms(
        &mut self,
        piece: &Piece,
        shape: &HistogramShape,
        parts: &[Part],
        times: &Times,
        range: TimeRange,
    ) -> Result<Vec<HistogramSample>, BlockError> {
        let part = parts.get(piece.span.part as usize);
        let part = part.ok_or_else(|| BlockError::corrupt(SCRAPES, "a span leads to no part"))?;
        let stamps = self.times_of(piece, part, times)?;
        let wanted = if piece.exact { 0..stamps.len() } else { within(&stamps, range) };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let of = self.reader(piece, shape, part)?;
        let first_part = piece.span.row_start..piece.span.row_start + piece.span.samples();
        let starts = self.starts(piece, part, &first_part, &stamps)?;
        let mut starts = starts.cursor();
        let samples = wanted.map(|at| {
            let histogram =
                of(at).ok_or_else(|| BlockError::corrupt(&part.file.name, "a count is missing"))?;
            let timestamp = stamps.get(at).copied().unwrap_or_default();
            Ok(HistogramSample { timestamp, histogram, start: starts.at(timestamp) })
        });
        samples.collect()
    }

    /// What gives the histograms of a piece by their number.
    fn reader<'a>(
        &self,
        piece: &Piece,
        shape: &'a HistogramShape,
        part: &Part,
    ) -> Result<Box<dyn Fn(usize) -> Option<NativeHistogram> + 'a>, BlockError> {
        let kind = piece.span.kind;
        if kind == Kind::StaleHistogram {
            return Ok(Box::new(|_| Some(NativeHistogram::stale())));
        }
        let matrix = self.matrix(piece, shape, part)?;
        Ok(match kind.has_integer_counts() {
            true => Box::new(move |at| Some(matrix.histogram::<u64>(at)?.into())),
            false => Box::new(move |at| Some(matrix.histogram::<f64>(at)?.into())),
        })
    }

    fn matrix<'a>(
        &self,
        piece: &Piece,
        shape: &'a HistogramShape,
        part: &Part,
    ) -> Result<Matrix<'a>, BlockError> {
        let rows = piece.span.row_start..piece.span.row_start + piece.span.row_count;
        let histograms = piece.span.samples() as usize;
        let numbers = self.part_numbers(piece, part, &rows, histograms)?;
        let (head, buckets) = numbers.split_at_checked(2).unwrap_or_default();
        if head != [HistogramPart::Count, HistogramPart::Sum] || !numbers.is_sorted_by(|a, b| a < b) {
            return Err(BlockError::corrupt(&part.file.name, "the parts of a histogram are out of order"));
        }
        let index = |part: &HistogramPart| part.bucket();
        let positive = buckets.iter().filter(|part| matches!(part, HistogramPart::Positive(_)));
        let negative = buckets.iter().filter(|part| matches!(part, HistogramPart::Negative(_)));
        Ok(Matrix {
            shape,
            histograms,
            has_zero: buckets.first() == Some(&HistogramPart::Zero),
            positive: positive.filter_map(index).collect(),
            negative: negative.filter_map(index).collect(),
            slots: self.slots(piece, part, &rows)?,
        })
    }

    /// Which part each run of `histograms` rows is.
    fn part_numbers(
        &self,
        piece: &Piece,
        part: &Part,
        rows: &Range<u64>,
        histograms: usize,
    ) -> Result<Vec<HistogramPart>, BlockError> {
        let corrupt = || BlockError::corrupt(&part.file.name, "a row is of no part of a histogram");
        let (part_column, bucket_column) = part.histogram.ok_or_else(corrupt)?;
        let every = |column: usize| {
            let mut found = Vec::new();
            self.visit(piece, part, column, rows, |page, cut, at| {
                let SamplePageData::Int32(page) = page else { return };
                let skipped = at.next_multiple_of(histograms) - at;
                for row in cut.skip(skipped).step_by(histograms) {
                    let is_there = page.present.as_ref().is_none_or(|levels| levels.get(row) == Some(&1));
                    found.push(page.values.get(row).copied().filter(|_| is_there));
                }
            })?;
            Ok::<_, BlockError>(found)
        };
        let (numbers, buckets) = (every(part_column)?, every(bucket_column)?);
        let parts = numbers.into_iter().zip(buckets);
        let parts: Option<Vec<_>> =
            parts.map(|(number, bucket)| HistogramPart::from_columns(number?, bucket)).collect();
        parts.ok_or_else(corrupt)
    }

    /// What stands in `vi` and `vf`.
    fn slots(&self, piece: &Piece, part: &Part, rows: &Range<u64>) -> Result<Vec<Slot>, BlockError> {
        let mut slots = vec![Slot::Null; (rows.end - rows.start) as usize];
        self.visit(piece, part, part.vi, rows, |page, cut, at| {
            if let SamplePageData::Integers(page) = page {
                page.each(cut, slots.get_mut(at..).unwrap_or_default(), |slot, vi| *slot = Slot::Integer(vi));
            }
        })?;
        if piece.span.has_vf {
            self.visit(piece, part, part.vf, rows, |page, cut, at| {
                if let SamplePageData::Doubles(page) = page {
                    let slots = slots.get_mut(at..).unwrap_or_default();
                    page.each(cut, slots, |slot, vf| *slot = Slot::Double(vf));
                }
            })?;
        }
        Ok(slots)
    }
}
