//! [`BlockWriter`]: takes series, leaves a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_model::{
    HistogramSample, Labels, MetricMetadata, SeriesSamples, TimeRange, TimestampMs, storage_order,
};

use super::histograms::{HistogramRows, HistogramRun};
use super::labels::LabelTable;
use super::output::{Finished, sync_folder, write_file};
use super::part::Parts;
use super::runs::runs;
use super::samples::{SampleRows, SampleRun};
use super::scrapes::Scrapes;
use super::spans::Spans;
use crate::decimal::route;
use crate::index;
use crate::meta::FORMAT_VERSION;
use crate::schema::INDEX;
use crate::span::{Kind, Span, SpanStarts};
use crate::{BlockError, BlockHeader, BlockMeta, FileMeta, WriterConfig};

/// Writes a block into a local folder, in one pass.
///
/// Memory: one encoded row group, a page of open rows, the label codes of all series, the distinct scrape
/// times up to [`WriterConfig::scrape_memory`], and the samples of the series being pushed. Synchronous:
/// run it off the async runtime. A writer that is dropped before [`BlockWriter::finish`] leaves a folder
/// without `meta.json`, which is no block.
pub struct BlockWriter {
    dir: PathBuf,
    header: BlockHeader,
    config: WriterConfig,
    labels: LabelTable,
    previous: Option<Labels>,
    scrapes: Scrapes,
    spans: Spans,
    samples: Parts<SampleRows>,
    histograms: Parts<HistogramRows>,
    /// How many of both.
    counts: (u64, u64),
    range: TimeRange,
}

impl BlockWriter {
    /// Begins a block in `dir`, which is created and must be empty.
    ///
    /// # Errors
    /// [`BlockError::Config`] for settings that make no sense, [`BlockError::Disk`] when the folder is not
    /// empty or not writable.
    pub fn create(dir: &Path, header: BlockHeader, config: WriterConfig) -> Result<Self, BlockError> {
        config.validate()?;
        let taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if taken {
            let error = std::io::Error::other("the folder for a new block is not empty");
            return Err(BlockError::disk(dir, &error));
        }
        std::fs::create_dir_all(dir).map_err(|error| BlockError::disk(dir, &error))?;
        Ok(Self {
            scrapes: Scrapes::create(dir, &config)?,
            spans: Spans::create(dir, &config)?,
            dir: dir.to_owned(),
            header,
            config,
            labels: LabelTable::default(),
            previous: None,
            samples: Parts::default(),
            histograms: Parts::default(),
            counts: (0, 0),
            range: TimeRange::EMPTY,
        })
    }

    /// Appends a series with its samples. Series come in [`storage_order`], each once, times strictly
    /// ascending. A series without samples is left out.
    ///
    /// # Errors
    /// [`BlockError::Order`] when the input is not in order, [`BlockError::TooLarge`] beyond 2^31 series
    /// or scrape times, [`BlockError::Disk`] when the disk refuses. After an error the block is lost.
    pub fn push(
        &mut self,
        series: &SeriesSamples,
        metadata: Option<&MetricMetadata>,
    ) -> Result<(), BlockError> {
        self.check(series)?;
        if series.is_empty() {
            return Ok(());
        }
        self.previous = Some(series.labels.clone());
        let id = self.labels.push(&series.labels, metadata)?;
        let metric = series.labels.metric_name();
        self.push_floats(id, metric, series)?;
        self.push_histograms(id, metric, &series.histograms)
    }

    fn push_floats(
        &mut self,
        id: i32,
        metric: Option<&str>,
        series: &SeriesSamples,
    ) -> Result<(), BlockError> {
        let Some(range) = range_of(&series.timestamps) else {
            return Ok(());
        };
        let placed = self.scrapes.place(&series.timestamps)?;
        let routed = route(&series.values);
        let starts = starts_of(series);
        let part = self.samples.open(&self.dir, &self.config)?;
        let row_start = part.rows();
        let run = SampleRun { id, metric, placed: &placed, routed: &routed, starts: &starts };
        part.push(metric.unwrap_or(""), range, series.values.len(), &run)?;
        self.counts.0 += series.values.len() as u64;
        self.range = self.range.union(range);
        self.spans.push(Span {
            series: id as u32,
            part: self.samples.number(),
            row_start,
            row_count: series.values.len() as u64,
            kind: Kind::Float,
            first_scrape: placed.first,
            last_scrape: placed.last,
            scale: routed.scale,
            has_vf: routed.has_doubles,
            range,
            starts: SpanStarts::of(starts.into_iter()),
            shape: None,
        })
    }

    fn push_histograms(
        &mut self,
        id: i32,
        metric: Option<&str>,
        histograms: &[HistogramSample],
    ) -> Result<(), BlockError> {
        if histograms.is_empty() {
            return Ok(());
        }
        let times: Arc<[TimestampMs]> = histograms.iter().map(|sample| sample.timestamp).collect();
        let placed = self.scrapes.place(&times)?;
        let mut done = 0;
        for run in runs(histograms) {
            let samples = done..done + run.samples.len();
            done = samples.end;
            let Some(range) = times.get(samples.clone()).and_then(range_of) else { continue };
            let placed = placed.slice(samples);
            let part = self.histograms.open(&self.dir, &self.config)?;
            let (row_start, row_count) = (part.rows(), run.rows());
            let rows = HistogramRun { id, placed: &placed, run: &run };
            part.push(metric.unwrap_or(""), range, row_count, &rows)?;
            self.counts.1 += run.samples.len() as u64;
            self.range = self.range.union(range);
            self.spans.push(Span {
                series: id as u32,
                part: self.histograms.number(),
                row_start,
                row_count: row_count as u64,
                kind: run.kind,
                first_scrape: placed.first,
                last_scrape: placed.last,
                scale: None,
                has_vf: run.has_doubles(),
                range,
                starts: run.starts(),
                shape: Some(Arc::new(run.shape)),
            })?;
        }
        Ok(())
    }

    /// Whether a series is in order, and comes in order.
    fn check(&self, series: &SeriesSamples) -> Result<(), BlockError> {
        let order = |problem| Err(BlockError::Order { labels: series.labels.to_string(), problem });
        if series.timestamps.len() != series.values.len() {
            return order("it has not as many times as values");
        }
        let histograms = series.histograms.is_sorted_by(|a, b| a.timestamp < b.timestamp);
        if !histograms || !series.timestamps.is_sorted_by(|a, b| a < b) {
            return order("its times do not ascend strictly");
        }
        let after = |previous: &Labels| storage_order(previous, &series.labels).is_lt();
        if !self.previous.as_ref().is_none_or(after) {
            return order("it does not come after its predecessor in storage order");
        }
        Ok(())
    }

    /// Ends the block: writes what is open, then `index`, then `meta.json`; all of it is fsynced.
    ///
    /// # Errors
    /// [`BlockError::Disk`] when the disk refuses; the folder is no block then.
    pub fn finish(self) -> Result<BlockMeta, BlockError> {
        let window = self.range.start;
        let (parts, mut done) = self.samples.finish(&self.dir, window)?;
        let (histogram_parts, histograms) = self.histograms.finish(&self.dir, window)?;
        done.extend(histograms);
        let (scrapes, spans) = (u64::from(self.scrapes.rows()), self.spans.rows());
        let series = self.labels.series() as u64;
        done.push(self.labels.finish(&self.dir, &self.config)?);
        done.push(self.spans.finish()?);
        done.push(self.scrapes.finish()?);
        let (mut files, entries): (Vec<FileMeta>, Vec<_>) =
            done.into_iter().map(|done: Finished| (done.file, done.entry)).unzip();
        let index = index::encode(&entries);
        write_file(&self.dir.join(INDEX), &index)?;
        files.push(FileMeta {
            path: INDEX.to_owned(),
            size: index.len() as u64,
            crc32c: crc32c::crc32c(&index),
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let BlockHeader { id, tenant, resolution, shard, generation, lineage } = self.header;
        let meta = BlockMeta {
            version: FORMAT_VERSION,
            id,
            tenant,
            resolution,
            shard,
            generation,
            lineage,
            range: self.range,
            series,
            samples: self.counts.0,
            histograms: self.counts.1,
            scrapes,
            spans,
            parts,
            histogram_parts,
            files,
            checksum: 0,
        };
        let checksum = meta.sum()?;
        let meta = BlockMeta { checksum, ..meta };
        write_meta(&self.dir, &meta)?;
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

/// The start timestamps of a series' floats, one each; nothing if none has one.
fn starts_of(series: &SeriesSamples) -> Vec<TimestampMs> {
    if series.starts.is_empty() {
        return Vec::new();
    }
    let mut starts = series.starts.cursor();
    series.timestamps.iter().map(|&at| starts.at(at)).collect()
}

/// From the first to the last of ascending times; none of none.
fn range_of(times: &[TimestampMs]) -> Option<TimeRange> {
    let ends = times.first().zip(times.last());
    ends.map(|(&start, &end)| TimeRange::new(start, end))
}
