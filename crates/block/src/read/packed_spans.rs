//! The spans of a block in little memory: what many of them have in common is there once.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use latewood_model::TimeRange;

use crate::decimal::Scale;
use crate::span::{HistogramShape, Kind, RollupSpan, Span, SpanStarts};

/// Spans in the order of their series.
#[derive(Debug)]
pub(super) struct PackedSpans {
    rows: Vec<Row>,
    common: Vec<Common>,
    /// Where the spans of each series begin, and the end of all.
    starts: Vec<u32>,
}

/// What differs from span to span.
#[derive(Clone, Debug)]
struct Row {
    row_start: u64,
    range: TimeRange,
    /// The lower half of the number of rows.
    row_count: u32,
    first_scrape: u32,
    last_scrape: u32,
    /// The number of the rest.
    common: u32,
}

/// What differs little.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Common {
    part: u32,
    kind: Kind,
    scale: Option<Scale>,
    has_vf: bool,
    starts: SpanStarts,
    shape: Option<Arc<HistogramShape>>,
    rollup: Option<Arc<RollupSpan>>,
    /// The upper half of the number of rows, in its place.
    more_rows: u64,
}

impl PackedSpans {
    /// The spans of a series.
    pub(super) fn of(&self, series: u32) -> impl Iterator<Item = Span> {
        self.rows_of(series).iter().filter_map(move |row| self.span(series, row))
    }

    /// All, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Span> {
        (0..self.starts.len().saturating_sub(1) as u32).flat_map(|series| self.of(series))
    }

    /// Whether a series has samples in a range, as far as its spans tell.
    pub(super) fn overlaps(&self, series: u32, range: TimeRange) -> bool {
        self.rows_of(series).iter().any(|row| row.range.overlaps(range))
    }

    /// Bytes of memory held.
    pub(super) fn weight(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.common.capacity() * (size_of::<Common>() + size_of::<RollupSpan>())
            + self.starts.capacity() * 4
    }

    fn rows_of(&self, series: u32) -> &[Row] {
        let at = series as usize;
        let ends = self.starts.get(at).zip(self.starts.get(at + 1));
        let range = ends.map_or(0..0, |(&start, &end)| Range { start: start as usize, end: end as usize });
        self.rows.get(range).unwrap_or_default()
    }

    fn span(&self, series: u32, row: &Row) -> Option<Span> {
        let common = self.common.get(row.common as usize)?.clone();
        Some(Span {
            series,
            part: common.part,
            row_start: row.row_start,
            row_count: common.more_rows | u64::from(row.row_count),
            kind: common.kind,
            first_scrape: row.first_scrape,
            last_scrape: row.last_scrape,
            scale: common.scale,
            has_vf: common.has_vf,
            range: row.range,
            starts: common.starts,
            shape: common.shape,
            rollup: common.rollup,
        })
    }
}

/// Packs spans as they come.
#[derive(Default)]
pub(super) struct Packer {
    rows: Vec<Row>,
    numbers: HashMap<Common, u32>,
    starts: Vec<u32>,
}

impl Packer {
    /// How many spans so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends a span, which is of the same series as the last one or of a later one.
    pub(super) fn push(&mut self, span: Span) {
        self.begin_until(span.series as usize);
        let row_count = span.row_count as u32;
        let common = Common {
            part: span.part,
            kind: span.kind,
            scale: span.scale,
            has_vf: span.has_vf,
            starts: span.starts,
            shape: span.shape,
            rollup: span.rollup,
            more_rows: span.row_count - u64::from(row_count),
        };
        let next = self.numbers.len() as u32;
        self.rows.push(Row {
            row_start: span.row_start,
            range: span.range,
            row_count,
            first_scrape: span.first_scrape,
            last_scrape: span.last_scrape,
            common: *self.numbers.entry(common).or_insert(next),
        });
    }

    /// All of so many series.
    pub(super) fn finish(mut self, series: usize) -> PackedSpans {
        self.begin_until(series);
        let mut common: Vec<(Common, u32)> = self.numbers.into_iter().collect();
        common.sort_unstable_by_key(|(_, number)| *number);
        self.rows.shrink_to_fit();
        self.starts.shrink_to_fit();
        let common = common.into_iter().map(|(common, _)| common).collect();
        PackedSpans { rows: self.rows, common, starts: self.starts }
    }

    /// What comes next is of this series at the earliest.
    fn begin_until(&mut self, series: usize) {
        let begun = self.starts.len();
        self.starts.resize(begun.max(series + 1), self.rows.len() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::ScrapeRange;

    fn span(series: u32, row_start: u64, row_count: u64) -> Span {
        Span {
            series,
            part: 0,
            row_start,
            row_count,
            kind: Kind::Float,
            first_scrape: 3,
            last_scrape: 9,
            scale: Some(Scale { num: 1, den: 100 }),
            has_vf: false,
            range: TimeRange::new(row_start as i64, row_start as i64 + 1),
            starts: SpanStarts::None,
            shape: None,
            rollup: None,
        }
    }

    #[test]
    fn spans_come_back_by_their_series_and_what_is_common_is_there_once() {
        let shape =
            |zero_threshold| Some(Arc::new(HistogramShape { zero_threshold, ..HistogramShape::default() }));
        let ids = ScrapeRange { first: 1, last: 2 };
        let windows = RollupSpan { values: Default::default(), first_at: ids, last_at: ids };
        let spans = [
            span(1, 0, 7),
            Span { shape: shape(0.0), kind: Kind::FloatHistogram, ..span(1, 7, u64::from(u32::MAX) + 5) },
            Span { shape: shape(-0.0), kind: Kind::FloatHistogram, ..span(1, 4_294_967_307, 2) },
            Span { shape: shape(0.0), kind: Kind::FloatHistogram, ..span(4, 4_294_967_309, 1) },
            Span { rollup: Some(Arc::new(windows)), ..span(4, 4_294_967_310, 1) },
            span(5, 4_294_967_311, 9),
        ];
        let mut packer = Packer::default();
        spans.iter().for_each(|span| packer.push(span.clone()));
        let packed = packer.finish(8);
        let text = |spans: Vec<Span>| format!("{spans:?}");
        assert_eq!(text(packed.iter().collect()), text(spans.to_vec()));
        assert_eq!(text(packed.of(4).collect()), text(spans[3..5].to_vec()));
        let counts = [0, 1, 4, 5, 7, 8, 9].map(|series| packed.of(series).count());
        assert_eq!(counts, [0, 3, 2, 1, 0, 0, 0]);
        // Long spans and negative zeros are other things.
        assert_eq!((packed.rows.len(), packed.common.len()), (6, 5));
        assert!(packed.overlaps(1, TimeRange::new(8, 8)) && !packed.overlaps(1, TimeRange::new(9, 90)));
    }
}
