//! From matchers and a range to batches of rows: pure.

use std::collections::BTreeSet;
use std::ops::Range;

use latewood_model::{Matcher, RollupColumns, TimeRange, TimestampMs};

use super::part::Part;
use super::tables::Tables;
use super::{RollupSpec, SelectSpec};
use crate::ReaderConfig;
use crate::span::{Kind, ScrapeRange, Span, SpanStarts};

/// What is wanted of a block: samples or windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) matchers: &'a [Matcher],
    pub(super) range: TimeRange,
    pub(super) only_labels: bool,
    pub(super) skip_starts: bool,
    /// Of windows.
    pub(super) columns: RollupColumns,
}

impl<'a> From<&'a SelectSpec> for Wanted<'a> {
    fn from(spec: &'a SelectSpec) -> Self {
        Self {
            matchers: &spec.matchers,
            range: spec.range,
            only_labels: spec.skip_samples,
            skip_starts: spec.skip_starts,
            columns: RollupColumns::NONE,
        }
    }
}

impl<'a> From<&'a RollupSpec> for Wanted<'a> {
    fn from(spec: &'a RollupSpec) -> Self {
        Self {
            matchers: &spec.matchers,
            range: spec.range,
            only_labels: spec.skip_windows,
            skip_starts: true,
            columns: spec.columns,
        }
    }
}

/// A series' part in a batch: the rows of one of its spans.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) span: Span,
    /// Rows of the span that are wanted, counted from its first.
    pub(super) rows: Range<u64>,
    /// Whether the rows are exactly those in the range, so that none need be cut off after reading.
    pub(super) exact: bool,
    /// The figures that are wanted of windows of floats; of those of histograms all that there are.
    pub(super) columns: RollupColumns,
}

impl Piece {
    /// How many floats take about as much memory.
    fn weight(&self) -> u64 {
        let columns = if self.span.rollup.is_some() { u64::from(self.columns.count()) + 1 } else { 1 };
        (self.rows.end - self.rows.start).saturating_mul(columns)
    }

    /// The samples that are wanted, counted from the span's first; of histograms all.
    pub(super) fn samples(&self) -> Range<u64> {
        match self.span.shape {
            Some(_) => 0..self.span.samples(),
            None => self.rows.clone(),
        }
    }
}

/// A page of samples: part, column, number.
pub(super) type SamplePage = (usize, usize, usize);

/// What is read and decoded at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// In storage order; all pieces of a series are in one batch.
    pub(super) pieces: Vec<Piece>,
    /// Series without samples, when only labels are asked for.
    pub(super) labels_only: Vec<u32>,
    /// The pages that hold the pieces.
    pub(super) pages: BTreeSet<SamplePage>,
    /// The scrapes whose times are not in memory.
    pub(super) scrapes: Vec<Range<u64>>,
    series: usize,
    samples: u64,
}

/// The batches of a select.
pub(super) fn plan(spec: &Wanted<'_>, tables: &Tables, parts: &[Part], config: &ReaderConfig) -> Vec<Batch> {
    let matching = tables.series.matching(spec.matchers);
    let wanted = matching.into_iter().filter(|&series| tables.spans.overlaps(series, spec.range));
    if spec.only_labels {
        let wanted: Vec<u32> = wanted.collect();
        let batches = wanted
            .chunks(config.batch_series.max(1))
            .map(|series| Batch { labels_only: series.to_vec(), ..Batch::default() });
        return batches.collect();
    }
    let mut batches = Vec::new();
    let mut open = Batch::default();
    for series in wanted {
        let spans = tables.spans.spans.get(tables.spans.of(series)).unwrap_or_default();
        let pieces: Vec<Piece> = spans.iter().filter_map(|span| piece(span, spec, tables)).collect();
        if pieces.is_empty() {
            continue;
        }
        let samples: u64 = pieces.iter().map(Piece::weight).sum();
        if open.is_full(samples, config) {
            batches.push(std::mem::take(&mut open));
        }
        open.add(pieces, samples, tables, parts);
    }
    if open.series > 0 {
        batches.push(open);
    }
    batches
}

impl Batch {
    /// Whether a series with so many samples more has to go to the next batch.
    fn is_full(&self, samples: u64, config: &ReaderConfig) -> bool {
        self.series > 0
            && (self.series >= config.batch_series
                || self.pages.len() >= config.batch_pages
                || self.samples.saturating_add(samples) > config.batch_samples as u64)
    }

    fn add(&mut self, pieces: Vec<Piece>, samples: u64, tables: &Tables, parts: &[Part]) {
        self.series += 1;
        self.samples += samples;
        for piece in pieces {
            let at = piece.span.part as usize;
            if let Some(part) = parts.get(at) {
                let rows = piece.span.row_start + piece.rows.start..piece.span.row_start + piece.rows.end;
                for column in part.columns_of(&piece.span, piece.columns) {
                    let pages = part.file.pages(column, &rows);
                    self.pages.extend(pages.map(|page| (at, column, page)));
                }
            }
            if tables.times.is_none() {
                let ends = ScrapeRange { first: piece.span.first_scrape, last: piece.span.last_scrape };
                let wanted =
                    piece.span.rollup.iter().filter(|_| piece.columns.contains(RollupColumns::TIMES));
                let of_samples = wanted.flat_map(|rollup| [rollup.first_at, rollup.last_at]);
                let ranges =
                    of_samples.chain([ends]).map(|ids| u64::from(ids.first)..u64::from(ids.last) + 1);
                self.scrapes.extend(ranges);
            }
            self.pieces.push(piece);
        }
    }
}

/// The rows of a span in a range; none when there are none. Exact where the times are in memory and the
/// span has no gaps; else the whole span, to be cut when its times are known.
fn piece(span: &Span, spec: &Wanted<'_>, tables: &Tables) -> Option<Piece> {
    let range = spec.range;
    let starts = if spec.skip_starts { SpanStarts::None } else { span.starts };
    let wanted = || Span { starts, ..span.clone() };
    let columns = match span.kind {
        Kind::HistogramRollup => RollupColumns::COUNT | RollupColumns::TIMES | RollupColumns::STALE,
        _ => spec.columns,
    };
    let whole = || Piece { span: wanted(), rows: 0..span.row_count, exact: false, columns };
    if !span.range.overlaps(range) {
        return None;
    }
    if range.start <= span.range.start && span.range.end <= range.end {
        return Some(Piece { exact: true, ..whole() });
    }
    // The rows of one histogram lie apart: all of a span's are read.
    let can_cut = span.contiguous() && span.shape.is_none();
    let Some(times) = tables.times.as_ref().filter(|_| can_cut) else {
        return Some(whole());
    };
    let times = times.get(span.first_scrape as usize..=span.last_scrape as usize)?;
    let rows = within(times, range);
    (!rows.is_empty()).then(|| Piece {
        span: wanted(),
        rows: rows.start as u64..rows.end as u64,
        exact: true,
        columns,
    })
}

/// The indices of ascending times that lie in a range.
pub(super) fn within(times: &[TimestampMs], range: TimeRange) -> Range<usize> {
    let start = times.partition_point(|&at| at < range.start);
    let end = times.partition_point(|&at| at <= range.end);
    start..end.max(start)
}
