//! DuckDB views that join a block back to (metric, labels, ts, value).

use std::fmt::Write as _;
use std::path::Path;

use latewood_model::Resolution;
use latewood_objstore::Bucket;

use crate::index;
use crate::inspect::{BlockHead, read_head};
use crate::meta::WITH_STARTS;
use crate::read::{check_index, parse_entry};
use crate::schema::{HOT_PREFIX, INDEX, SCRAPES, SERIES, SPANS};
use crate::views_rollups::rollup_views;
use crate::{BlockError, BlockMeta, PartMeta};

/// The bits of the stale marker, as a DuckDB BIT literal is written.
const STALE_BITS: &str = "0111111111110000000000000000000000000000000000000000000000000010";

/// The beginning of the view of samples.
const SAMPLES_VIEW: &str = "\
-- value = coalesce(vf, vi * num / den); a stale marker is stored as two NULLs and shown as its
-- NaN (bits 0x7ff0000000000002), made of a bit string, since no literal keeps a NaN's payload.
CREATE OR REPLACE VIEW samples AS
SELECT series_id, series.metric, series.labels, scrapes.ts, CASE";

/// The view of native histograms, up to its files and behind them.
const HISTOGRAMS_VIEW: &str = "\
-- A row a number of a native histogram; buckets without observations are left out. Of a stale marker there
-- is the count alone, NULL. Where start timestamps differ from one histogram to the next, they stand with the counts.
CREATE OR REPLACE VIEW histograms AS
SELECT h.series_id, series.metric, series.labels, scrapes.ts, spans.kind, spans.schema, spans.zero_threshold,
  spans.custom_bounds, spans.reset_hint,
  ['count', 'sum', 'zero', 'positive', 'negative'][h.part + 1] AS part, h.bucket,
  CASE WHEN h.bucket IS NULL THEN NULL
    WHEN spans.schema = -53 THEN coalesce(spans.custom_bounds[h.bucket + 1], 'Infinity'::DOUBLE)
    ELSE pow(2, h.bucket * pow(2, -spans.schema)) END AS upper_bound,
  coalesce(h.vf, CAST(h.vi AS DOUBLE)) AS value,";

const HISTOGRAMS_JOIN: &str = "\
JOIN series USING (series_id) JOIN scrapes USING (scrape_id)
JOIN spans ON spans.kind > 0 AND spans.series_id = h.series_id
  AND h.scrape_id BETWEEN spans.first_scrape AND spans.last_scrape
WHERE h.bucket IS NULL OR h.vf IS NOT NULL OR h.vi <> 0;";

/// The SQL for a block in a local folder.
///
/// # Errors
/// [`BlockError::Disk`] when `meta.json` or `index` cannot be read, [`BlockError::Corrupt`] when they are broken.
pub fn views(folder: &Path) -> Result<String, BlockError> {
    let read = |name: &str, most: u64| {
        let path = folder.join(name);
        let size = std::fs::metadata(&path).map_err(|error| BlockError::disk(&path, &error))?.len();
        if size > most {
            return Err(BlockError::corrupt(name, format!("it has {size} bytes; at most {most} are read")));
        }
        std::fs::read(&path).map_err(|error| BlockError::disk(&path, &error))
    };
    let meta = BlockMeta::from_json(&read(BlockMeta::FILE, BlockMeta::MAX_BYTES)?)?;
    let index_size = meta.file(INDEX).map_or(0, |file| file.size);
    let index = read(INDEX, index_size)?;
    views_of(&meta, &index.into(), &folder.display().to_string())
}

/// The SQL for a block in a bucket, whose folder DuckDB knows as `base`.
///
/// # Errors
/// [`BlockError::Bucket`] or [`BlockError::Corrupt`] when `meta.json` or `index` cannot be read.
pub async fn views_in(bucket: &Bucket, folder: &str, base: &str) -> Result<String, BlockError> {
    let BlockHead { meta, index, .. } = read_head(bucket, folder).await?;
    views_of(&meta, &index, base)
}

/// The SQL for a block whose files are below `base`: a path, or a URL that DuckDB reads.
///
/// # Errors
/// [`BlockError::Corrupt`] when the index is broken.
pub fn views_of(meta: &BlockMeta, index: &bytes::Bytes, base: &str) -> Result<String, BlockError> {
    let entries = check_index(meta, index)?;
    let hot = hot_labels(&entries)?;
    let file = |name: &str| quoted(&format!("{}/{name}", base.trim_end_matches('/')));
    let mut sql = String::new();
    let mut line = |text: String| {
        sql.push_str(&text);
        sql.push('\n');
    };
    line(format!(
        "-- Block {} of tenant {}: {} series, {} samples.",
        meta.id, meta.tenant, meta.series, meta.samples
    ));
    line("CREATE OR REPLACE VIEW series AS".into());
    line("SELECT series_id, metric, map_concat(map_from_entries([pair FOR pair IN [".into());
    line(format!("{}]", pairs(&hot)));
    line("  IF pair.v IS NOT NULL]), coalesce(labels_rest, MAP {})) AS labels, type, unit, help".into());
    line(format!("FROM read_parquet({});", file(SERIES)));
    for (view, path) in [("spans", SPANS), ("scrapes", SCRAPES)] {
        line(format!("CREATE OR REPLACE VIEW {view} AS SELECT * FROM read_parquet({});", file(path)));
    }
    let files = |parts: &[PartMeta]| {
        let parts: Vec<String> = parts.iter().map(|part| file(&part.path)).collect();
        format!("FROM read_parquet([{}], hive_partitioning = false)", parts.join(", "))
    };
    if meta.resolution != Resolution::Raw {
        sql.push_str(&rollup_views(meta, files, file));
        return Ok(sql);
    }
    // Older versions have no such column.
    let starts = |column: &str| match meta.version >= WITH_STARTS {
        true => format!("  {column} AS start_ts"),
        false => "  NULL::BIGINT AS start_ts".to_owned(),
    };
    if !meta.parts.is_empty() {
        line(SAMPLES_VIEW.to_owned());
        line(format!("  WHEN vf IS NULL AND vi IS NULL THEN CAST('{STALE_BITS}'::BIT AS DOUBLE)"));
        line("  ELSE coalesce(vf, CAST(vi * num AS DOUBLE) / CAST(den AS DOUBLE)) END AS value,".into());
        line(starts("start_ts"));
        line(files(&meta.parts));
        line("JOIN series USING (series_id) JOIN scrapes USING (scrape_id);".into());
    }
    if !meta.histogram_parts.is_empty() {
        line(HISTOGRAMS_VIEW.to_owned());
        line(starts("coalesce(h.start_ts, spans.start_ts)"));
        line(format!("{} AS h", files(&meta.histogram_parts)));
        line(HISTOGRAMS_JOIN.to_owned());
    }
    Ok(sql)
}

/// The names of the labels that have columns.
fn hot_labels(entries: &[index::IndexEntry]) -> Result<Vec<String>, BlockError> {
    let entry = entries.iter().find(|entry| entry.path == SERIES);
    let entry = entry.ok_or_else(|| BlockError::corrupt(INDEX, format!("it does not have {SERIES}")))?;
    let metadata = parse_entry(entry)?;
    let fields = metadata.file_metadata().schema().get_fields();
    let hot = fields.iter().filter_map(|field| field.name().strip_prefix(HOT_PREFIX));
    Ok(hot.map(str::to_owned).collect())
}

fn pairs(hot: &[String]) -> String {
    let mut out = String::from("  ");
    for (number, name) in hot.iter().enumerate() {
        let comma = if number == 0 { "" } else { ",\n  " };
        let column = format!("{HOT_PREFIX}{name}").replace('"', "\"\"");
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{{'k': {}, 'v': \"{column}\"}}", quoted(name));
    }
    if hot.is_empty() {
        out.push_str("{'k': '', 'v': NULL::VARCHAR}");
    }
    out
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
