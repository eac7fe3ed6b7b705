//! `latewood bucket ls`: the blocks that the catalogs name. Lists no blocks, reads none.

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TenantId, TimeRange, TimestampMs};
use serde::Serialize;

use super::args::LsArgs;
use super::columns::{bytes, interval, or_dash, rfc3339};
use super::table::{Row, render};
use super::{Opened, Report};

/// A live block.
#[derive(Debug, Serialize)]
struct LiveRow<'a> {
    tenant: &'a TenantId,
    resolution: Resolution,
    id: Ulid,
    level: u32,
    /// Its first and last sample.
    range: TimeRange,
    /// What compaction made it for.
    window: Option<TimeRange>,
    series: u64,
    samples: u64,
    bytes: u64,
    bytes_per_sample: Option<f64>,
    shard: Option<u32>,
    generation: Option<u64>,
    deduplicated: bool,
    tail: bool,
    /// Why compaction leaves it alone.
    no_compact: Option<&'a str>,
}

/// A block that was removed.
#[derive(Debug, Serialize)]
struct DeadRow<'a> {
    tenant: &'a TenantId,
    id: Ulid,
    since_ms: TimestampMs,
}

/// Lists live or dead blocks.
pub async fn run(opened: &Opened, args: &LsArgs) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let views = opened.views(&mut report).await?;
    let views = views.iter().map(|(_, view)| &**view);
    report.text = if args.dead {
        render(&views.flat_map(dead).collect::<Vec<_>>(), args.output)?
    } else {
        render(&views.flat_map(live).collect::<Vec<_>>(), args.output)?
    };
    Ok(report)
}

/// The live blocks: by resolution, then by time.
fn live(view: &View) -> Vec<LiveRow<'_>> {
    let row = |block: &BlockEntry| LiveRow {
        tenant: &view.tenant,
        resolution: block.resolution,
        id: block.id,
        level: block.level,
        range: block.range,
        window: block.window,
        series: block.series,
        samples: block.samples,
        bytes: block.bytes,
        bytes_per_sample: (block.samples > 0).then(|| block.bytes as f64 / block.samples as f64),
        shard: block.shard,
        generation: block.generation,
        deduplicated: block.deduplicated,
        tail: block.tail,
        no_compact: view.no_compact.get(&block.id).map(|mark| mark.details.as_str()),
    };
    let mut rows: Vec<_> = view.blocks.values().map(|block| row(block)).collect();
    rows.sort_by_key(|row| (row.resolution, row.range.start, row.id));
    rows
}

/// The dead blocks, those first that go first.
fn dead(view: &View) -> Vec<DeadRow<'_>> {
    let row = |(id, dead): (&Ulid, &latewood_catalog::DeadBlock)| DeadRow {
        tenant: &view.tenant,
        id: *id,
        since_ms: dead.since_ms,
    };
    let mut rows: Vec<_> = view.dead.iter().map(row).collect();
    rows.sort_by_key(|row| (row.since_ms, row.id));
    rows
}

impl Row for LiveRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "TENANT",
        "RES",
        "ID",
        "LEVEL",
        "TIME",
        "SERIES",
        "SAMPLES",
        "BYTES",
        "B/SAMPLE",
        "SHARD/GEN",
        "FLAGS",
    ];

    fn cells(&self) -> Vec<String> {
        let flush = self.shard.zip(self.generation);
        let flags = [
            (self.window.is_some(), "window"),
            (self.deduplicated, "deduplicated"),
            (self.tail, "tail"),
            (self.no_compact.is_some(), "no-compact"),
        ];
        let flags: Vec<&str> =
            flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
        vec![
            self.tenant.to_string(),
            self.resolution.to_string(),
            self.id.to_string(),
            self.level.to_string(),
            interval(self.window.unwrap_or(self.range)),
            self.series.to_string(),
            self.samples.to_string(),
            bytes(self.bytes),
            or_dash(self.bytes_per_sample.map(|ratio| format!("{ratio:.2}"))),
            or_dash(flush.map(|(shard, generation)| format!("{shard}/{generation}"))),
            or_dash((!flags.is_empty()).then(|| flags.join(","))),
        ]
    }
}

impl Row for DeadRow<'_> {
    const COLUMNS: &'static [&'static str] = &["TENANT", "ID", "SINCE"];

    fn cells(&self) -> Vec<String> {
        vec![self.tenant.to_string(), self.id.to_string(), rfc3339(self.since_ms)]
    }
}
