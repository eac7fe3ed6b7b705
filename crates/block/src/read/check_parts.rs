//! What `meta.json` says of parts against their spans, for `verify`.

use latewood_model::TimeRange;

use super::series_table::SeriesTable;
use super::span_table::SpanTable;
use crate::span::Span;
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
    for span in &spans.spans {
        if let Some(seen) = seen.get_mut(span.part as usize) {
            seen.add(span);
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
    let all = seen.iter().map(|seen| seen.range).fold(TimeRange::EMPTY, TimeRange::union);
    if all != meta.range {
        return corrupt("its time range is not that of the spans".to_owned());
    }
    Ok(())
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
