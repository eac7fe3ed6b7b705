//! `latewood bucket mark`: blocks that compaction leaves alone, or that go.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use latewood_base::Ulid;
use latewood_catalog::{Change, NoCompactMark, TenantCatalog, View};

use super::args::{MarkArgs, Marker};
use super::columns::{bytes, interval};
use super::{Opened, Report};

/// Sets or removes marks: all of a tenant's in one commit. Nothing is committed unless every block is live.
pub async fn run(opened: &Opened, args: &MarkArgs) -> anyhow::Result<Report> {
    if args.marker == Marker::Deletion && args.remove {
        bail!(
            "what was removed from the catalog cannot be brought back; until it is deleted its files can be copied from \
             the bucket"
        );
    }
    let mut report = Report::default();
    let views = opened.views(&mut report).await?;
    let mut chosen: BTreeMap<usize, Vec<Ulid>> = BTreeMap::new();
    for id in &args.id {
        let at = views.iter().position(|(_, view)| view.blocks.contains_key(id));
        match at {
            Some(at) => chosen.entry(at).or_default().push(*id),
            None => report.wrong(not_live(*id, &views)),
        }
    }
    // What cannot be read elsewhere concerns nobody once all blocks were found.
    let found: usize = chosen.values().map(Vec::len).sum();
    if found < args.id.len() {
        return Ok(report);
    }
    let mut report = Report::default();
    for (at, ids) in chosen {
        if let Some((catalog, view)) = views.get(at) {
            mark(catalog, view, &ids, args, &mut report).await?;
        }
    }
    Ok(report)
}

fn not_live(id: Ulid, views: &[(Arc<TenantCatalog>, Arc<View>)]) -> String {
    match views.iter().find(|(_, view)| view.dead.contains_key(&id)) {
        Some((catalog, _)) => {
            format!("block {id} of tenant {} was removed already; nothing was marked", catalog.tenant())
        }
        None => format!("block {id} is not live in any catalog that can be read; nothing was marked"),
    }
}

async fn mark(
    catalog: &TenantCatalog,
    view: &View,
    ids: &[Ulid],
    args: &MarkArgs,
    report: &mut Report,
) -> anyhow::Result<()> {
    if args.marker == Marker::Deletion && !args.yes {
        for block in ids.iter().filter_map(|id| view.blocks.get(id)) {
            let (time, size) = (interval(block.range), bytes(block.bytes));
            report.wrong(format!(
                "block {} of tenant {} would be removed: {} samples of {time}, {size}; give --yes to remove it",
                block.id,
                catalog.tenant(),
                block.samples
            ));
        }
        return Ok(());
    }
    catalog.commit(change(ids, args)).await?;
    let done = match (args.marker, args.remove) {
        (Marker::NoCompact, false) => "is not compacted from now on",
        (Marker::NoCompact, true) => "may be compacted again",
        (Marker::Deletion, _) => "was removed: its files are deleted after the deletion delay",
    };
    for id in ids {
        report.line(&format!("block {id} of tenant {} {done}", catalog.tenant()));
    }
    Ok(())
}

fn change(ids: &[Ulid], args: &MarkArgs) -> Change {
    let details = args.details.as_deref().unwrap_or_default();
    let unique: std::collections::BTreeSet<Ulid> = ids.iter().copied().collect();
    let ids: Vec<Ulid> = unique.into_iter().collect();
    match (args.marker, args.remove) {
        (Marker::NoCompact, false) => {
            let marks = ids.iter().map(|id| NoCompactMark::new(*id, details));
            Change { no_compact: marks.collect(), ..Change::default() }
        }
        (Marker::NoCompact, true) => Change { compact_again: ids, ..Change::default() },
        (Marker::Deletion, _) => Change { remove: ids, ..Change::default() },
    }
}
