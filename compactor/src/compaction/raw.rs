//! Raw blocks in the making, one a window.

use std::collections::BTreeMap;

use latewood_block::{BlockHeader, FinishedPart, WriterConfig};
use latewood_model::{SeriesSamples, TimeRange, TimestampMs};

use super::inputs::Metadata;
use super::output::{Output, Written};
use super::sinks::Place;
use crate::CompactError;

/// The blocks of some windows in the making, by the windows' ends.
#[derive(Default)]
pub(super) struct RawOutputs(BTreeMap<TimestampMs, (TimeRange, Output)>);

impl RawOutputs {
    /// Of windows that do not overlap, each with the header of its block.
    pub(super) fn new(place: &Place, windows: impl IntoIterator<Item = (TimeRange, BlockHeader)>) -> Self {
        let output = |(window, header): (TimeRange, BlockHeader)| {
            let window_ms = if header.tail { None } else { parts_of(window) };
            let header = BlockHeader { window: Some(window), window_ms, ..header };
            let config = WriterConfig { zstd_level: level_of(window), ..WriterConfig::default() };
            (window.end, (window, Output::new(&place.folder, header, config)))
        };
        Self(windows.into_iter().map(output).collect())
    }

    /// Whether it makes none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next series in storage order. Its samples are in the windows. Blocks.
    pub(super) fn push(&mut self, series: SeriesSamples, metadata: &Metadata) -> Result<(), CompactError> {
        let described = metadata.of(&series.labels).cloned();
        let mut rest = Some(series);
        while let Some(series) = rest.take() {
            let Some(first) = series.first_time() else { break };
            let Some((_, (window, output))) = self.0.range_mut(first..).next() else {
                debug_assert!(false, "a sample at {first} is in none of the windows");
                break;
            };
            let (inside, later) = series.split_after(window.end);
            output.writer()?.push(&inside, described.as_ref())?;
            rest = later;
        }
        Ok(())
    }

    pub(super) fn take_finished(&mut self) -> Vec<(String, FinishedPart)> {
        self.0.values_mut().flat_map(|(_, output)| output.take_finished()).collect()
    }

    /// Ends the blocks that have samples. Blocks.
    pub(super) fn finish(self) -> Result<Vec<Written>, CompactError> {
        self.0.into_values().filter_map(|(_, output)| output.finish().transpose()).collect()
    }
}

const DAY_MS: i64 = 86_400_000;

fn length(window: TimeRange) -> i64 {
    window.end.saturating_sub(window.start).saturating_add(1)
}

/// What is read for years is worth a denser encoding.
fn level_of(window: TimeRange) -> i32 {
    if length(window) >= DAY_MS { 6 } else { 3 }
}

/// Fewer than a block can have: they need not begin where the block does.
const MOST_PARTS: i64 = 60;

/// Into how long windows the samples of a block are cut, so that a short query reads its part of a long block: quarters
/// of a day, days of more. Blocks of less than a day are not.
fn parts_of(window: TimeRange) -> Option<i64> {
    let parts = match length(window) / DAY_MS {
        0 => return None,
        1 => 4,
        days => days.min(MOST_PARTS),
    };
    Some((length(window) / parts / 1_000).max(1) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_blocks_are_cut_into_few_parts() {
        let hours = |hours: i64| parts_of(TimeRange::new(1, hours * 3_600_000)).map(|part| part / 3_600_000);
        assert_eq!([2, 12, 24, 48, 168].map(hours), [None, None, Some(6), Some(24), Some(24)]);
        assert_eq!(hours(24 * 10_000), Some(4_000));
    }
}
