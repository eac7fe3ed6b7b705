//! [`BlockWriter`]: takes series, leaves a folder.

use std::path::{Path, PathBuf};

use latewood_model::{Labels, MetricMetadata, SeriesSamples, TimeRange, TimestampMs, storage_order};

use super::labels::LabelTable;
use super::output::{Finished, sync_folder, write_file};
use super::samples::{Part, SeriesRows};
use super::scrapes::Scrapes;
use super::spans::Spans;
use crate::decimal::route;
use crate::index;
use crate::meta::FORMAT_VERSION;
use crate::schema::{INDEX, SAMPLES};
use crate::span::{Kind, Span};
use crate::{BlockError, BlockHeader, BlockMeta, FileMeta, PartMeta, WriterConfig};

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
    part: Option<Part>,
    parts: Vec<PartMeta>,
    done: Vec<Finished>,
    samples: u64,
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
        let samples = dir.join(SAMPLES);
        let taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if taken {
            let error = std::io::Error::other("the folder for a new block is not empty");
            return Err(BlockError::disk(dir, &error));
        }
        std::fs::create_dir_all(&samples).map_err(|error| BlockError::disk(&samples, &error))?;
        Ok(Self {
            scrapes: Scrapes::create(dir, &config)?,
            spans: Spans::create(dir, &config)?,
            dir: dir.to_owned(),
            header,
            config,
            labels: LabelTable::default(),
            previous: None,
            part: None,
            parts: Vec::new(),
            done: Vec::new(),
            samples: 0,
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
        let Some(range) = self.check(series)? else {
            return Ok(());
        };
        self.previous = Some(series.labels.clone());
        let id = self.labels.push(&series.labels, metadata)?;
        let placed = self.scrapes.place(&series.timestamps)?;
        let routed = route(&series.values);
        let part = self.open_part()?;
        let row_start = part.rows();
        part.push(&SeriesRows {
            id,
            metric: series.labels.metric_name().unwrap_or(""),
            has_metric: series.labels.metric_name().is_some(),
            range,
            placed: &placed,
            routed: &routed,
        })?;
        self.samples += series.values.len() as u64;
        self.range = self.range.union(range);
        self.spans.push(Span {
            series: id as u32,
            part: self.parts.len() as u32,
            row_start,
            row_count: series.values.len() as u64,
            kind: Kind::Float,
            first_scrape: placed.first,
            last_scrape: placed.last,
            scale: routed.scale,
            has_vf: routed.has_doubles,
            range,
        })
    }

    /// The time range of a series in order, or nothing when it has no samples.
    fn check(&self, series: &SeriesSamples) -> Result<Option<TimeRange>, BlockError> {
        let order = |problem| Err(BlockError::Order { labels: series.labels.to_string(), problem });
        if series.timestamps.len() != series.values.len() {
            return order("it has not as many times as values");
        }
        if !series.timestamps.is_sorted_by(|a, b| a < b) {
            return order("its times do not ascend strictly");
        }
        let after = |previous: &Labels| storage_order(previous, &series.labels).is_lt();
        if !self.previous.as_ref().is_none_or(after) {
            return order("it does not come after its predecessor in storage order");
        }
        let ends = series.timestamps.first().zip(series.timestamps.last());
        Ok(ends.map(|(&start, &end)| TimeRange::new(start, end)))
    }

    /// The part that takes the next series.
    fn open_part(&mut self) -> Result<&mut Part, BlockError> {
        if self.part.as_ref().is_some_and(|part| part.bytes() >= self.config.part_bytes) {
            self.close_part()?;
        }
        match &mut self.part {
            Some(part) => Ok(part),
            none => Ok(none.insert(Part::create(&self.dir, self.parts.len(), &self.config)?)),
        }
    }

    fn close_part(&mut self) -> Result<(), BlockError> {
        let Some(part) = self.part.take() else {
            return Ok(());
        };
        let (rows, range) = (part.rows(), part.range);
        let first_metric = part.first_metric.clone().unwrap_or_default();
        let last_metric = part.last_metric.clone();
        self.done.push(part.finish()?);
        self.parts.push(PartMeta { path: String::new(), window: 0, range, rows, first_metric, last_metric });
        Ok(())
    }

    /// Ends the block: writes what is open, then `index`, then `meta.json`; all of it is fsynced.
    ///
    /// # Errors
    /// [`BlockError::Disk`] when the disk refuses; the folder is no block then.
    pub fn finish(mut self) -> Result<BlockMeta, BlockError> {
        self.close_part()?;
        self.name_parts()?;
        let (scrapes, spans) = (u64::from(self.scrapes.rows()), self.spans.rows());
        let series = self.labels.series() as u64;
        self.done.push(self.labels.finish(&self.dir, &self.config)?);
        self.done.push(self.spans.finish()?);
        self.done.push(self.scrapes.finish()?);
        let (mut files, entries): (Vec<FileMeta>, Vec<_>) =
            self.done.into_iter().map(|done| (done.file, done.entry)).unzip();
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
            samples: self.samples,
            scrapes,
            spans,
            parts: self.parts,
            files,
            checksum: 0,
        };
        let checksum = meta.sum()?;
        let meta = BlockMeta { checksum, ..meta };
        write_meta(&self.dir, &meta)?;
        Ok(meta)
    }

    /// Moves the parts into the folder of their window, whose start is known only now.
    fn name_parts(&mut self) -> Result<(), BlockError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let window = self.range.start;
        let folder = format!("{SAMPLES}/w={}", rfc3339(window));
        let disk = |path: &Path, error: std::io::Error| BlockError::disk(path, &error);
        let path = self.dir.join(&folder);
        std::fs::create_dir(&path).map_err(|error| disk(&path, error))?;
        for (number, (part, done)) in self.parts.iter_mut().zip(&mut self.done).enumerate() {
            part.path = format!("{folder}/part-{number}.parquet");
            part.window = window;
            let from = self.dir.join(&done.file.path);
            std::fs::rename(&from, self.dir.join(&part.path)).map_err(|error| disk(&from, error))?;
            done.file.path.clone_from(&part.path);
            done.entry.path.clone_from(&part.path);
        }
        sync_folder(&path)?;
        sync_folder(&self.dir.join(SAMPLES))
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

/// A folder name for the window that begins at a time; to the second, and held within four-digit years.
fn rfc3339(time: TimestampMs) -> String {
    let seconds = time.div_euclid(1_000).clamp(-62_167_219_200, 253_402_300_799);
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
