//! Windows out of the decoded pages of a batch.

use std::ops::Range;
use std::sync::Arc;

use latewood_model::{FloatRollups, RollupColumns, TimeRange, TimestampMs};

use super::decoded::{PageCache, SamplePageData, Times};
use super::part::{Part, RollupPart};
use super::plan::{Piece, within};
use super::rollup_spec::{column_of, with_sources};
use crate::BlockError;
use crate::rollup_value::RollupValue;
use crate::schema::SCRAPES;
use crate::span::{RollupSpan, ScrapeRange};

/// The rows of a piece and the columns that they are read from.
struct Rows<'a> {
    piece: &'a Piece,
    span: &'a RollupSpan,
    part: &'a Part,
    columns: &'a RollupPart,
    /// Counted from the start of the part.
    rows: Range<u64>,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        (self.rows.end - self.rows.start) as usize
    }

    fn corrupt(&self, problem: &str) -> BlockError {
        BlockError::corrupt(&self.part.file.name, problem)
    }
}

impl PageCache {
    /// The windows of a piece that end in the range, with the figures that the piece wants; of histograms count, times
    /// and staleness.
    pub(super) fn windows(
        &mut self,
        piece: &Piece,
        parts: &[Part],
        times: &Times,
        range: TimeRange,
    ) -> Result<FloatRollups, BlockError> {
        let no_part = || BlockError::corrupt(SCRAPES, "a span leads to no part of windows");
        let part = parts.get(piece.span.part as usize).ok_or_else(no_part)?;
        let (columns, span) = part.rollup.as_ref().zip(piece.span.rollup.as_deref()).ok_or_else(no_part)?;
        let ends = self.times_of(piece, part, times)?;
        let wanted = if piece.exact { 0..ends.len() } else { within(&ends, range) };
        let first = piece.span.row_start + piece.rows.start;
        let rows = first + wanted.start as u64..first + wanted.end as u64;
        let ends = match wanted == (0..ends.len()) {
            true => ends,
            false => self.shared(piece, wanted, &ends),
        };
        let rows = Rows { piece, span, part, columns, rows };
        self.figures(&rows, times, ends)
    }

    fn figures(
        &mut self,
        rows: &Rows<'_>,
        times: &Times,
        ends: Arc<[TimestampMs]>,
    ) -> Result<FloatRollups, BlockError> {
        let asked = |column| rows.piece.columns.contains(column);
        let needed = with_sources(rows.piece.columns, rows.span.values);
        let needs = |column| needed.contains(column);
        let mut out = FloatRollups { ends, ..FloatRollups::default() };
        if needs(RollupColumns::COUNT) {
            out.counts = self.counts(rows)?;
        }
        for value in [
            RollupValue::Last,
            RollupValue::First,
            RollupValue::Min,
            RollupValue::Max,
            RollupValue::Sum,
            RollupValue::Correction,
        ] {
            if needs(column_of(value)) {
                let values = self.values(rows, value, &out)?;
                *column(&mut out, value) = values;
            }
        }
        if asked(RollupColumns::TIMES) {
            let columns = rows.columns;
            out.first_at = self.sample_times(rows, rows.span.first_at, columns.first_scrape, times)?;
            out.last_at = self.sample_times(rows, rows.span.last_at, columns.last_scrape, times)?;
        }
        if asked(RollupColumns::STALE) {
            out.stale = self.stale(rows)?;
        }
        // What was read to tell others was not asked for.
        if !asked(RollupColumns::COUNT) {
            out.counts.clear();
        }
        for value in [RollupValue::First, RollupValue::Last] {
            if !asked(column_of(value)) {
                column(&mut out, value).clear();
            }
        }
        Ok(out)
    }

    /// The values of a column; `known` has those that tell others.
    fn values(
        &self,
        rows: &Rows<'_>,
        value: RollupValue,
        known: &FloatRollups,
    ) -> Result<Vec<f64>, BlockError> {
        let (vi, vf) = rows.columns.value(value);
        let mut found: Vec<Option<f64>> = vec![None; rows.len()];
        let take = |out: &mut Option<f64>, value| *out = Some(value);
        if rows.span.values.has_integers(value) {
            let scale = rows.piece.span.scale.ok_or_else(|| rows.corrupt("its integers have no scale"))?;
            self.integers(rows.piece, rows.part, vi, &rows.rows, scale, &mut found, take)?;
        }
        if rows.span.values.has_doubles(value) {
            self.doubles(rows.piece, rows.part, vf, &rows.rows, &mut found, take)?;
        }
        let at = |column: &[f64], row: usize| column.get(row).copied().unwrap_or_default();
        let told = |(row, found): (usize, Option<f64>)| {
            found.or_else(|| {
                let count = known.counts.get(row).copied().unwrap_or_default();
                let is_told = rows.span.values.is_derived(value);
                value.derived(count, at(&known.firsts, row), at(&known.lasts, row)).filter(|_| is_told)
            })
        };
        let values: Option<Vec<f64>> = found.into_iter().enumerate().map(told).collect();
        values.ok_or_else(|| rows.corrupt("a value of a window is missing"))
    }

    fn counts(&self, rows: &Rows<'_>) -> Result<Vec<u64>, BlockError> {
        let mut counts = vec![0; rows.len()];
        self.visit(rows.piece, rows.part, rows.columns.count, &rows.rows, |page, cut, at| {
            if let SamplePageData::Integers(page) = page {
                let take = |out: &mut u64, count| *out = u64::try_from(count).unwrap_or_default();
                page.each(cut, counts.get_mut(at..).unwrap_or_default(), take);
            }
        })?;
        if counts.contains(&0) {
            return Err(rows.corrupt("a window has no samples"));
        }
        Ok(counts)
    }

    fn stale(&self, rows: &Rows<'_>) -> Result<Vec<bool>, BlockError> {
        let mut stale = vec![false; rows.len()];
        if rows.span.values.has_stale() {
            self.visit(rows.piece, rows.part, rows.columns.is_stale, &rows.rows, |page, cut, at| {
                if let SamplePageData::Flags(page) = page {
                    page.each(cut, stale.get_mut(at..).unwrap_or_default(), |out, flag| *out = flag);
                }
            })?;
        }
        Ok(stale)
    }

    /// The times of the first or of the last samples.
    fn sample_times(
        &mut self,
        rows: &Rows<'_>,
        ids: ScrapeRange,
        column: usize,
        times: &Times,
    ) -> Result<Arc<[TimestampMs]>, BlockError> {
        if !ids.is_run_of(rows.piece.span.row_count) {
            return self.times_by_id(rows.piece, rows.part, column, &rows.rows, times);
        }
        let first = u64::from(ids.first) + (rows.rows.start - rows.piece.span.row_start);
        let run = self.run_of_times(first..first + rows.len() as u64, times);
        run.ok_or_else(|| BlockError::corrupt(SCRAPES, "a scrape that a span names is not there"))
    }
}

fn column(floats: &mut FloatRollups, value: RollupValue) -> &mut Vec<f64> {
    match value {
        RollupValue::Sum => &mut floats.sums,
        RollupValue::Min => &mut floats.mins,
        RollupValue::Max => &mut floats.maxs,
        RollupValue::First => &mut floats.firsts,
        RollupValue::Last => &mut floats.lasts,
        RollupValue::Correction => &mut floats.corrections,
    }
}
