//! A block: its series in order, with their samples.

use std::path::{Path, PathBuf};
use std::vec;

use latewood_model::{Labels, SeriesSamples};

use crate::gather::Gathered;
use crate::index::{Index, SeriesEntry};
use crate::labelling::Labelling;
use crate::order::Metrics;
use crate::segments::Segments;
use crate::tombstones::Tombstones;
use crate::window::Window;
use crate::{TsdbError, TsdbMeta};

/// An open block. Of its files, the symbols of the index and the tombstones are in memory.
#[derive(Debug)]
pub struct TsdbBlock {
    folder: PathBuf,
    meta: TsdbMeta,
    index: Index,
    segments: Segments,
    tombstones: Tombstones,
}

impl TsdbBlock {
    /// Opens the block in a folder. Blocks: call it off the runtime.
    ///
    /// # Errors
    /// A file is missing, damaged or of a format that is not known here; or the block was downsampled.
    pub fn open(folder: &Path) -> Result<Self, TsdbError> {
        let meta = TsdbMeta::read(folder)?;
        meta.check_resolution(&folder.join(TsdbMeta::FILE))?;
        let index = Index::open(&folder.join("index"))?;
        let segments = Segments::find(folder)?;
        segments.check()?;
        let tombstones = Tombstones::read(folder)?;
        Ok(Self { folder: folder.to_owned(), meta, index, segments, tombstones })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it says of itself.
    #[must_use]
    pub fn meta(&self) -> &TsdbMeta {
        &self.meta
    }

    /// Its series in [`storage_order`](latewood_model::storage_order), with external labels: of one name, the external
    /// label counts and not the series' own, as Thanos reads blocks. Those of the block itself
    /// ([`TsdbMeta::external_labels`]) are added only if they are named here, too.
    ///
    /// Every label set comes once: series that differ in nothing but what external labels replace are merged by the tie
    /// rule. Deleted samples are left out, and series that have no other.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn series(&self, external: &Labels) -> Result<SeriesReader<'_>, TsdbError> {
        Ok(SeriesReader {
            labelling: Labelling::new(&self.index, external),
            metrics: Metrics::read(&self.index)?,
            metric: None,
            series: Vec::new().into_iter(),
            ahead: None,
            entries: self.index.window(),
            segments: self.segments.again(),
            block: self,
            has_ended: false,
        })
    }
}

/// Reads a block's series one by one. Blocks: read off the runtime. After an error it has ended.
#[derive(Debug)]
pub struct SeriesReader<'a> {
    block: &'a TsdbBlock,
    labelling: Labelling<'a>,
    metrics: Metrics,
    /// The metric whose series are being read.
    metric: Option<String>,
    series: vec::IntoIter<u32>,
    /// The next series, read already to see whether it has the same labels as the one before.
    ahead: Option<Found>,
    entries: Window,
    segments: Segments,
    has_ended: bool,
}

/// A series whose chunks have not been read.
#[derive(Debug)]
struct Found {
    reference: u32,
    labels: Labels,
    entry: SeriesEntry,
}

impl SeriesReader<'_> {
    /// The next series of the index.
    fn find(&mut self) -> Result<Option<Found>, TsdbError> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let index = &self.block.index;
        loop {
            if let Some(reference) = self.series.next() {
                let entry = index.series(reference, &mut self.entries)?;
                let labels = self.labelling.labels(&entry, self.metric.as_deref())?;
                return Ok(Some(Found { reference, labels, entry }));
            }
            let Some(metric) = self.metrics.next(index, &self.labelling, &mut self.entries)? else {
                return Ok(None);
            };
            (self.metric, self.series) = (metric.name, metric.series.into_iter());
        }
    }

    fn read(&mut self) -> Result<Option<SeriesSamples>, TsdbError> {
        while let Some(found) = self.find()? {
            let mut gathered = Gathered::default();
            self.gather(&found, &mut gathered)?;
            while let Some(next) = self.find()? {
                if next.labels != found.labels {
                    self.ahead = Some(next);
                    break;
                }
                self.gather(&next, &mut gathered)?;
            }
            let series = gathered.finish(found.labels);
            if !series.is_empty() {
                return Ok(Some(series));
            }
        }
        Ok(None)
    }

    /// Reads the chunks of a series, but for those that were deleted whole.
    fn gather(&mut self, found: &Found, gathered: &mut Gathered) -> Result<(), TsdbError> {
        let deleted = self.block.tombstones.of(found.reference.into());
        for chunk in &found.entry.chunks {
            if !deleted.covers(chunk.min_time, chunk.max_time) {
                let named_by = (&**self.block.index.file(), found.entry.at);
                self.segments.read(chunk, named_by, &mut gathered.chunk(chunk, deleted))?;
            }
        }
        Ok(())
    }
}

impl Iterator for SeriesReader<'_> {
    type Item = Result<SeriesSamples, TsdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let series = self.read();
        self.has_ended = !matches!(series, Ok(Some(_)));
        series.transpose()
    }
}
