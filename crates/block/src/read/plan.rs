//! From matchers and a range to batches of rows: pure.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use latewood_model::{Matcher, RollupColumns, TimeRange, TimestampMs};

use super::block::Block;
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

    /// The pages that hold it.
    fn pages(&self, parts: &[Part]) -> Vec<SamplePage> {
        let at = self.span.part as usize;
        let Some(part) = parts.get(at) else { return Vec::new() };
        let rows = self.span.row_start + self.rows.start..self.span.row_start + self.rows.end;
        let columns = part.columns_of(&self.span, self.columns).into_iter();
        columns
            .flat_map(|column| part.file.pages(column, &rows).map(move |page| (at, column, page)))
            .collect()
    }

    /// The scrapes that its rows name.
    fn scrapes(&self) -> impl Iterator<Item = Range<u64>> {
        let ends = ScrapeRange { first: self.span.first_scrape, last: self.span.last_scrape };
        let wanted = self.span.rollup.iter().filter(|_| self.columns.contains(RollupColumns::TIMES));
        let of_samples = wanted.flat_map(|rollup| [rollup.first_at, rollup.last_at]);
        of_samples.chain([ends]).map(|ids| u64::from(ids.first)..u64::from(ids.last) + 1)
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
    /// In storage order. What is read of them is told by [`pieces`] anew when they are decoded: that takes less than to
    /// remember it.
    pub(super) series: Vec<u32>,
    /// The pages that hold their pieces; none when only labels are asked for.
    pub(super) pages: BTreeSet<SamplePage>,
    /// The scrapes whose times are not in memory.
    pub(super) scrapes: Vec<Range<u64>>,
    samples: u64,
}

/// Makes the batches of a select one by one, as they are wanted: those of a block of a million series take more memory
/// than what is read at once.
pub(super) struct Planner<S> {
    block: Arc<Block>,
    tables: Arc<Tables>,
    spec: Arc<S>,
    bounds: ReaderConfig,
    /// The series that match; they are looked for when the first is wanted.
    matching: Option<std::vec::IntoIter<u32>>,
    /// A series that did not fit the last batch.
    left: Option<u32>,
}

impl<S> Planner<S>
where
    for<'a> Wanted<'a>: From<&'a S>,
{
    pub(super) fn new(block: Arc<Block>, tables: Arc<Tables>, spec: Arc<S>, bounds: ReaderConfig) -> Self {
        Self { block, tables, spec, bounds, matching: None, left: None }
    }

    /// The next series that matches and overlaps the range.
    fn series(&mut self) -> Option<u32> {
        let (wanted, tables) = (Wanted::from(&*self.spec), &self.tables);
        let all = || tables.series.matching(wanted.matchers).into_iter();
        self.matching.get_or_insert_with(all).find(|&series| tables.spans.overlaps(series, wanted.range))
    }

    /// The next series, without samples.
    fn labels(&mut self) -> Batch {
        let most = self.bounds.batch_series.max(1);
        let series = std::iter::from_fn(|| self.series()).take(most).collect();
        Batch { series, ..Batch::default() }
    }

    /// The next series and their samples.
    fn samples(&mut self) -> Batch {
        let mut open = Batch::default();
        while let Some(series) = self.left.take().or_else(|| self.series()) {
            let pieces: Vec<Piece> = pieces(series, Wanted::from(&*self.spec), &self.tables).collect();
            if pieces.is_empty() {
                continue;
            }
            let weight = pieces.iter().map(Piece::weight).sum();
            let pages: Vec<SamplePage> =
                pieces.iter().flat_map(|piece| piece.pages(&self.block.parts)).collect();
            if open.is_full(weight, &pages, &self.bounds) {
                self.left = Some(series);
                break;
            }
            open.series.push(series);
            open.samples += weight;
            open.pages.extend(pages);
            if self.tables.times.is_none() {
                open.scrapes.extend(pieces.iter().flat_map(Piece::scrapes));
            }
        }
        open
    }
}

impl<S> Iterator for Planner<S>
where
    for<'a> Wanted<'a>: From<&'a S>,
{
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let only_labels = Wanted::from(&*self.spec).only_labels;
        let batch = if only_labels { self.labels() } else { self.samples() };
        (!batch.series.is_empty()).then_some(batch)
    }
}

/// Samples of a batch that are read in some microseconds.
const FEW_SAMPLES: u64 = 2_048;

impl Batch {
    /// Whether it has few samples.
    pub(super) fn is_short(&self) -> bool {
        self.samples <= FEW_SAMPLES
    }

    /// Whether a series with so many samples more, in these pages, has to go to the next batch.
    fn is_full(&self, samples: u64, pages: &[SamplePage], config: &ReaderConfig) -> bool {
        let more = pages.iter().filter(|page| !self.pages.contains(page)).count();
        !self.series.is_empty()
            && (self.series.len() >= config.batch_series
                || more > 0 && self.pages.len() + more > config.batch_pages
                || self.samples.saturating_add(samples) > config.batch_samples as u64)
    }
}

/// What is read of a series, in the order of its spans.
pub(super) fn pieces<'a>(
    series: u32,
    wanted: Wanted<'a>,
    tables: &'a Tables,
) -> impl Iterator<Item = Piece> + 'a {
    tables.spans.of(series).filter_map(move |span| piece(span, &wanted, tables))
}

/// The rows of a span in a range; none when there are none. Exact where the times are in memory and the
/// span has no gaps; else the whole span, to be cut when its times are known.
fn piece(mut span: Span, spec: &Wanted<'_>, tables: &Tables) -> Option<Piece> {
    let range = spec.range;
    if spec.skip_starts {
        span.starts = SpanStarts::None;
    }
    let columns = match span.kind {
        Kind::HistogramRollup => RollupColumns::COUNT | RollupColumns::TIMES | RollupColumns::STALE,
        _ => spec.columns,
    };
    let whole = |span: Span| Piece { rows: 0..span.row_count, span, exact: false, columns };
    if !span.range.overlaps(range) {
        return None;
    }
    if range.start <= span.range.start && span.range.end <= range.end {
        return Some(Piece { exact: true, ..whole(span) });
    }
    // The rows of one histogram lie apart: all of a span's are read.
    let can_cut = span.contiguous() && span.shape.is_none();
    let Some(times) = tables.times.as_ref().filter(|_| can_cut) else {
        return Some(whole(span));
    };
    let times = times.get(span.first_scrape as usize..=span.last_scrape as usize)?;
    let rows = within(times, range);
    (!rows.is_empty()).then_some(Piece {
        span,
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
