//! `meta.json`: what a block is, and of which files it consists. Written last, so that a folder with a
//! readable `meta.json` is a whole block.

use latewood_base::Ulid;
use latewood_model::{Resolution, TenantId, TimeRange, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::BlockError;
use crate::write::Cut;

/// The version of the format that this build writes.
pub const FORMAT_VERSION: u32 = 4;
/// The first version with start timestamps.
pub(crate) const WITH_STARTS: u32 = 3;

/// What a writer is told of the block to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The block's id.
    pub id: Ulid,
    /// Whose samples.
    pub tenant: TenantId,
    /// How finely it resolves time.
    pub resolution: Resolution,
    /// The shard that was flushed, if it comes from one.
    pub shard: Option<u32>,
    /// The head generation that was flushed, if it comes from one.
    pub generation: Option<u64>,
    /// The blocks it was made of, by compaction.
    pub lineage: Vec<Ulid>,
    /// How often its samples have been compacted; 0 for a flush.
    pub level: u32,
    /// Whether series of HA replicas have been made one.
    pub deduplicated: bool,
    /// The labels by which these differed, sorted.
    pub replica_labels: Vec<String>,
    /// Whether it is there only for what deduplication looks back at.
    pub tail: bool,
    /// The range that the block was made for, if it was: no sample lies outside.
    pub window: Option<TimeRange>,
    /// How long the windows are, in milliseconds, into which its samples are cut: (w, w + this], w a multiple of it.
    /// A number of whole seconds. Without, there is one window.
    pub window_ms: Option<i64>,
}

impl BlockHeader {
    /// Of a block of one window that comes from nowhere.
    #[must_use]
    pub fn new(id: Ulid, tenant: TenantId, resolution: Resolution) -> Self {
        Self {
            id,
            tenant,
            resolution,
            shard: None,
            generation: None,
            lineage: Vec::new(),
            level: 0,
            deduplicated: false,
            replica_labels: Vec::new(),
            tail: false,
            window: None,
            window_ms: None,
        }
    }
}

/// The content of `meta.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockMeta {
    /// The format's version: [`FORMAT_VERSION`].
    pub version: u32,
    /// The block's id.
    pub id: Ulid,
    /// Whose samples.
    pub tenant: TenantId,
    /// How finely it resolves time.
    pub resolution: Resolution,
    /// The shard that was flushed, if it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// The head generation that was flushed, if it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The blocks it was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Ulid>,
    /// How often its samples have been compacted; 0 for a flush.
    #[serde(default, skip_serializing_if = "is_default")]
    pub level: u32,
    /// Whether series of HA replicas have been made one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deduplicated: bool,
    /// The labels by which these differed, sorted; none in blocks that are older than this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica_labels: Vec<String>,
    /// Whether it is there only for what deduplication looks back at.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tail: bool,
    /// The range that a compaction made the block for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<TimeRange>,
    /// How long the windows of its parts are, in milliseconds; none where all are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<i64>,
    /// First and last sample; the empty range in a block without samples.
    pub range: TimeRange,
    /// Series.
    pub series: u64,
    /// Float samples, stale markers included.
    pub samples: u64,
    /// Native histograms, stale markers among them included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub histograms: u64,
    /// Rows of `scrapes.parquet`.
    pub scrapes: u64,
    /// Rows of `spans.parquet`.
    pub spans: u64,
    /// The files of samples, in the order of their part numbers.
    pub parts: Vec<PartMeta>,
    /// The files of native histograms, in the order of their part numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram_parts: Vec<PartMeta>,
    /// All files but `meta.json` itself, in the order of their paths.
    pub files: Vec<FileMeta>,
    /// CRC-32C of this object as JSON without white space and with a 0 here. Set by
    /// [`BlockMeta::to_json`], compared by [`BlockMeta::from_json`].
    pub checksum: u32,
}

/// A file of samples or of native histograms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMeta {
    /// Its path, relative to the block's folder.
    pub path: String,
    /// The start of its window, in milliseconds since the Unix epoch.
    pub window: TimestampMs,
    /// First and last sample.
    pub range: TimeRange,
    /// Rows: samples, or numbers of histograms.
    pub rows: u64,
    /// The name of its first series' metric (`""` when it has none). Series are sorted by metric, so
    /// that these two names tell whether the part can hold a metric.
    pub first_metric: String,
    /// The name of its last series' metric.
    pub last_metric: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Its path, relative to the block's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// CRC-32C of the whole file.
    pub crc32c: u32,
}

impl BlockMeta {
    /// The name of the file that holds it.
    pub const FILE: &'static str = "meta.json";

    /// The largest `meta.json` that is read, in bytes.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// That of a block with this header and range, without anything in it yet.
    pub(crate) fn begun(header: BlockHeader, range: TimeRange) -> Self {
        Self {
            version: FORMAT_VERSION,
            id: header.id,
            tenant: header.tenant,
            resolution: header.resolution,
            shard: header.shard,
            generation: header.generation,
            lineage: header.lineage,
            level: header.level,
            deduplicated: header.deduplicated,
            replica_labels: header.replica_labels,
            tail: header.tail,
            window: header.window,
            window_ms: header.window_ms,
            range,
            series: 0,
            samples: 0,
            histograms: 0,
            scrapes: 0,
            spans: 0,
            parts: Vec::new(),
            histogram_parts: Vec::new(),
            files: Vec::new(),
            checksum: 0,
        }
    }

    /// Bytes of all files but `meta.json`.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Whether it has no sample of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples == 0 && self.histograms == 0
    }

    /// A file by its path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileMeta> {
        self.files.iter().find(|file| file.path == path)
    }

    /// As it is written, with a fresh checksum.
    ///
    /// # Errors
    /// Only when serialisation itself fails.
    pub fn to_json(&self) -> Result<Vec<u8>, BlockError> {
        let sealed = Self { checksum: self.sum()?, ..self.clone() };
        let mut json = serde_json::to_vec_pretty(&sealed).map_err(|error| serialising(&error))?;
        json.push(b'\n');
        Ok(json)
    }

    /// What [`BlockMeta::checksum`] should be.
    pub(crate) fn sum(&self) -> Result<u32, BlockError> {
        let unsealed = Self { checksum: 0, ..self.clone() };
        let json = serde_json::to_vec(&unsealed).map_err(|error| serialising(&error))?;
        Ok(crc32c::crc32c(&json))
    }

    /// Reads and checks a `meta.json`.
    ///
    /// # Errors
    /// [`BlockError::Version`] for a newer format, [`BlockError::Corrupt`] when it is none or contradicts
    /// itself.
    pub fn from_json(json: &[u8]) -> Result<Self, BlockError> {
        /// Looked at first, so that a newer format is called newer and not corrupt.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let corrupt = |error: serde_json::Error| BlockError::corrupt(Self::FILE, error);
        let Versioned { version } = serde_json::from_slice(json).map_err(corrupt)?;
        if version == 0 || version > FORMAT_VERSION {
            return Err(BlockError::Version { file: Self::FILE.to_owned(), version, newest: FORMAT_VERSION });
        }
        let meta: Self = serde_json::from_slice(json).map_err(corrupt)?;
        if meta.sum()? != meta.checksum {
            return Err(BlockError::corrupt(Self::FILE, "its checksum does not match"));
        }
        meta.check().map(|()| meta)
    }

    fn check(&self) -> Result<(), BlockError> {
        let corrupt = |problem: String| Err(BlockError::corrupt(Self::FILE, problem));
        let rows = self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.rows));
        if rows != Some(self.samples) {
            return corrupt(format!("the parts do not sum up to {} samples", self.samples));
        }
        let rows_limit = u64::from(u32::MAX >> 1);
        if self.series.max(self.scrapes).max(self.spans) > rows_limit {
            return corrupt(format!("more than {rows_limit} series, spans or scrapes"));
        }
        if !self.files.is_sorted_by(|a, b| a.path < b.path) {
            return corrupt("files are not sorted by path, or one is named twice".to_owned());
        }
        let size = self.files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.size));
        if size.is_none_or(|size| i64::try_from(size).is_err()) {
            return corrupt("the sizes of the files are beyond all measure".to_owned());
        }
        if let Some(file) = self.files.iter().find(|file| !safe_path(&file.path)) {
            return corrupt(format!("the path {:?} leads out of the block", file.path));
        }
        let mut parts = self.parts.iter().chain(&self.histogram_parts);
        match parts.find(|part| self.file(&part.path).is_none()) {
            Some(part) => corrupt(format!("the part {:?} is not among the files", part.path)),
            None => self.check_windows(),
        }
    }

    /// Whether all lies in the windows that it is said to lie in.
    fn check_windows(&self) -> Result<(), BlockError> {
        let corrupt = |problem: String| Err(BlockError::corrupt(Self::FILE, problem));
        let outside = |window: TimeRange| window.start > self.range.start || self.range.end > window.end;
        if self.window.is_some_and(|window| !self.range.is_empty() && outside(window)) {
            return corrupt("its samples lie outside the window it was made for".to_owned());
        }
        let Some(millis) = self.window_ms else { return Ok(()) };
        let Some(cut) = Cut::every(millis) else {
            return corrupt(format!("windows of {millis} ms are none"));
        };
        let mut parts = self.parts.iter().chain(&self.histogram_parts);
        let strays = |part: &&PartMeta| {
            [part.range.start, part.range.end].iter().any(|at| cut.start_of(*at) != part.window)
        };
        match parts.find(strays) {
            Some(part) => corrupt(format!("the part {:?} does not lie in its window", part.path)),
            None => Ok(()),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn serialising(error: &serde_json::Error) -> BlockError {
    BlockError::Encode { file: BlockMeta::FILE.to_owned(), message: error.to_string() }
}

/// Whether a path stays inside the block's folder, whichever way it is joined to it.
fn safe_path(path: &str) -> bool {
    let safe_piece =
        |piece: &str| !piece.is_empty() && piece != "." && piece != ".." && !piece.contains('\\');
    path.split('/').all(safe_piece)
}
