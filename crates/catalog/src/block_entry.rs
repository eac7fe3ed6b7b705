//! A block as the catalog carries it: everything a reader needs to plan without asking the bucket.

use latewood_base::Ulid;
use latewood_model::{Resolution, TenantId, TimeRange, TimestampMs};
use serde::{Deserialize, Serialize};

/// A file of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The path below the block's folder, such as `samples/w=2026-01-01T00:00:00Z/part-0.parquet`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// CRC-32C of the whole file, where the writer computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<u32>,
    /// Where the file's Parquet footer begins, in bytes from its start; none for files that are no Parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer_offset: Option<u64>,
}

/// A block as the catalog carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockEntry {
    /// The block's id; its time is when the block was begun.
    pub id: Ulid,
    /// How fine its samples are.
    pub resolution: Resolution,
    /// The first and the last timestamp in it, in milliseconds.
    pub range: TimeRange,
    /// How many series.
    pub series: u64,
    /// How many samples (rows, for aggregates), histograms included.
    pub samples: u64,
    /// The sizes of all files together, in bytes.
    pub bytes: u64,
    /// The size of the `index` object, in bytes: the first thing a reader fetches. 0 when there is none.
    #[serde(default)]
    pub index_bytes: u64,
    /// The version of the block format.
    pub format: u32,
    /// The block's files.
    pub files: Vec<FileEntry>,
    /// The blocks that it was directly made of; empty for a flush.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Ulid>,
    /// How often its samples were compacted: 0 for a flush.
    #[serde(default)]
    pub level: u32,
    /// Whether the replicas of HA pairs were merged into one series.
    #[serde(default)]
    pub deduplicated: bool,
    /// The labels by which replicas differed that were merged, sorted; none where it is not known, as of blocks that are older
    /// than this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica_labels: Vec<String>,
    /// The aligned window that compaction made it for, both ends in it; none for a flush. All samples are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<TimeRange>,
    /// Whether it only says what replicas had at the end of a deduplicated window: looked at to deduplicate what follows,
    /// and never answered from.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tail: bool,
    /// The shard that flushed it; none when several went into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// The head generation of that shard that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// How many of the samples are native histograms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<u64>,
    /// How many exemplars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemplars: Option<u64>,
    /// How many distinct metric names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<u64>,
}

/// The most files of one block.
pub const MAX_FILES: usize = 4_096;
/// The most blocks that one block may be directly made of.
pub const MAX_LINEAGE: usize = 16_384;
/// The most labels by which replicas differ.
pub const MAX_REPLICA_LABELS: usize = 64;
/// The most bytes of a file's path.
const MAX_PATH_BYTES: usize = 300;

impl BlockEntry {
    /// An entry of a block that holds nothing yet; the writer fills in the rest.
    #[must_use]
    pub fn new(id: Ulid, resolution: Resolution, range: TimeRange) -> Self {
        Self {
            id,
            resolution,
            range,
            series: 0,
            samples: 0,
            bytes: 0,
            index_bytes: 0,
            format: 1,
            files: Vec::new(),
            lineage: Vec::new(),
            level: 0,
            deduplicated: false,
            replica_labels: Vec::new(),
            window: None,
            tail: false,
            shard: None,
            generation: None,
            histograms: None,
            exemplars: None,
            metrics: None,
        }
    }

    /// The block's folder in the bucket: `<tenant>/<resolution>/block=<ULID>`, no trailing `/`.
    #[must_use]
    pub fn folder(&self, tenant: &TenantId) -> String {
        block_folder(tenant, self.resolution, self.id)
    }

    /// The entry of a file, by its path below the folder.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    /// When the block was begun, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn begun_ms(&self) -> TimestampMs {
        i64::try_from(self.id.timestamp_ms()).unwrap_or(i64::MAX)
    }

    /// Checks what must hold of an entry by itself; the text says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |what: &str, count: usize, most: usize| {
            if count > most {
                return Err(format!("block {}: {count} {what}; at most {most} are allowed", self.id));
            }
            Ok(())
        };
        within("files", self.files.len(), MAX_FILES)?;
        within("blocks in its lineage", self.lineage.len(), MAX_LINEAGE)?;
        if self.range.is_empty() {
            return Err(format!("block {}: its time range is empty", self.id));
        }
        let is_within = |window: TimeRange| window.start <= self.range.start && self.range.end <= window.end;
        if !self.window.is_none_or(is_within) {
            return Err(format!("block {}: it has samples outside of its window", self.id));
        }
        within("replica labels", self.replica_labels.len(), MAX_REPLICA_LABELS)?;
        if !self.replica_labels.is_empty() && !self.deduplicated {
            return Err(format!(
                "block {}: it has replica labels, and its replicas were not merged",
                self.id
            ));
        }
        if self.shard.is_some() != self.generation.is_some() {
            return Err(format!("block {}: shard and generation go together", self.id));
        }
        for file in &self.files {
            within("bytes in a file's path", file.path.len(), MAX_PATH_BYTES)?;
            let climbs = file.path.split('/').any(|part| matches!(part, "" | "." | ".."));
            if climbs {
                return Err(format!("block {}: {:?} is no path below its folder", self.id, file.path));
            }
        }
        Ok(())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A block's folder in the bucket: `<tenant>/<resolution>/block=<ULID>`, no trailing `/`.
#[must_use]
pub fn block_folder(tenant: &TenantId, resolution: Resolution, id: Ulid) -> String {
    format!("{tenant}/{resolution}/block={id}")
}
