//! `latewood bucket mark`: blocks that compaction leaves alone, or that go, and tenants that do.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use latewood_base::Ulid;
use latewood_catalog::{Change, NoCompactMark, TenantCatalog, TenantFate, View};

use super::args::{MarkArgs, Marker};
use super::columns::{bytes, interval};
use super::{Opened, Report};

/// When a mark takes effect elsewhere.
const SEEN_LATER: &str = "processes that run see it within `catalog.refresh_seconds`";

/// Sets or removes marks: all of a tenant's in one commit. Nothing is committed unless every block is live.
pub async fn run(opened: &Opened, args: &MarkArgs) -> anyhow::Result<Report> {
    if args.marker == Marker::Deletion && args.remove {
        bail!(
            "what was removed from the catalog cannot be brought back; until it is deleted its files can be copied from \
             the bucket"
        );
    }
    if args.marker == Marker::TenantDeletion {
        return tenants(opened, args).await;
    }
    if args.id.is_empty() {
        bail!("which blocks? give --id");
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

/// Deletes the tenants that are named, or keeps them after all.
async fn tenants(opened: &Opened, args: &MarkArgs) -> anyhow::Result<Report> {
    if !args.id.is_empty() || opened.named().is_empty() {
        bail!("tenant-deletion-mark.json is for tenants: give --tenant, and no --id");
    }
    let mut report = Report::default();
    for (catalog, view) in opened.views(&mut report).await? {
        let (tenant, blocks) = (catalog.tenant(), view.blocks.len());
        if !args.remove && !args.yes {
            report.wrong(format!(
                "tenant {tenant} would be deleted with {blocks} blocks; give --yes to delete it"
            ));
            continue;
        }
        let (fate, action) = match args.remove {
            true => (TenantFate::Kept, "keep_tenant"),
            false => (TenantFate::Deleted, "delete_tenant"),
        };
        catalog
            .record_now(action, "latewood bucket mark", args.details.as_deref().unwrap_or_default())
            .await?;
        catalog.commit(Change { fate: Some(fate), ..Change::default() }).await?;
        let done = match args.remove {
            true => format!("is kept, with the {blocks} blocks that it has"),
            false => format!("is deleted: its {blocks} blocks go after the deletion delay"),
        };
        report.line(&format!("tenant {tenant} {done}; {SEEN_LATER}"));
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
    if args.marker == Marker::Deletion {
        let named: Vec<String> = ids.iter().map(Ulid::to_string).collect();
        let details = format!("{}: {}", named.join(", "), args.details.as_deref().unwrap_or_default());
        catalog.record_now("remove_blocks", "latewood bucket mark", &details).await?;
    }
    catalog.commit(change(ids, args)).await?;
    let done = match (args.marker, args.remove) {
        (Marker::NoCompact, false) => "is not compacted from now on",
        (Marker::NoCompact, true) => "may be compacted again",
        (Marker::Deletion | Marker::TenantDeletion, _) => {
            "was removed: its files are deleted after the deletion delay"
        }
    };
    for id in ids {
        report.line(&format!("block {id} of tenant {} {done}; {SEEN_LATER}", catalog.tenant()));
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
        (Marker::Deletion | Marker::TenantDeletion, _) => Change { remove: ids, ..Change::default() },
    }
}
