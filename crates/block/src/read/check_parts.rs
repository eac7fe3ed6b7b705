//! What `meta.json` says of parts against their spans, and the spans of each series against each other, for `verify`.

use std::collections::BTreeMap;

use latewood_model::{TimeRange, TimestampMs};

use super::series_table::SeriesTable;
use super::span_table::SpanTable;
use crate::schema::SPANS;
use crate::span::{Kind, Role, Span};
use crate::{BlockError, BlockMeta};

/// Compares times and first and last metric of all parts with their spans.
pub(crate) fn check_parts(
    meta: &BlockMeta,
    spans: &SpanTable,
    series: &SeriesTable,
) -> Result<(), BlockError> {
    let corrupt = |problem: String| Err(BlockError::corrupt(BlockMeta::FILE, problem));
    let parts = || meta.parts.iter().chain(&meta.histogram_parts);
    let mut seen: Vec<Seen> = parts().map(|_| Seen::default()).collect();
    for span in spans.iter() {
        if let Some(seen) = seen.get_mut(span.part as usize) {
            seen.add(&span);
        }
    }
    for (part, seen) in parts().zip(&seen) {
        let metric = |row: Option<u32>| row.map_or("", |row| series.metric(row as usize));
        if seen.range != part.range {
            return corrupt(format!("the time range of {:?} is not that of its spans", part.path));
        }
        if metric(seen.first) != part.first_metric || metric(seen.last) != part.last_metric {
            return corrupt(format!("the metrics of {:?} are not those of its series", part.path));
        }
    }
    (0..series.len() as u32).try_for_each(|series| check_series(spans.of(series)))?;
    let all = seen.iter().map(|seen| seen.range).fold(TimeRange::EMPTY, TimeRange::union);
    if all != meta.range {
        return corrupt("its time range is not that of the spans".to_owned());
    }
    Ok(())
}

/// The spans of a series: those of one sort ascend in time, and every window of histograms has a last one.
fn check_series(spans: impl Iterator<Item = Span>) -> Result<(), BlockError> {
    let mut ends: BTreeMap<u8, TimestampMs> = BTreeMap::new();
    let (mut windows, mut lasts) = (0, 0);
    for span in spans {
        let before = ends.insert(sort_of(span.kind), span.range.end);
        if before.is_some_and(|before| before >= span.range.start) {
            return Err(BlockError::corrupt(SPANS, "the spans of a series do not ascend in time"));
        }
        windows += if span.kind == Kind::HistogramRollup { span.samples() } else { 0 };
        lasts += if span.kind.role() == Some(Role::Last) { span.samples() } else { 0 };
    }
    match windows == lasts {
        true => Ok(()),
        false => {
            Err(BlockError::corrupt(SPANS, format!("{windows} windows of a series have {lasts} histograms")))
        }
    }
}

/// A number for the kinds whose spans follow each other.
fn sort_of(kind: Kind) -> u8 {
    match (kind, kind.role()) {
        (_, Some(role)) => 4 + role as u8,
        (Kind::Float, _) => 0,
        (Kind::FloatRollup, _) => 1,
        (Kind::HistogramRollup, _) => 2,
        _ => 3,
    }
}

/// What was seen of a part.
struct Seen {
    range: TimeRange,
    first: Option<u32>,
    last: Option<u32>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { range: TimeRange::EMPTY, first: None, last: None }
    }
}

impl Seen {
    fn add(&mut self, span: &Span) {
        self.range = self.range.union(span.range);
        self.first.get_or_insert(span.series);
        self.last = Some(span.series);
    }
}
