//! A TSDB block to one of Latewood's, in a folder.

use std::path::Path;

use anyhow::bail;
use latewood_base::Shutdown;
use latewood_block::{BlockHeader, BlockMeta, BlockWriter, WriterConfig};
use latewood_model::Labels;
use latewood_tsdb::TsdbBlock;

const DAY_MS: i64 = 24 * 3_600_000;

/// The zstd level of blocks of a day and more.
const LONG_LEVEL: i32 = 6;

/// Into how many windows the samples of a block are cut at most.
const MOST_WINDOWS: i64 = 60;

/// How far the conversion of a block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Series written.
    pub series: u64,
    /// Samples written, histograms included.
    pub samples: u64,
}

/// What all conversions of an import have in common.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// How blocks are written.
    pub writer: WriterConfig,
    /// Labels that the user gave, which count before those of the block.
    pub external: Labels,
    /// Ends a conversion between two series.
    pub shutdown: Shutdown,
}

impl Conversion {
    /// Reads a block and writes it into an empty folder. Blocks for as long as the block is large: call it off the
    /// runtime. `progress` is called after each series.
    pub fn run(
        &self,
        source: &Path,
        target: &Path,
        header: BlockHeader,
        mut progress: impl FnMut(Counts),
    ) -> anyhow::Result<BlockMeta> {
        let block = TsdbBlock::open(source)?;
        let meta = block.meta();
        let external = Labels::from_pairs(meta.external_labels.iter().chain(self.external.iter()));
        let length = meta.max_time.saturating_sub(meta.min_time);
        let mut config = self.writer.clone();
        if length >= DAY_MS {
            config.zstd_level = config.zstd_level.max(LONG_LEVEL);
        }
        let header = BlockHeader { window_ms: window_ms(length), ..header };
        let mut writer = BlockWriter::create(target, header, config)?;
        let mut counts = Counts::default();
        for series in block.series(&external)? {
            if self.shutdown.has_begun() {
                bail!("it was interrupted");
            }
            let series = series?;
            writer.push(&series, None)?;
            counts.series += 1;
            counts.samples += (series.values.len() + series.histograms.len()) as u64;
            progress(counts);
        }
        Ok(writer.finish()?)
    }
}

/// The windows into which samples are cut, so that a short query reads its part of a long block: days, or longer ones if
/// these would be many.
fn window_ms(length: i64) -> Option<i64> {
    (length >= 2 * DAY_MS).then(|| DAY_MS.max(length / MOST_WINDOWS / 1_000 * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_blocks_are_cut_into_days_and_not_into_too_many() {
        assert_eq!(
            [0, DAY_MS, 2 * DAY_MS, 60 * DAY_MS].map(window_ms),
            [None, None, Some(DAY_MS), Some(DAY_MS)]
        );
        for length in [400 * DAY_MS + 7, i64::MAX] {
            let window = window_ms(length).unwrap();
            assert!(window % 1_000 == 0 && length / window <= MOST_WINDOWS, "{length}");
        }
    }
}
