//! A TSDB block to one of Latewood's, in a folder.

use std::path::Path;

use anyhow::bail;
use latewood_base::Shutdown;
use latewood_block::{BlockHeader, BlockMeta, BlockWriter, WriterConfig};
use latewood_model::Labels;
use latewood_tsdb::TsdbBlock;

/// Milliseconds of a block from which on it is compressed harder: it stays for long.
const LONG_MS: i64 = 24 * 3_600_000;

/// The zstd level of such a block.
const LONG_LEVEL: i32 = 6;

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
        let mut config = self.writer.clone();
        if meta.max_time.saturating_sub(meta.min_time) >= LONG_MS {
            config.zstd_level = config.zstd_level.max(LONG_LEVEL);
        }
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
