//! Settings of writers and readers of blocks.

use serde::{Deserialize, Serialize};

use crate::BlockError;

/// Settings of [`crate::BlockWriter`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WriterConfig {
    /// zstd level: 3 suits flushes, 6 blocks of a day and more.
    pub zstd_level: i32,
    /// Rows of a data page of the samples.
    pub page_rows: usize,
    /// Rows of a row group of the samples; one is encoded in memory at a time.
    pub row_group_rows: usize,
    /// Bytes at which a file of samples ends and the next part begins.
    pub part_bytes: u64,
    /// Label names that get a column of their own in the series table.
    pub hot_labels: usize,
    /// Scrape times kept in memory to find series that share them; when there are more, the groups that
    /// were not used for longest are forgotten, and later series of theirs store their times again.
    pub scrape_memory: usize,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            zstd_level: 3,
            page_rows: 65_536,
            row_group_rows: 4 << 20,
            part_bytes: 256_000_000,
            hot_labels: 256,
            scrape_memory: 4 << 20,
        }
    }
}

impl WriterConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`BlockError::Config`] names the setting that makes no sense.
    pub fn validate(&self) -> Result<(), BlockError> {
        let problem = if !(1..=22).contains(&self.zstd_level) {
            "zstd_level must be between 1 and 22"
        } else if !(1..=1 << 20).contains(&self.page_rows) {
            "page_rows must be between 1 and 1048576"
        } else if self.row_group_rows < self.page_rows {
            "row_group_rows must be at least page_rows"
        } else if self.part_bytes == 0 {
            "part_bytes must be above 0"
        } else if self.hot_labels > 4096 {
            "hot_labels must be at most 4096"
        } else {
            return Ok(());
        };
        Err(BlockError::Config(problem.to_owned()))
    }
}

/// Settings of [`crate::Block`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReaderConfig {
    /// Samples after which a batch of a select ends; a single series may hold more.
    pub batch_samples: usize,
    /// Series after which a batch of a select ends.
    pub batch_series: usize,
    /// Pages of samples that a batch of a select needs at most, each half a megabyte decoded; more if one series does.
    pub batch_pages: usize,
    /// Bytes of pages that a select fetches in one round, for as many batches as need them.
    pub fetch_bytes: u64,
    /// How many such rounds are under way at once or wait to be decoded.
    pub fetch_ahead: usize,
    /// The largest file that is read whole (meta, index, series, spans), in bytes.
    pub max_table_bytes: u64,
    /// Scrape times that are kept decoded in memory; a block with more of them has its times read page
    /// by page.
    pub scrape_memory: u64,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self {
            batch_samples: 1 << 18,
            batch_series: 8_192,
            batch_pages: 64,
            fetch_bytes: 8 << 20,
            fetch_ahead: 2,
            max_table_bytes: 1 << 30,
            scrape_memory: 4 << 20,
        }
    }
}

/// Bytes of a page of samples, decoded: [`WriterConfig::page_rows`] of eight.
const PAGE_BYTES: u64 = 512 << 10;
/// However many blocks are read side by side, a batch of each may hold so many samples, series and pages:
/// less would be read again and again.
const LEAST_BATCH: (usize, usize, usize) = (4_096, 64, 2);
/// The same for the bytes of a round: less would be a request for each page.
const LEAST_FETCH: u64 = 128 << 10;

impl ReaderConfig {
    /// The settings for each of several blocks that are read side by side: the bounds of a batch are shared.
    #[must_use]
    pub fn shared_by(&self, blocks: usize) -> Self {
        let share = |whole: usize, least: usize| (whole / blocks.max(1)).max(whole.min(least));
        Self {
            batch_samples: share(self.batch_samples, LEAST_BATCH.0),
            batch_series: share(self.batch_series, LEAST_BATCH.1),
            batch_pages: share(self.batch_pages, LEAST_BATCH.2),
            fetch_bytes: (self.fetch_bytes / blocks.max(1) as u64).max(self.fetch_bytes.min(LEAST_FETCH)),
            ..self.clone()
        }
    }

    /// Bytes that a select of a block of `block_bytes` holds at once beside the block's tables, roughly: a batch
    /// decoded, two of series, and what is fetched.
    #[must_use]
    pub fn batch_bytes(&self, block_bytes: u64) -> u64 {
        let pages = (self.batch_pages as u64).saturating_mul(PAGE_BYTES);
        let fetched = self.fetch_bytes.saturating_mul(self.fetch_ahead.max(1) as u64).min(block_bytes);
        let series = (self.batch_samples as u64).saturating_mul(32);
        pages.saturating_add(fetched).saturating_add(series)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`BlockError::Config`] names the setting that makes no sense.
    pub fn validate(&self) -> Result<(), BlockError> {
        let bounds = [self.batch_samples, self.batch_series, self.batch_pages];
        let problem = if bounds.contains(&0) {
            "batch_samples, batch_series and batch_pages must be above 0"
        } else if self.fetch_bytes == 0 {
            "fetch_bytes must be above 0"
        } else if self.fetch_ahead > 64 {
            "fetch_ahead must be at most 64"
        } else if self.max_table_bytes < 1 << 20 {
            "max_table_bytes must be at least 1 MiB"
        } else {
            return Ok(());
        };
        Err(BlockError::Config(problem.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_side_by_side_hold_together_about_what_one_does() {
        let alone = ReaderConfig::default();
        assert_eq!(alone.shared_by(1), alone);
        for blocks in [2u64, 8, 32] {
            let each = alone.shared_by(blocks as usize);
            assert!(each.batch_bytes(u64::MAX) * blocks <= alone.batch_bytes(u64::MAX), "{blocks}");
        }
        let many = alone.shared_by(1_000_000);
        assert_eq!((many.batch_samples, many.batch_series, many.batch_pages), LEAST_BATCH);
        let small = ReaderConfig { batch_samples: 10, batch_pages: 1, ..alone };
        assert_eq!(small.shared_by(7).batch_samples, 10);
        assert!(small.shared_by(usize::MAX).validate().is_ok());
    }
}
