//! `latewood bucket inspect`: sums over tenants and resolutions, from the catalogs alone.

use std::collections::BTreeMap;

use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TenantId, TimeRange};
use serde::Serialize;

use super::args::{InspectArgs, Output};
use super::columns::{bytes, interval, or_dash};
use super::table::{Row, render};
use super::{Opened, Report};

/// How many gaps are named; further ones are only counted.
const SHOWN_GAPS: usize = 20;

/// The blocks of a tenant and a resolution together.
#[derive(Debug, PartialEq, Serialize)]
struct Sums {
    tenant: TenantId,
    resolution: Resolution,
    blocks: u64,
    /// Series of all blocks: one that is in several counts in each.
    series: u64,
    samples: u64,
    bytes: u64,
    /// Blocks by level.
    levels: BTreeMap<u32, u64>,
    /// From the oldest to the newest sample.
    range: TimeRange,
    /// Between the windows of compacted blocks, what no block reaches into.
    gaps: Vec<TimeRange>,
    /// The catalog's version.
    version: u64,
    /// Deletions that are still to be applied, of the whole tenant.
    tombstones: usize,
    /// Blocks that compaction leaves alone, of the whole tenant.
    no_compact: usize,
    /// The newest flushed generation of each shard, of the whole tenant.
    flushed: BTreeMap<u32, u64>,
}

/// Prints the sums.
pub async fn run(opened: &Opened, args: &InspectArgs) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let views = opened.views(&mut report).await?;
    let sums: Vec<Sums> = views.iter().flat_map(|(_, view)| sums(view)).collect();
    report.text = render(&sums, args.output)?;
    if args.output == Output::Table {
        views.iter().for_each(|(_, view)| report.line(&about(view)));
        sums.iter().for_each(|sums| name_gaps(sums, &mut report));
    }
    Ok(report)
}

fn sums(view: &View) -> Vec<Sums> {
    let of = |resolution| {
        let blocks = view.blocks.values().filter(move |block| block.resolution == resolution);
        let blocks: Vec<&BlockEntry> = blocks.map(|block| &**block).collect();
        let range = blocks.iter().map(|block| block.range).reduce(TimeRange::union)?;
        let mut levels = BTreeMap::new();
        blocks.iter().for_each(|block| *levels.entry(block.level).or_default() += 1);
        let total = |field: fn(&BlockEntry) -> u64| {
            blocks.iter().map(|block| field(block)).fold(0, u64::saturating_add)
        };
        Some(Sums {
            tenant: view.tenant.clone(),
            resolution,
            blocks: blocks.len() as u64,
            series: total(|block| block.series),
            samples: total(|block| block.samples),
            bytes: total(|block| block.bytes),
            levels,
            range,
            gaps: gaps(&blocks),
            version: view.version,
            tombstones: view.tombstones.len(),
            no_compact: view.no_compact.len(),
            flushed: view.flushed.clone(),
        })
    };
    Resolution::ALL.into_iter().filter_map(of).collect()
}

/// The times between the first and the last window that are in no block's window and no flushed block's range.
fn gaps(blocks: &[&BlockEntry]) -> Vec<TimeRange> {
    let windows = blocks.iter().filter_map(|block| block.window);
    let Some(whole) = windows.reduce(TimeRange::union) else { return Vec::new() };
    let mut covered: Vec<TimeRange> =
        blocks.iter().map(|block| block.window.unwrap_or(block.range)).collect();
    covered.sort_by_key(|range| range.start);
    let (mut gaps, mut reached) = (Vec::new(), whole.start);
    for range in covered.into_iter().filter(|range| range.start <= whole.end) {
        if range.start > reached {
            gaps.push(TimeRange::new(reached, range.start.saturating_sub(1)));
        }
        reached = reached.max(range.end.saturating_add(1));
    }
    gaps
}

/// What is said of a tenant as a whole.
fn about(view: &View) -> String {
    let shards = view.flushed.iter().map(|(shard, generation)| format!("{shard}/{generation}"));
    let shards: Vec<String> = shards.collect();
    format!(
        "tenant {}: catalog version {}, {} dead blocks, {} deletions to be applied, {} blocks not compacted, flushed \
         shard/generation: {}",
        view.tenant,
        view.version,
        view.dead.len(),
        view.tombstones.len(),
        view.no_compact.len(),
        or_dash((!shards.is_empty()).then(|| shards.join(" "))),
    )
}

fn name_gaps(sums: &Sums, report: &mut Report) {
    for gap in sums.gaps.iter().take(SHOWN_GAPS) {
        report.line(&format!("tenant {}, {}: no block for {}", sums.tenant, sums.resolution, interval(*gap)));
    }
    if let Some(more @ 1..) = sums.gaps.len().checked_sub(SHOWN_GAPS) {
        report.line(&format!("tenant {}, {}: {more} further gaps", sums.tenant, sums.resolution));
    }
}

impl Row for Sums {
    const COLUMNS: &'static [&'static str] =
        &["TENANT", "RES", "BLOCKS", "SERIES", "SAMPLES", "BYTES", "LEVELS", "TIME", "GAPS"];

    fn cells(&self) -> Vec<String> {
        let levels: Vec<String> =
            self.levels.iter().map(|(level, count)| format!("{level}:{count}")).collect();
        vec![
            self.tenant.to_string(),
            self.resolution.to_string(),
            self.blocks.to_string(),
            self.series.to_string(),
            self.samples.to_string(),
            bytes(self.bytes),
            levels.join(" "),
            interval(self.range),
            self.gaps.len().to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Ulid;

    use super::*;

    #[test]
    fn gaps_are_what_neither_windows_nor_flushes_reach() {
        let block = |range: (i64, i64), window: bool| {
            let range = TimeRange::new(range.0, range.1);
            let window = window.then_some(range);
            BlockEntry { window, ..BlockEntry::new(Ulid(1), Resolution::Raw, range) }
        };
        let blocks =
            [block((1, 10), true), block((31, 40), true), block((15, 25), false), block((90, 95), false)];
        let found = gaps(&blocks.iter().collect::<Vec<_>>());
        assert_eq!(found, [TimeRange::new(11, 14), TimeRange::new(26, 30)]);
        assert_eq!(gaps(&[&blocks[2], &blocks[3]]), [], "flushes alone leave none");
    }
}
