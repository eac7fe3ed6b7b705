//! The rollups of a window in the making: each resolution out of the one before.

use latewood_base::Ulid;
use latewood_block::{BlockHeader, FinishedPart, WriterConfig};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::rollup::{RollupWindows, SeriesRollups};
use latewood_model::{Resolution, SeriesSamples, TimeRange};

use super::inputs::Metadata;
use super::output::{Output, Written};
use super::sinks::Place;
use crate::CompactError;

/// Rollups are read for years.
pub(super) const ZSTD_LEVEL: i32 = 6;

/// The resolutions, finest first.
const RESOLUTIONS: [Resolution; 3] = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];

/// The rollups of a window in the making, finest first.
pub(super) struct RollupOutputs(Vec<(RollupWindows, Output)>);

impl RollupOutputs {
    /// Of the samples that some raw blocks have in a window. Each block's lineage names these and the finer block that it
    /// is made of: neither may go before it is there. The samples are of one series without these labels.
    pub(super) fn new(
        place: &Place,
        window: TimeRange,
        raw: &[Ulid],
        level: u32,
        labels: &ReplicaLabels,
    ) -> Self {
        let mut finer = None;
        let outputs = RESOLUTIONS.into_iter().filter_map(|resolution| {
            let id = place.ids.next();
            let header = BlockHeader {
                lineage: raw.iter().copied().chain(finer.replace(id)).collect(),
                level,
                deduplicated: true,
                replica_labels: labels.names().to_vec(),
                window: Some(window),
                ..BlockHeader::new(id, place.tenant.clone(), resolution)
            };
            let config = WriterConfig { zstd_level: ZSTD_LEVEL, ..WriterConfig::default() };
            Some((RollupWindows::of(resolution)?, Output::new(&place.folder, header, config)))
        });
        Self(outputs.collect())
    }

    /// Takes the next series in storage order, without replicas. Blocks.
    pub(super) fn push(&mut self, series: &SeriesSamples, metadata: &Metadata) -> Result<(), CompactError> {
        let described = metadata.of(&series.labels);
        let mut finer: Option<SeriesRollups> = None;
        for (windows, output) in &mut self.0 {
            let rollups = match finer.take() {
                None => SeriesRollups::of(series, *windows),
                Some(finer) => finer.coarsened(*windows),
            };
            if rollups.is_empty() {
                break;
            }
            output.writer()?.push_rollups(&rollups, described)?;
            finer = Some(rollups);
        }
        Ok(())
    }

    pub(super) fn take_finished(&mut self) -> Vec<(String, FinishedPart)> {
        self.0.iter_mut().flat_map(|(_, output)| output.take_finished()).collect()
    }

    /// Ends the blocks, those without windows, too: samples that are nothing but stale markers have none, and a block that
    /// says so owes no rollups. Blocks.
    pub(super) fn finish(self) -> Result<Vec<Written>, CompactError> {
        let finished = self.0.into_iter().map(|(_, mut output)| {
            output.writer()?;
            output.finish()
        });
        finished.filter_map(Result::transpose).collect()
    }
}
