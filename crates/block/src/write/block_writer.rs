//! [`BlockWriter`]: takes series, leaves a folder.

use std::path::Path;

use latewood_model::{
    Labels, MetricMetadata, Resolution, SeriesSamples, TimeRange, TimestampMs, storage_order,
};

use super::cut::Cut;
use super::histograms::HistogramRows;
use super::labels::LabelTable;
use super::output::{Finished, sync_folder, write_file};
use super::parts::{FinishedPart, Parts, Workshop};
use super::rollups::RollupRows;
use super::samples::SampleRows;
use super::scrapes::Scrapes;
use super::spans::Spans;
use crate::index;
use crate::schema::INDEX;
use crate::{BlockError, BlockHeader, BlockMeta, FileMeta, WriterConfig};

/// Writes a block into a local folder, in one pass.
///
/// Memory: one encoded row group and a page of open rows a window, the distinct texts of labels, the distinct scrape
/// times up to [`WriterConfig::scrape_memory`], and the samples of the series being pushed. Disk: the block, less the
/// parts that are taken as they end ([`BlockWriter::take_finished`]), and a few bytes a label of each series.
/// Synchronous: run it off the async runtime. A writer that is dropped before [`BlockWriter::finish`] leaves a folder
/// without `meta.json`, which is no block.
pub struct BlockWriter {
    header: BlockHeader,
    pub(super) shop: Workshop,
    labels: LabelTable,
    previous: Option<Labels>,
    pub(super) scrapes: Scrapes,
    pub(super) spans: Spans,
    pub(super) samples: Parts<SampleRows>,
    /// Instead of samples, in a block of aggregates.
    pub(super) rollups: Parts<RollupRows>,
    pub(super) histograms: Parts<HistogramRows>,
    /// How many of both.
    pub(super) counts: (u64, u64),
    pub(super) range: TimeRange,
}

impl BlockWriter {
    /// Begins a block in `dir`, which is created and must be empty.
    ///
    /// # Errors
    /// [`BlockError::Config`] for settings or windows that make no sense, [`BlockError::Disk`] when the folder is not
    /// empty or not writable.
    pub fn create(dir: &Path, header: BlockHeader, config: WriterConfig) -> Result<Self, BlockError> {
        config.validate()?;
        let cut = Cut::of(&header)?;
        let taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if taken {
            let error = std::io::Error::other("the folder for a new block is not empty");
            return Err(BlockError::disk(dir, &error));
        }
        std::fs::create_dir_all(dir).map_err(|error| BlockError::disk(dir, &error))?;
        Ok(Self {
            scrapes: Scrapes::create(dir, &config)?,
            spans: Spans::create(dir, header.resolution, &config)?,
            labels: LabelTable::create(dir)?,
            shop: Workshop { dir: dir.to_owned(), cut, config },
            header,
            previous: None,
            samples: Parts::default(),
            rollups: Parts::default(),
            histograms: Parts::default(),
            counts: (0, 0),
            range: TimeRange::EMPTY,
        })
    }

    /// Appends a series with its samples. Series come in [`storage_order`], each once, times strictly
    /// ascending. A series without samples is left out.
    ///
    /// # Errors
    /// [`BlockError::Order`] when the input is not in order or outside the block's window, [`BlockError::TooLarge`]
    /// beyond 2^31 series or scrape times or 64 windows, [`BlockError::Disk`] when the disk refuses. After an error the
    /// block is lost.
    pub fn push(
        &mut self,
        series: &SeriesSamples,
        metadata: Option<&MetricMetadata>,
    ) -> Result<(), BlockError> {
        let histograms: Vec<TimestampMs> = series.histograms.iter().map(|sample| sample.timestamp).collect();
        let refuse = |problem| Err(BlockError::Order { labels: series.labels.to_string(), problem });
        if self.resolution() != Resolution::Raw {
            return refuse("a block of aggregates takes no samples");
        }
        if series.timestamps.len() != series.values.len() {
            return refuse("it has not as many times as values");
        }
        self.check(&series.labels, &[&series.timestamps, &histograms])?;
        if series.is_empty() {
            return Ok(());
        }
        let id = self.add(&series.labels, metadata)?;
        let metric = series.labels.metric_name();
        self.push_floats(id, metric, series)?;
        self.push_histograms(id, metric, &series.histograms)
    }

    pub(super) fn resolution(&self) -> Resolution {
        self.header.resolution
    }

    /// The labels of the series that is being pushed, for errors.
    pub(super) fn last_labels(&self) -> String {
        self.previous.as_ref().map(Labels::to_string).unwrap_or_default()
    }

    /// Whether a series is in order, and comes in order.
    pub(super) fn check(&self, labels: &Labels, times: &[&[TimestampMs]]) -> Result<(), BlockError> {
        let refuse = |problem| Err(BlockError::Order { labels: labels.to_string(), problem });
        if !times.iter().all(|times| times.is_sorted_by(|a, b| a < b)) {
            return refuse("its times do not ascend strictly");
        }
        let after = |previous: &Labels| storage_order(previous, labels).is_lt();
        if !self.previous.as_ref().is_none_or(after) {
            return refuse("it does not come after its predecessor in storage order");
        }
        let window = self.header.window.unwrap_or(TimeRange::ALL);
        let mut ends = times.iter().flat_map(|times| times.first().into_iter().chain(times.last()));
        if !ends.all(|&at| window.contains(at)) {
            return refuse("it has samples outside the window of the block");
        }
        Ok(())
    }

    /// Adds a series that is in order; its id.
    pub(super) fn add(
        &mut self,
        labels: &Labels,
        metadata: Option<&MetricMetadata>,
    ) -> Result<i32, BlockError> {
        self.previous = Some(labels.clone());
        self.labels.push(labels, metadata)
    }

    /// The parts that ended since it was last asked, to be stored elsewhere and deleted while the block grows. None of
    /// a block whose window is known only when it ends.
    pub fn take_finished(&mut self) -> Vec<FinishedPart> {
        let mut taken = self.samples.take_finished(&self.shop);
        taken.extend(self.rollups.take_finished(&self.shop));
        taken.extend(self.histograms.take_finished(&self.shop));
        taken
    }

    /// Ends the block: writes what is open, then `index`, then `meta.json`; all of it is fsynced. The parts that were
    /// taken are named there, too.
    ///
    /// # Errors
    /// [`BlockError::Disk`] when the disk refuses; the folder is no block then.
    pub fn finish(self) -> Result<BlockMeta, BlockError> {
        let window = self.range.start;
        let Workshop { dir, config, .. } = &self.shop;
        let (mut parts, mut done) = self.samples.finish(&self.shop, window)?;
        let (rollups, of_rollups) = self.rollups.finish(&self.shop, window)?;
        parts.extend(rollups);
        done.extend(of_rollups);
        let (histogram_parts, histograms) = self.histograms.finish(&self.shop, window)?;
        done.extend(histograms);
        let (scrapes, spans) = (u64::from(self.scrapes.rows()), self.spans.rows());
        let series = self.labels.series() as u64;
        done.push(self.labels.finish(dir, config)?);
        done.push(self.spans.finish()?);
        done.push(self.scrapes.finish()?);
        let (mut files, entries): (Vec<FileMeta>, Vec<_>) =
            done.into_iter().map(|done: Finished| (done.file, done.entry)).unzip();
        let index = index::encode(&entries);
        write_file(&dir.join(INDEX), &index)?;
        files.push(FileMeta {
            path: INDEX.to_owned(),
            size: index.len() as u64,
            crc32c: crc32c::crc32c(&index),
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let meta = BlockMeta {
            series,
            samples: self.counts.0,
            histograms: self.counts.1,
            scrapes,
            spans,
            parts,
            histogram_parts,
            files,
            ..BlockMeta::begun(self.header, self.range)
        };
        let checksum = meta.sum()?;
        let meta = BlockMeta { checksum, ..meta };
        write_meta(dir, &meta)?;
        Ok(meta)
    }
}

/// Writes `meta.json` under another name first, so that it is whole or not there.
fn write_meta(dir: &Path, meta: &BlockMeta) -> Result<(), BlockError> {
    sync_folder(dir)?;
    let (path, temporary) = (dir.join(BlockMeta::FILE), dir.join("meta.json.tmp"));
    write_file(&temporary, &meta.to_json()?)?;
    std::fs::rename(&temporary, &path).map_err(|error| BlockError::disk(&path, &error))?;
    sync_folder(dir)
}
