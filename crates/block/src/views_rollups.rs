//! The DuckDB views of a block of windows: what stands in its files, and what is told by other columns.

use std::fmt::Write as _;

use crate::rollup_value::RollupValue;
use crate::{BlockMeta, PartMeta};

/// The view of windows of floats, up to its files and behind them.
const FLOATS: &str = "\
-- A row a window of floats, ts is its end. Each value is coalesce(vf, vi * num / den); where both are NULL, others tell:
-- first is last, min and max are the lesser and the greater of first and last, sum is count * last, correction is 0.
CREATE OR REPLACE VIEW rollups AS
WITH stored AS (SELECT series_id, scrape_id, first_scrape, last_scrape, count, is_stale,";

const FLOATS_TOLD: &str = "\
  -- Windows of histograms have no values.
  WHERE last_vi IS NOT NULL OR last_vf IS NOT NULL),
told AS (SELECT * REPLACE (coalesce(first, last) AS first, coalesce(correction, 0.0) AS correction) FROM stored)
SELECT told.series_id, series.metric, series.labels, ends.ts, told.count,
  coalesce(told.sum, CAST(told.count AS DOUBLE) * told.last) AS sum,
  coalesce(told.min, CASE WHEN isnan(told.first) OR (NOT isnan(told.last) AND told.last < told.first)
    THEN told.last ELSE told.first END) AS min,
  coalesce(told.max, CASE WHEN isnan(told.first) OR (NOT isnan(told.last) AND told.last > told.first)
    THEN told.last ELSE told.first END) AS max,
  told.first, told.last, told.correction, told.last - told.first + told.correction AS inc,
  first_at.ts AS first_at, last_at.ts AS last_at, told.is_stale
FROM told JOIN series USING (series_id) JOIN scrapes AS ends ON ends.scrape_id = told.scrape_id
JOIN scrapes AS first_at ON first_at.scrape_id = told.first_scrape
JOIN scrapes AS last_at ON last_at.scrape_id = told.last_scrape;";

/// The view of windows of histograms, up to its files and behind them.
const HEADS: &str = "\
-- A row a window of native histograms, ts is its end.
CREATE OR REPLACE VIEW histogram_rollups AS
SELECT w.series_id, series.metric, series.labels, ends.ts, w.count, first_at.ts AS first_at, last_at.ts AS last_at,
  w.is_stale";

const HEADS_JOIN: &str = "\
JOIN series USING (series_id) JOIN scrapes AS ends ON ends.scrape_id = w.scrape_id
JOIN scrapes AS first_at ON first_at.scrape_id = w.first_scrape
JOIN scrapes AS last_at ON last_at.scrape_id = w.last_scrape
WHERE w.last_vi IS NULL AND w.last_vf IS NULL;";

/// The view of the histograms of windows, up to its files and behind them.
const HISTOGRAMS: &str = "\
-- A row a number of a histogram of a window: of its first (where that is not the last, too) and its last, of the sum
-- of those before counter resets and of the sum of all. Buckets without observations are left out.
CREATE OR REPLACE VIEW histograms AS
SELECT h.series_id, series.metric, series.labels, scrapes.ts,
  ['first', 'first', 'last', 'last', 'correction', 'sum'][spans.kind - 5] AS role,
  spans.kind, spans.schema, spans.zero_threshold, spans.custom_bounds, spans.reset_hint,
  ['count', 'sum', 'zero', 'positive', 'negative'][h.part + 1] AS part, h.bucket,
  CASE WHEN h.bucket IS NULL THEN NULL
    WHEN spans.schema = -53 THEN coalesce(spans.custom_bounds[h.bucket + 1], 'Infinity'::DOUBLE)
    ELSE pow(2, h.bucket * pow(2, -spans.schema)) END AS upper_bound,
  coalesce(h.vf, CAST(h.vi AS DOUBLE)) AS value
FROM (";

const HISTOGRAMS_JOIN: &str = "\
) AS h
JOIN series USING (series_id) JOIN scrapes USING (scrape_id)
JOIN spans ON spans.kind >= 6 AND spans.part = h.file_number AND spans.series_id = h.series_id
  AND h.file_row_number >= spans.row_start AND h.file_row_number < spans.row_start + spans.row_count
WHERE h.bucket IS NULL OR h.vf IS NOT NULL OR h.vi <> 0;";

/// The views of a block's parts. `files` reads some of them, `file` quotes the path of one.
pub(crate) fn rollup_views(
    meta: &BlockMeta,
    files: impl Fn(&[PartMeta]) -> String,
    file: impl Fn(&str) -> String,
) -> String {
    let mut sql = String::new();
    let mut line = |text: &str| {
        sql.push_str(text);
        sql.push('\n');
    };
    if !meta.parts.is_empty() {
        line(FLOATS);
        line(&restored());
        line(&format!("  {}", files(&meta.parts)));
        line(FLOATS_TOLD);
        line(HEADS);
        line(&format!("{} AS w", files(&meta.parts)));
        line(HEADS_JOIN);
    }
    if !meta.histogram_parts.is_empty() {
        line(HISTOGRAMS);
        // A histogram's role is that of its span, which is known by file and row.
        let parts = meta.histogram_parts.iter().enumerate().map(|(number, part)| {
            let file = file(&part.path);
            format!("  SELECT {number} AS file_number, * FROM read_parquet({file}, file_row_number = true, hive_partitioning = false)")
        });
        line(&parts.collect::<Vec<_>>().join(" UNION ALL\n"));
        line(HISTOGRAMS_JOIN);
    }
    sql
}

/// The values as far as they stand in their columns.
fn restored() -> String {
    let mut sql = String::new();
    for (number, value) in RollupValue::ALL.into_iter().enumerate() {
        let [vi, vf] = value.columns();
        let name = vi.trim_end_matches("_vi");
        let comma = if number == 0 { "" } else { ",\n" };
        // Writing to a String cannot fail.
        let _ = write!(
            sql,
            "{comma}  coalesce({vf}, CAST({vi} * num AS DOUBLE) / CAST(den AS DOUBLE)) AS \"{name}\""
        );
    }
    sql
}
