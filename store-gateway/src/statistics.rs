//! Cardinality over several blocks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use latewood_block::{BlockStatistics, Count};
use latewood_model::TimeRange;
use latewood_proto::store::wire;

/// Cardinality of blocks together: of each count the greatest among them, since a series lives in most of
/// the blocks of its time and a sum would count it in each.
pub(crate) fn of_blocks(parts: &[BlockStatistics], limit: usize) -> wire::StatisticsResponse {
    let ranges = parts.iter().map(|part| part.range);
    let range = ranges.fold(TimeRange::EMPTY, TimeRange::union);
    let range = if range.is_empty() { TimeRange::new(0, 0) } else { range };
    let greatest = |of: fn(&BlockStatistics) -> u64| parts.iter().map(of).max().unwrap_or(0);
    let merged = |of: fn(&BlockStatistics) -> &[Count]| counts(parts.iter().flat_map(of), limit);
    wire::StatisticsResponse {
        series: greatest(|part| part.series),
        label_pairs: greatest(|part| part.label_pairs),
        chunks: 0,
        min_time_ms: range.start,
        max_time_ms: range.end,
        series_by_metric: merged(|part| &part.series_by_metric),
        values_by_label: merged(|part| &part.values_by_label),
        bytes_by_label: merged(|part| &part.bytes_by_label),
        series_by_pair: merged(|part| &part.series_by_pair),
    }
}

fn counts<'a>(all: impl Iterator<Item = &'a Count>, limit: usize) -> Vec<wire::Count> {
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for count in all {
        let most = by_name.entry(&count.name).or_default();
        *most = count.value.max(*most);
    }
    let mut sorted: Vec<_> = by_name.into_iter().collect();
    sorted.sort_by_key(|&(_, value)| Reverse(value));
    let kept = sorted.into_iter().take(limit);
    kept.map(|(name, value)| wire::Count { name: name.to_owned(), value }).collect()
}
