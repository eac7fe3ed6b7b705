//! What spans point to, and that they follow each other without gap or overlap.

use crate::schema::SPANS;
use crate::span::{RollupSpan, ScrapeRange, Span};
use crate::{BlockError, BlockMeta};

/// Checks spans in their order.
pub(super) struct SpanCheck<'a> {
    meta: &'a BlockMeta,
    /// The row of each part where the next span must begin.
    next_row: Vec<u64>,
    histograms: u64,
    /// The series of the last span.
    before: u32,
    /// Spans so far.
    seen: u64,
}

impl<'a> SpanCheck<'a> {
    pub(super) fn new(meta: &'a BlockMeta) -> Self {
        let parts = meta.parts.len() + meta.histogram_parts.len();
        Self { meta, next_row: vec![0; parts], histograms: 0, before: 0, seen: 0 }
    }

    /// Checks the next span.
    pub(super) fn take(&mut self, span: &Span) -> Result<(), BlockError> {
        let row = self.seen;
        self.seen += 1;
        self.problem(span)
            .map_or(Ok(()), |problem| Err(BlockError::corrupt(SPANS, format!("row {row}: {problem}"))))
    }

    fn problem(&mut self, span: &Span) -> Option<&'static str> {
        let meta = self.meta;
        let scrapes = u64::from(span.last_scrape - span.first_scrape) + 1;
        let Some(expected) = self.next_row.get_mut(span.part as usize) else {
            return Some("its part is not in meta.json");
        };
        if u64::from(span.series) >= meta.series || span.series < self.before {
            return Some("its series is out of order or not in the series table");
        }
        if span.row_count == 0 || span.row_start != *expected {
            return Some("its rows do not follow those of its predecessor");
        }
        let per_sample = span.shape.as_ref().map_or(1, |shape| u64::from(shape.parts));
        if per_sample == 0 || !span.row_count.is_multiple_of(per_sample) {
            return Some("its rows make no whole histograms");
        }
        if scrapes < span.samples() || u64::from(span.last_scrape) >= meta.scrapes {
            return Some("its scrapes are too few or not in scrapes.parquet");
        }
        let scaled = span.scale.is_none_or(|scale| scale.num >= 1 && power_of_ten(scale.den));
        if !scaled || span.range.is_empty() {
            return Some("its scale or its time range makes no sense");
        }
        let fitting = |rollup: &RollupSpan| {
            [rollup.first_at, rollup.last_at].into_iter().all(|times| fits(times, span.row_count, meta))
        };
        if !span.rollup.as_deref().is_none_or(fitting) {
            return Some("the times of its samples are too few or not in scrapes.parquet");
        }
        let Some(end) = span.row_start.checked_add(span.row_count) else {
            return Some("its rows are beyond all measure");
        };
        *expected = end;
        self.before = span.series;
        self.histograms += if span.shape.is_some() { span.samples() } else { 0 };
        None
    }

    /// Checks that these were all.
    pub(super) fn finish(self) -> Result<(), BlockError> {
        let meta = self.meta;
        if self.histograms != meta.histograms {
            let problem = format!("{} of {} histograms", self.histograms, meta.histograms);
            return Err(BlockError::corrupt(SPANS, problem));
        }
        let mut parts = meta.parts.iter().chain(&meta.histogram_parts).zip(&self.next_row);
        match parts.find(|(part, rows)| part.rows != **rows) {
            Some((part, rows)) => {
                let problem = format!("spans cover {rows} of {} rows of {}", part.rows, part.path);
                Err(BlockError::corrupt(SPANS, problem))
            }
            None => Ok(()),
        }
    }
}

/// Whether times of so many rows can stand there.
fn fits(times: ScrapeRange, rows: u64, meta: &BlockMeta) -> bool {
    let room = u64::from(times.last.saturating_sub(times.first)) + 1;
    times.first <= times.last && room >= rows && u64::from(times.last) < meta.scrapes
}

fn power_of_ten(number: i64) -> bool {
    number >= 1 && (0..=18).any(|e| 10i64.pow(e) == number)
}
