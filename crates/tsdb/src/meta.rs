//! `meta.json`: what a block is.

use std::collections::BTreeMap;
use std::path::Path;

use latewood_base::Ulid;
use latewood_model::{Labels, METRIC_NAME, TimestampMs};
use serde::Deserialize;

use crate::TsdbError;
use crate::limits::META_BYTES;
use crate::source::Source;

/// The version that all of them have.
const VERSION: u64 = 1;

/// What is read of a `meta.json`. Prometheus and Thanos add fields as they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsdbMeta {
    /// The block's id.
    pub ulid: Ulid,
    /// The first millisecond of its range.
    pub min_time: TimestampMs,
    /// The first millisecond behind its range.
    pub max_time: TimestampMs,
    /// Samples of all kinds as the writer counted them, those included that were deleted since.
    pub samples: u64,
    /// Series, likewise.
    pub series: u64,
    /// How often it was compacted: 1 as it came from memory.
    pub level: u32,
    /// The blocks from memory that it was made of; itself if it is one.
    pub sources: Vec<Ulid>,
    /// The blocks that it was directly made of.
    pub parents: Vec<Ulid>,
    /// Thanos's external labels: they belong to each series.
    pub external_labels: Labels,
    /// Milliseconds between samples that Thanos made; 0 of samples as they were scraped.
    pub resolution_ms: i64,
    /// The files as Thanos uploaded them; empty where nobody listed them.
    pub files: Vec<BlockFile>,
}

/// A file in Thanos's list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BlockFile {
    /// Relative to the block's folder.
    #[serde(rename = "rel_path")]
    pub path: String,
    /// Bytes; none of `meta.json` itself.
    #[serde(default, rename = "size_bytes")]
    pub size: u64,
}

#[derive(Deserialize)]
struct Written {
    ulid: Ulid,
    #[serde(rename = "minTime")]
    min_time: TimestampMs,
    #[serde(rename = "maxTime")]
    max_time: TimestampMs,
    #[serde(default)]
    stats: Stats,
    #[serde(default)]
    compaction: Compaction,
    #[serde(default)]
    thanos: Thanos,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stats {
    #[serde(rename = "numSamples")]
    samples: u64,
    #[serde(rename = "numSeries")]
    series: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Compaction {
    level: u32,
    sources: Option<Vec<Ulid>>,
    parents: Option<Vec<Parent>>,
}

#[derive(Deserialize)]
struct Parent {
    ulid: Ulid,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Thanos {
    labels: Option<BTreeMap<String, String>>,
    downsample: Downsample,
    files: Option<Vec<BlockFile>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Downsample {
    resolution: i64,
}

/// Looked at first, so that another version is not called damage.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl TsdbMeta {
    /// The name of the file that holds it.
    pub const FILE: &'static str = "meta.json";

    /// The largest that is read, in bytes.
    pub const MAX_BYTES: u64 = META_BYTES;

    /// Reads that of a block's folder.
    ///
    /// # Errors
    /// It is missing, damaged or of another version.
    pub fn read(block: &Path) -> Result<Self, TsdbError> {
        let path = block.join(Self::FILE);
        let file = Source::open(&path)?;
        if file.len() > META_BYTES {
            return Err(file.too_large(0, format!("{} bytes", file.len()), META_BYTES));
        }
        Self::from_json(&file.read(0, file.len())?, &path)
    }

    /// Reads one; `path` is named in errors.
    ///
    /// # Errors
    /// It is damaged or of another version.
    pub fn from_json(json: &[u8], path: &Path) -> Result<Self, TsdbError> {
        let corrupt = |problem: String| TsdbError::Corrupt { path: path.to_owned(), offset: 0, problem };
        let Versioned { version } =
            serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
        if version != VERSION {
            let path = path.to_owned();
            return Err(TsdbError::Unknown { path, offset: 0, what: "meta version", found: version });
        }
        let written: Written = serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
        if written.min_time > written.max_time {
            return Err(corrupt(format!(
                "it begins at {} and ends at {}",
                written.min_time, written.max_time
            )));
        }
        let external_labels = Labels::from_pairs(written.thanos.labels.unwrap_or_default());
        if external_labels.get(METRIC_NAME).is_some() || external_labels.get("").is_some() {
            return Err(corrupt("an external label has no name or is that of the metric".to_owned()));
        }
        Ok(Self {
            ulid: written.ulid,
            min_time: written.min_time,
            max_time: written.max_time,
            samples: written.stats.samples,
            series: written.stats.series,
            level: written.compaction.level,
            sources: written.compaction.sources.unwrap_or_default(),
            parents: written.compaction.parents.into_iter().flatten().map(|parent| parent.ulid).collect(),
            external_labels,
            resolution_ms: written.thanos.downsample.resolution,
            files: written.thanos.files.unwrap_or_default(),
        })
    }

    /// Refuses a block that has no samples as they were scraped.
    ///
    /// # Errors
    /// [`TsdbError::Downsampled`].
    pub fn check_resolution(&self, path: &Path) -> Result<(), TsdbError> {
        match self.resolution_ms {
            0 => Ok(()),
            resolution_ms => Err(TsdbError::Downsampled { path: path.to_owned(), resolution_ms }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS: &str = r#"{"ulid":"01BKGV7JBM69T2G1BGBGM6KB12","minTime":1,"maxTime":9,
        "stats":{"numSamples":7,"numSeries":2,"numChunks":3},
        "compaction":{"level":2,"sources":["01BKGV7JBM69T2G1BGBGM6KB13"],
        "parents":[{"ulid":"01BKGV7JBM69T2G1BGBGM6KB14","minTime":1,"maxTime":9}],"hints":["x"]},"version":1}"#;

    fn read(json: &str) -> Result<TsdbMeta, TsdbError> {
        TsdbMeta::from_json(json.as_bytes(), Path::new("b/meta.json"))
    }

    #[test]
    fn thanos_adds_labels_and_a_resolution() {
        let plain = read(PROMETHEUS).unwrap();
        assert_eq!((plain.samples, plain.series, plain.level), (7, 2, 2));
        let id = |last| Ulid::from_string(&format!("01BKGV7JBM69T2G1BGBGM6KB1{last}")).unwrap();
        assert_eq!((plain.sources, plain.parents), (vec![id(3)], vec![id(4)]));
        assert!(plain.external_labels.is_empty() && plain.resolution_ms == 0);
        let thanos = r#"{"thanos":{"labels":{"replica":"a","empty":""},"downsample":{"resolution":300000},
            "source":"compactor","files":[{"rel_path":"index","size_bytes":5},{"rel_path":"meta.json"}]},"#;
        let meta = read(&PROMETHEUS.replacen('{', thanos, 1)).unwrap();
        assert_eq!(meta.external_labels, Labels::from_pairs([("replica", "a")]));
        assert_eq!(meta.files.iter().map(|file| file.size).collect::<Vec<_>>(), [5, 0]);
        let error = meta.check_resolution(Path::new("b/meta.json")).unwrap_err();
        assert!(error.to_string().contains("downsampled to 300000 ms"), "{error}");
        assert!(read(&PROMETHEUS.replacen('{', r#"{"thanos":{"labels":null,"files":null},"#, 1)).is_ok());
    }

    #[test]
    fn other_versions_are_unknown_and_nonsense_is_damage() {
        let version = read(&PROMETHEUS.replace("\"version\":1", "\"version\":2")).unwrap_err();
        assert!(matches!(version, TsdbError::Unknown { found: 2, .. }), "{version}");
        let named = r#"{"thanos":{"labels":{"__name__":"a"}},"#;
        let wrong = [
            "",
            "{}",
            &PROMETHEUS[..40],
            &PROMETHEUS.replace("\"minTime\":1", "\"minTime\":10"),
            &PROMETHEUS.replacen('{', named, 1),
        ];
        for wrong in wrong {
            let error = read(wrong).unwrap_err();
            assert!(matches!(error, TsdbError::Corrupt { .. }), "{wrong}: {error}");
        }
    }
}
