//! `latewood bucket rewrite`: series deleted from some blocks, which the compactor's own jobs then write anew.
//!
//! A deletion is a tombstone that binds the blocks: what it selects is gone from queries with its commit, and from the
//! bucket when the blocks are written anew and the old ones deleted. So a run that is interrupted has deleted; the rest is
//! the compactor's, or the same command's once more.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use latewood_base::{Ids, Rng, Ulid};
use latewood_catalog::{Change, TenantCatalog, Tombstone, TombstoneMatcher, View};
use latewood_compactor::Job;
use latewood_model::{Resolution, TimeRange};
use latewood_promql::ast::ExprKind;
use latewood_promql::parse::{ParseOptions, parse};
use serde::Deserialize;

use super::args::RewriteArgs;
use super::columns::{bytes, interval};
use super::worker::Worker;
use super::{Opened, Report};

/// An item of the YAML, as Thanos has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    matchers: String,
    #[serde(default)]
    intervals: Vec<Interval>,
}

/// Both ends in it, in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval {
    mint: i64,
    maxt: i64,
}

/// Series in a range.
type Selection = (Vec<TombstoneMatcher>, TimeRange);

/// Deletes from the blocks, and has them written anew; or prints what would be.
pub async fn run(opened: &Opened, args: &RewriteArgs) -> anyhow::Result<Report> {
    let yaml = match (&args.to_delete_config, &args.to_delete_config_file) {
        (Some(yaml), _) => yaml.clone(),
        (None, Some(file)) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        (None, None) => bail!("what is to be deleted? give --rewrite.to-delete-config"),
    };
    let selections = selections(&yaml)?;
    let (mut report, ids) = (Report::default(), args.id.iter().copied().collect::<BTreeSet<Ulid>>());
    let views = opened.views(&mut report).await?;
    let is_live = |id: &Ulid| views.iter().any(|(_, view)| view.blocks.contains_key(id));
    if let Some(id) = ids.iter().find(|id| !is_live(id)) {
        report.wrong(format!("block {id} is not live in any catalog that can be read; nothing was deleted"));
        return Ok(report);
    }
    let worker = Worker::new(opened)?;
    for (catalog, view) in views {
        let own = with_tails(&view, ids.iter().filter(|id| view.blocks.contains_key(id)).copied().collect());
        let done = if own.is_empty() {
            continue;
        } else if args.yes {
            rewrite(&worker, opened, &catalog, own, &selections, &mut report).await
        } else {
            show(&view, &own, &selections, &mut report);
            Ok(())
        };
        if let Err(error) = done {
            report.wrong(format!("tenant {}: {error}", catalog.tenant()));
        }
    }
    worker.end(&mut report);
    Ok(report)
}

fn show(view: &View, ids: &BTreeSet<Ulid>, selections: &[Selection], report: &mut Report) {
    for block in ids.iter().filter_map(|id| view.blocks.get(id)) {
        let (tenant, id, time, size) = (&view.tenant, block.id, interval(block.range), bytes(block.bytes));
        report.line(&format!(
            "tenant {tenant}: would rewrite {id}, {} of {time}, {size}, without",
            block.resolution
        ));
        selections.iter().for_each(|selection| report.line(&format!("  {}", words(selection))));
    }
    report.line("give --yes to delete");
}

async fn rewrite(
    worker: &Worker,
    opened: &Opened,
    catalog: &TenantCatalog,
    ids: BTreeSet<Ulid>,
    selections: &[Selection],
    report: &mut Report,
) -> anyhow::Result<()> {
    check_samples_are_named(&*catalog.view().await?, &ids)?;
    let new_ids = Ids::new(opened.clock.clone(), Rng::system());
    let tombstone = |(matchers, range): &Selection| Tombstone {
        id: new_ids.next(),
        matchers: matchers.clone(),
        range: *range,
        blocks: ids.clone(),
    };
    let add_tombstones: Vec<Tombstone> = selections.iter().map(tombstone).collect();
    let bound: BTreeSet<Ulid> = add_tombstones.iter().map(|tombstone| tombstone.id).collect();
    for one in selections {
        let blocks: Vec<String> = ids.iter().map(Ulid::to_string).collect();
        let details = format!("{} of {}", words(one), blocks.join(", "));
        catalog.record_now("rewrite", "latewood bucket rewrite", &details).await?;
    }
    let apply_now = bound.iter().copied().collect();
    catalog.commit(Change { add_tombstones, apply_now, ..Change::default() }).await?;
    let touches = |job: &Job| job.ids().iter().chain(&job.replaced_ids()).any(|id| ids.contains(id));
    worker.work_on(catalog, &touches, report).await?;
    let (view, tenant) = (catalog.refresh(0).await?, catalog.tenant());
    for id in &ids {
        let is_bound = view.tombstones_of(*id).any(|tombstone| bound.contains(&tombstone.id));
        report.line(&match is_bound {
            false => format!("tenant {tenant}: block {id} was written anew"),
            true => format!(
                "tenant {tenant}: block {id} is masked; it is written anew when its window is over, or it is not \
                 compacted (`status` tells)"
            ),
        });
    }
    Ok(())
}

/// Blocks and the tails that belong to them: what is deleted from a block is not to be left in its tail.
fn with_tails(view: &View, mut ids: BTreeSet<Ulid>) -> BTreeSet<Ulid> {
    let deduplicated = ids.iter().filter_map(|id| view.blocks.get(id)).filter(|block| block.deduplicated);
    let windows: Vec<Option<TimeRange>> = deduplicated.map(|block| block.window).collect();
    let tails = view.blocks.values().filter(|block| block.tail && windows.contains(&block.window));
    ids.extend(tails.map(|tail| tail.id));
    ids
}

/// Rollups are made anew of the samples of their window, so that what is deleted of them alone would come back.
fn check_samples_are_named(view: &View, ids: &BTreeSet<Ulid>) -> anyhow::Result<()> {
    let rollups = ids.iter().filter_map(|id| view.blocks.get(id));
    for rollup in rollups.filter(|block| block.resolution != Resolution::Raw) {
        let window = rollup.window.unwrap_or(rollup.range);
        let raw = view.overlapping(Resolution::Raw, window).map(|block| block.id);
        let left: Vec<String> = raw.filter(|id| !ids.contains(id)).map(|id| id.to_string()).collect();
        let names = left.join(" --id ");
        anyhow::ensure!(
            left.is_empty(),
            "{} is made of samples that are there: give --id {names} too",
            rollup.id
        );
    }
    Ok(())
}

/// What a YAML list of matchers and intervals selects.
fn selections(yaml: &str) -> anyhow::Result<Vec<Selection>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let requests: Vec<Request> = serde_saphyr::from_str_with_options(yaml, options)
        .context("it must be a list of matchers and intervals")?;
    let mut selections = Vec::new();
    for Request { matchers, intervals } in requests {
        let parsed = conditions(&matchers).with_context(|| format!("matchers {matchers:?}"))?;
        let mut ranges: Vec<TimeRange> = Vec::new();
        for Interval { mint, maxt } in intervals {
            if mint > maxt {
                bail!("matchers {matchers:?}: the interval from {mint} to {maxt} is empty");
            }
            ranges.push(TimeRange::new(mint, maxt));
        }
        if ranges.is_empty() {
            ranges.push(TimeRange::ALL);
        }
        selections.extend(ranges.into_iter().map(|range| (parsed.clone(), range)));
    }
    if selections.is_empty() {
        bail!("it selects nothing");
    }
    Ok(selections)
}

fn conditions(selector: &str) -> anyhow::Result<Vec<TombstoneMatcher>> {
    let expr = parse(selector, &ParseOptions::default())?;
    match expr.kind {
        ExprKind::Selector(selector)
            if selector.shift == Default::default() && !selector.matchers.is_empty() =>
        {
            Ok(selector.matchers.iter().map(TombstoneMatcher::from).collect())
        }
        _ => bail!("it must be a selector with at least one matcher, without offset, @ or range"),
    }
}

fn words((matchers, range): &Selection) -> String {
    let conditions: Vec<String> =
        matchers.iter().map(|one| format!("{}{}{:?}", one.name, one.op, one.value)).collect();
    let time = if *range == TimeRange::ALL { "all times".to_owned() } else { interval(*range) };
    format!("{{{}}} of {time}", conditions.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_from_a_block_is_deleted_from_its_tail() {
        use latewood_catalog::{BlockEntry, Commit};
        let block = |number, window| {
            let new = BlockEntry::new(Ulid(number), Resolution::Raw, window);
            BlockEntry { window: Some(window), deduplicated: true, ..new }
        };
        let tail = |number, window| BlockEntry { tail: true, deduplicated: false, ..block(number, window) };
        let (one, two) = (TimeRange::new(1, 10), TimeRange::new(11, 20));
        let add = vec![block(1, one), tail(2, one), block(3, two), tail(4, two)];
        let tenant = latewood_model::TenantId::anonymous();
        let change = Change { add, ..Change::default() };
        let commit = Commit { tenant: tenant.clone(), sequence: 1, id: Ulid(9), at_ms: 0, change };
        let view = View::empty(tenant).apply(&commit).unwrap();
        assert_eq!(with_tails(&view, [Ulid(3)].into()), [Ulid(3), Ulid(4)].into());
        assert_eq!(with_tails(&view, [Ulid(2)].into()), [Ulid(2)].into());
    }

    #[test]
    fn the_yaml_of_thanos_is_read_and_mistakes_are_named() {
        let yaml = "- matchers: '{__name__=\"up\", job=~\"a|b\"}'\n  intervals:\n  - mint: 5\n    maxt: 9\n  - {mint: 20, maxt: 20}\n\
                    - matchers: down\n";
        let all = selections(yaml).unwrap();
        let ranges: Vec<_> = all.iter().map(|(_, range)| *range).collect();
        assert_eq!(ranges, [TimeRange::new(5, 9), TimeRange::new(20, 20), TimeRange::ALL]);
        assert_eq!(words(&all[2]), "{__name__=\"down\"} of all times");
        assert_eq!(all[0].0.len(), 2);
        for (wrong, says) in [
            ("[]", "selects nothing"),
            ("- matchers: sum(up)", "must be a selector"),
            ("- matchers: '{}'", "at least one non-empty matcher"),
            ("- matchers: up\n  intervals: [{mint: 2, maxt: 1}]", "is empty"),
            ("- matcher: up", "unknown field"),
            ("up", "must be a list"),
        ] {
            let error = format!("{:#}", selections(wrong).unwrap_err());
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
