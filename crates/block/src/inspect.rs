//! A report of what a block is made of.

use std::fmt::Write as _;

use bytes::Bytes;
use latewood_model::Resolution;
use latewood_objstore::Bucket;
use parquet::file::metadata::ParquetMetaData;

use crate::read::{check_index, parse_entry};
use crate::schema::INDEX;
use crate::{BlockError, BlockMeta};

/// Describes the block in `folder`: counts, and what its files and columns cost in bytes, in all and a
/// sample. Reads `meta.json` and `index` alone.
///
/// # Errors
/// [`BlockError::Bucket`] or [`BlockError::Corrupt`] when one of them cannot be read.
pub async fn inspect(bucket: &Bucket, folder: &str) -> Result<String, BlockError> {
    let BlockHead { meta, json_bytes, index } = read_head(bucket, folder).await?;
    let entries = check_index(&meta, &index)?;
    let mut out = String::new();
    head(&meta, json_bytes, &mut out);
    for file in &meta.files {
        let samples = meta.samples + meta.histograms;
        row(&mut out, &file.path, file.size, samples);
        if let Some(entry) = entries.iter().find(|entry| entry.path == file.path) {
            columns(parse_entry(entry)?.as_ref(), samples, &mut out);
        }
    }
    row(&mut out, BlockMeta::FILE, json_bytes, meta.samples + meta.histograms);
    Ok(out)
}

/// What says what a block is made of.
pub(crate) struct BlockHead {
    pub(crate) meta: BlockMeta,
    /// The size of `meta.json`.
    pub(crate) json_bytes: u64,
    pub(crate) index: Bytes,
}

/// Reads `meta.json` and `index`, which is not checked yet.
pub(crate) async fn read_head(bucket: &Bucket, folder: &str) -> Result<BlockHead, BlockError> {
    let json = bucket.get(&format!("{folder}/{}", BlockMeta::FILE), BlockMeta::MAX_BYTES).await?;
    let meta = BlockMeta::from_json(&json)?;
    let most = meta.file(INDEX).map_or(0, |file| file.size);
    let index = bucket.get(&format!("{folder}/{INDEX}"), most).await?;
    Ok(BlockHead { meta, json_bytes: json.len() as u64, index })
}

fn head(meta: &BlockMeta, json: u64, out: &mut String) {
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<12} {value}");
    };
    let optional = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    line("block", format!("{} (format {})", meta.id, meta.version));
    line("tenant", meta.tenant.to_string());
    line("resolution", meta.resolution.to_string());
    line("shard", optional(meta.shard.map(u64::from)));
    line("generation", optional(meta.generation));
    line("level", meta.level.to_string());
    let states = [(meta.deduplicated, "deduplicated"), (meta.tail, "tail")];
    let states: Vec<&str> = states.into_iter().filter(|state| state.0).map(|state| state.1).collect();
    line("state", if states.is_empty() { "-".to_owned() } else { states.join(" ") });
    line(
        "made for",
        meta.window.map_or("-".to_owned(), |of| format!("{} … {}", time(of.start), time(of.end))),
    );
    line(
        "cut into",
        meta.window_ms.map_or("one window".to_owned(), |millis| format!("windows of {} s", millis / 1_000)),
    );
    line("time", format!("{} … {}", time(meta.range.start), time(meta.range.end)));
    line("series", meta.series.to_string());
    let rows = if meta.resolution == Resolution::Raw { "samples" } else { "rows" };
    line(rows, meta.samples.to_string());
    line("histograms", meta.histograms.to_string());
    line("scrapes", meta.scrapes.to_string());
    line("spans", meta.spans.to_string());
    line("parts", (meta.parts.len() + meta.histogram_parts.len()).to_string());
    let bytes = meta.bytes() + json;
    line("bytes", format!("{bytes} ({:.4} a sample)", per_sample(bytes, meta.samples + meta.histograms)));
    let lineage: Vec<String> = meta.lineage.iter().map(ToString::to_string).collect();
    line("lineage", if lineage.is_empty() { "-".to_owned() } else { lineage.join(" ") });
    out.push('\n');
}

fn columns(metadata: &ParquetMetaData, samples: u64, out: &mut String) {
    for (number, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
        let chunks = metadata.row_groups().iter().filter_map(|group| group.columns().get(number));
        let bytes: i64 = chunks.map(|chunk| chunk.compressed_size().max(0)).fold(0, i64::saturating_add);
        row(out, &format!("  {}", column.path().string()), bytes as u64, samples);
    }
}

fn row(out: &mut String, name: &str, bytes: u64, samples: u64) {
    let _ = writeln!(out, "{bytes:>12} {:>8.4}  {name}", per_sample(bytes, samples));
}

fn per_sample(bytes: u64, samples: u64) -> f64 {
    bytes as f64 / samples.max(1) as f64
}

fn time(at: i64) -> String {
    let known = chrono::DateTime::from_timestamp_millis(at);
    known.map_or_else(|| format!("{at} ms"), |time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
