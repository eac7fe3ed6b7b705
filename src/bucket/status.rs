//! `latewood bucket status`: what the compactor would do now, and what waits.

use latewood_base::Ulid;
use latewood_catalog::{GarbageStep, StandingLease, TenantCatalog, TombstoneMatcher, View, find_garbage};
use latewood_compactor::{Job, JobKind, Policy, plan};
use latewood_model::{TenantId, TimeRange, TimestampMs};
use serde::Serialize;

use super::args::StatusArgs;
use super::columns::{bytes, duration, interval, rfc3339};
use super::table::{Row, render};
use super::{Opened, Report};

/// One thing that is to be done or waits. What is not said of a kind is left out.
#[derive(Debug, Serialize)]
struct Item {
    tenant: TenantId,
    /// `backlog` (all jobs together), `align`, `merge`, `rollup`, `mask`, `no-compact`, `deletion`, `lease`, `garbage` or `withheld`.
    kind: &'static str,
    /// What a job makes blocks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<TimeRange>,
    blocks: Vec<Ulid>,
    bytes: u64,
    samples: u64,
    /// Whether a job makes rollups that are owed.
    rollups: bool,
    /// When it is due: a lease runs out, garbage is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_ms: Option<TimestampMs>,
    /// For people.
    details: String,
}

/// Tells what is to be done and what waits.
pub async fn run(opened: &Opened, args: &StatusArgs) -> anyhow::Result<Report> {
    let (mut report, now_ms) = (Report::default(), opened.clock.now_ms());
    let policy = opened.config.compactor.policy();
    let mut items = Vec::new();
    for (catalog, view) in opened.views(&mut report).await? {
        let jobs = if view.is_deleted() { Vec::new() } else { plan(&view, now_ms, &policy) };
        items.push(backlog(&view, &jobs, &policy, now_ms));
        items.extend(jobs.iter().map(|job| of_job(&view.tenant, job)));
        items.extend(marked(&view));
        items.extend(deletions(&view));
        match waiting(opened, &catalog, &view, now_ms).await {
            Ok(found) => items.extend(found),
            Err(error) => report.wrong(format!("tenant {}: {error}", view.tenant)),
        }
    }
    report.text = render(&items, args.output)?;
    Ok(report)
}

/// All jobs together, and how far the compactor is behind.
fn backlog(view: &View, jobs: &[Job], policy: &Policy, now_ms: TimestampMs) -> Item {
    let owed = jobs.iter().filter(|job| job.rollups.is_some()).count();
    let oldest = jobs.iter().flat_map(|job| &job.windows).map(|window| window.end).min();
    let behind = oldest.map_or("up to date".to_owned(), |end| {
        let behind = policy.closed_by(now_ms).saturating_sub(end);
        format!("the oldest window has been due for {}", duration(behind))
    });
    Item {
        blocks: jobs.iter().flat_map(Job::ids).collect(),
        bytes: jobs.iter().map(Job::bytes).fold(0, u64::saturating_add),
        samples: jobs.iter().map(Job::samples).fold(0, u64::saturating_add),
        rollups: owed > 0,
        details: format!("{} jobs, {owed} of them owe rollups; {behind}", jobs.len()),
        ..Item::new(&view.tenant, "backlog")
    }
}

fn of_job(tenant: &TenantId, job: &Job) -> Item {
    let kind = match job.kind {
        JobKind::Align => "align",
        JobKind::Merge => "merge",
        JobKind::Rollup => "rollup",
        JobKind::Mask => "mask",
        JobKind::Join => "join",
    };
    Item {
        kind,
        range: job.windows.iter().copied().reduce(TimeRange::union),
        blocks: job.ids(),
        bytes: job.bytes(),
        samples: job.samples(),
        rollups: job.rollups.is_some(),
        details: job.lease_name(),
        ..Item::new(tenant, kind)
    }
}

/// The blocks that compaction leaves alone.
fn marked(view: &View) -> impl Iterator<Item = Item> {
    view.no_compact.values().map(|mark| {
        let block = view.blocks.get(&mark.block);
        Item {
            range: block.map(|block| block.window.unwrap_or(block.range)),
            blocks: vec![mark.block],
            bytes: block.map_or(0, |block| block.bytes),
            samples: block.map_or(0, |block| block.samples),
            details: mark.details.clone(),
            ..Item::new(&view.tenant, "no-compact")
        }
    })
}

/// What was deleted and compaction has not applied; and the tenant, if it is.
fn deletions(view: &View) -> impl Iterator<Item = Item> {
    let of_series = view.tombstones.values().map(|tombstone| {
        let condition = |one: &TombstoneMatcher| format!("{}{}{:?}", one.name, one.op, one.value);
        let conditions: Vec<String> = tombstone.matchers.iter().map(condition).collect();
        let now = if view.apply_now.contains(&tombstone.id) { ", without waiting" } else { "" };
        Item {
            range: Some(tombstone.range),
            blocks: tombstone.blocks.iter().copied().collect(),
            details: format!("{{{}}} of these blocks, applied by compaction{now}", conditions.join(",")),
            ..Item::new(&view.tenant, "deletion")
        }
    });
    let of_tenant = view.deleted_since_ms.map(|since| Item {
        details: format!("the whole tenant, since {}", rfc3339(since)),
        ..Item::new(&view.tenant, "deletion")
    });
    of_series.chain(of_tenant)
}

/// Leases that stand, and garbage.
async fn waiting(
    opened: &Opened,
    catalog: &TenantCatalog,
    view: &View,
    now_ms: TimestampMs,
) -> anyhow::Result<Vec<Item>> {
    let policy = opened.config.compactor.garbage_policy();
    let leases = catalog.leases().await?.into_iter().filter(|lease| lease.expires_ms > now_ms);
    let mut items: Vec<Item> = leases.map(|lease| of_lease(catalog.tenant(), lease)).collect();
    for step in find_garbage(catalog, &policy).await? {
        let (kind, id, details) = match step {
            GarbageStep::Delete { id, keys } => {
                ("garbage", id, format!("{} objects are deleted at the next cleanup", keys.len()))
            }
            GarbageStep::MarkDead(id) => {
                ("garbage", id, "no commit names it: dead at the next cleanup".to_owned())
            }
            GarbageStep::Withhold(id) => (
                "withheld",
                id,
                "no commit names it, and a lost one may have: rebuild the catalog".to_owned(),
            ),
            GarbageStep::Forget(_) => continue,
        };
        items.push(Item { blocks: vec![id], details, ..Item::new(catalog.tenant(), kind) });
    }
    let standing = view.dead.iter().map(|(id, dead)| (id, dead.since_ms.saturating_add(policy.grace_ms)));
    items.extend(standing.filter(|(_, due_ms)| *due_ms > now_ms).map(|(id, due_ms)| Item {
        blocks: vec![*id],
        due_ms: Some(due_ms),
        details: "dead, and readable until it is deleted".to_owned(),
        ..Item::new(catalog.tenant(), "garbage")
    }));
    Ok(items)
}

fn of_lease(tenant: &TenantId, lease: StandingLease) -> Item {
    let StandingLease { name, holder, expires_ms } = lease;
    let details = holder.map_or(name.clone(), |holder| format!("{name}, held by {holder}"));
    Item { due_ms: Some(expires_ms), details, ..Item::new(tenant, "lease") }
}

impl Item {
    fn new(tenant: &TenantId, kind: &'static str) -> Self {
        Self {
            tenant: tenant.clone(),
            kind,
            range: None,
            blocks: Vec::new(),
            bytes: 0,
            samples: 0,
            rollups: false,
            due_ms: None,
            details: String::new(),
        }
    }
}

impl Row for Item {
    const COLUMNS: &'static [&'static str] = &["TENANT", "KIND", "BLOCKS", "BYTES", "TIME", "DETAILS"];

    fn cells(&self) -> Vec<String> {
        let blocks = match self.blocks.as_slice() {
            [one] => one.to_string(),
            many => many.len().to_string(),
        };
        let time = self.range.map(interval).or(self.due_ms.map(|at| format!("until {}", rfc3339(at))));
        let owes = self.rollups && self.range.is_some();
        let details = if owes { format!("{} with rollups", self.details) } else { self.details.clone() };
        let size = if self.bytes == 0 { "-".to_owned() } else { bytes(self.bytes) };
        vec![
            self.tenant.to_string(),
            self.kind.to_owned(),
            blocks,
            size,
            time.unwrap_or_else(|| "-".to_owned()),
            details,
        ]
    }
}
