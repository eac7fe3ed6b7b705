//! Writing and opening small blocks.

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use latewood_base::{Offload, Ulid};
use latewood_block::{
    Block, BlockError, BlockHeader, BlockMeta, BlockWriter, DecodedPages, ReaderConfig, SelectSpec,
    WriterConfig,
};
use latewood_model::{
    Labels, MatchOp, Matcher, MetricMetadata, Resolution, SeriesSamples, StartTimestamps, TenantId, TimeRange,
};
use latewood_objstore::{Bucket, MemoryBucket, ObjectClient};

pub const FOLDER: &str = "anonymous/raw/block=01";

pub fn header() -> BlockHeader {
    let id = Ulid::from_parts(1_700_000_000_000, 7);
    BlockHeader {
        shard: Some(3),
        generation: Some(12),
        ..BlockHeader::new(id, TenantId::anonymous(), Resolution::Raw)
    }
}

/// Tiny pages, row groups and parts, so that a small block has many of each.
pub fn tiny() -> WriterConfig {
    WriterConfig { page_rows: 32, row_group_rows: 128, part_bytes: 6_000, ..WriterConfig::default() }
}

pub fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesSamples {
    SeriesSamples {
        labels: Labels::from_pairs(labels.iter().copied()),
        timestamps: samples.iter().map(|sample| sample.0).collect(),
        values: samples.iter().map(|sample| sample.1).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

pub fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

pub type Described<'a> = &'a dyn Fn(&SeriesSamples) -> Option<MetricMetadata>;

pub fn write(dir: &Path, all: &[SeriesSamples], config: WriterConfig, describe: Described<'_>) -> BlockMeta {
    let mut writer = BlockWriter::create(dir, header(), config).unwrap();
    for one in all {
        writer.push(one, describe(one).as_ref()).unwrap();
    }
    writer.finish().unwrap()
}

/// All files of a folder, by path.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(root: &Path, dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                out.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(dir, dir, &mut out);
    out.sort();
    out
}

pub async fn bucket_of(files: &[(String, Vec<u8>)]) -> Bucket {
    let bucket = MemoryBucket::new();
    for (name, body) in files {
        bucket.put(&format!("{FOLDER}/{name}"), body.clone().into()).await.unwrap();
    }
    Arc::new(bucket)
}

pub async fn open(bucket: &Bucket, config: ReaderConfig) -> Result<Arc<Block>, BlockError> {
    Block::open(Arc::clone(bucket), FOLDER, Offload::new(2), config).await
}

/// Writes and opens a block.
pub async fn block_of(all: &[SeriesSamples], writer: WriterConfig, reader: ReaderConfig) -> Arc<Block> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), all, writer, &|_| None);
    let bucket = bucket_of(&files(dir.path())).await;
    Block::open_with_tables(bucket, FOLDER, Offload::new(2), reader, &DecodedPages::new(1 << 20))
        .await
        .unwrap()
}

pub async fn select(
    block: &Arc<Block>,
    matchers: Vec<Matcher>,
    range: TimeRange,
) -> Result<Vec<SeriesSamples>, BlockError> {
    let spec = SelectSpec { matchers, range, skip_samples: false, skip_starts: false };
    let batches: Vec<Vec<SeriesSamples>> = block.select(spec).try_collect().await?;
    Ok(batches.into_iter().flatten().collect())
}

/// What a select should give.
pub fn expected(all: &[SeriesSamples], matchers: &[Matcher], range: TimeRange) -> Vec<SeriesSamples> {
    let matching = all.iter().filter(|series| {
        matchers.iter().all(|matcher| matcher.matches(series.labels.get(matcher.name()).unwrap_or("")))
    });
    let cut = matching.map(|series| {
        let samples = series.samples().filter(|sample| range.contains(sample.timestamp));
        let (timestamps, values): (Vec<i64>, Vec<f64>) =
            samples.map(|sample| (sample.timestamp, sample.value)).unzip();
        let histograms = series.histograms.iter().filter(|sample| range.contains(sample.timestamp));
        let histograms = histograms.cloned().collect();
        let (labels, starts) = (series.labels.clone(), series.starts.clone());
        SeriesSamples { labels, timestamps: timestamps.into(), values, starts, histograms }
    });
    cut.filter(|series| !series.is_empty()).collect()
}

/// Equal labels, times, bits of values, start timestamps and histograms, in the same order.
pub fn assert_same(found: &[SeriesSamples], expected: &[SeriesSamples]) {
    assert_eq!(found.len(), expected.len(), "number of series");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.labels, expected.labels);
        assert!(found.samples().eq(expected.samples()), "{}", found.labels);
        let starts = |series: &SeriesSamples| -> Vec<i64> {
            series.timestamps.iter().map(|&at| series.starts.at(at)).collect()
        };
        assert_eq!(starts(found), starts(expected), "{}", found.labels);
        assert_eq!(found.histograms, expected.histograms, "{}", found.labels);
    }
}
