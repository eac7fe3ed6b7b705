//! Where the series of a pass go.

use std::path::PathBuf;

use latewood_base::Ids;
use latewood_block::FinishedPart;
use latewood_model::{SeriesSamples, TenantId};

use super::inputs::Metadata;
use super::output::Written;
use super::raw::RawOutputs;
use super::rollups::RollupOutputs;
use crate::CompactError;

/// Where blocks are made, and for whom.
pub(super) struct Place {
    /// The folder of the job on the local disk.
    pub(super) folder: PathBuf,
    pub(super) tenant: TenantId,
    pub(super) ids: Ids,
}

/// The blocks that a pass makes.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) raw: RawOutputs,
    pub(super) rollups: Option<RollupOutputs>,
}

impl Sinks {
    /// Takes the next series in storage order. Blocks.
    pub(super) fn push(
        mut self,
        batch: Vec<SeriesSamples>,
        metadata: &Metadata,
    ) -> Result<Self, CompactError> {
        for series in batch {
            if let Some(rollups) = &mut self.rollups {
                rollups.push(&series, metadata)?;
            }
            if !self.raw.is_empty() {
                self.raw.push(series, metadata)?;
            }
        }
        Ok(self)
    }

    /// The files that have ended since it was last asked, each with the folder of its block in the bucket: to be uploaded
    /// and deleted.
    pub(super) fn take_finished(&mut self) -> Vec<(String, FinishedPart)> {
        let mut taken = self.raw.take_finished();
        taken.extend(self.rollups.iter_mut().flat_map(RollupOutputs::take_finished));
        taken
    }

    /// Ends the blocks that have samples. Blocks.
    pub(super) fn finish(self) -> Result<Vec<Written>, CompactError> {
        let mut written = self.raw.finish()?;
        if let Some(rollups) = self.rollups {
            written.extend(rollups.finish()?);
        }
        Ok(written)
    }
}
