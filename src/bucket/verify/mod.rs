//! `latewood bucket verify`: what the catalogs name against what is there. Changes nothing.

mod compare;
mod full;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::bail;
use futures::TryStreamExt;
use latewood_catalog::View;
use latewood_model::TenantId;
use latewood_objstore::{Bucket, ObjectInfo};

use self::compare::{Finding, Listing};
use super::args::VerifyArgs;
use super::opened::without_catalog;
use super::{Opened, Report};

/// Verifies the named blocks, or all there is.
pub async fn run(opened: &Opened, args: &VerifyArgs) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let views = readable(opened, &mut report).await?;
    let ids: BTreeSet<_> = args.ids.iter().copied().collect();
    if let Some(unknown) = ids.iter().find(|id| !views.values().any(|view| view.blocks.contains_key(id))) {
        bail!(
            "block {unknown} is not live in any catalog that can be read: `latewood bucket ls` lists those that are"
        );
    }
    // What the views name was there before the listing began, and stays for the deletion delay.
    let mut listing = Listing::default();
    for prefix in prefixes(opened, &views, args) {
        list(&opened.bucket, &prefix, &mut listing).await?;
    }
    let is_chosen = |id| ids.is_empty() || ids.contains(&id);
    let chosen = views.values().flat_map(|view| view.blocks.values().map(move |block| (&view.tenant, block)));
    let chosen: Vec<_> = chosen.filter(|(_, block)| is_chosen(block.id)).collect();
    let mut findings: Vec<Finding> =
        chosen.iter().flat_map(|(tenant, block)| listing.check_block(tenant, block)).collect();
    if ids.is_empty() {
        let newer = refreshed(opened, &views).await?;
        let delay_ms = opened.config.compactor.garbage_policy().grace_ms;
        findings.extend(listing.strangers(&views, &newer, opened.clock.now_ms() - delay_ms));
        check_catalogs(opened, &views, &listing, &mut report).await?;
    }
    if args.full {
        findings.extend(full::verify_all(&opened.bucket, &chosen).await?);
    }
    for finding in findings {
        match finding {
            Finding::Wrong(text) => report.wrong(text),
            Finding::Note(text) => report.line(&text),
        }
    }
    let (blocks, how) = (chosen.len(), if args.full { "every byte" } else { "names and sizes of files" });
    let verdict = match report.wrongs() {
        0 => "nothing is wrong".to_owned(),
        count => format!("{count} wrong"),
    };
    report.line(&format!("compared {how} of {blocks} blocks: {verdict}"));
    Ok(report)
}

/// The views of the tenants whose catalogs can be read; the others are reported.
async fn readable(opened: &Opened, report: &mut Report) -> anyhow::Result<BTreeMap<TenantId, Arc<View>>> {
    let mut views = BTreeMap::new();
    for tenant in opened.tenants().await? {
        match opened.catalogs.tenant(&tenant).view().await {
            Ok(view) => {
                views.insert(tenant, view);
            }
            Err(error) => report.wrong(format!("tenant {tenant}: {error}")),
        }
    }
    Ok(views)
}

/// What is to be listed.
fn prefixes(opened: &Opened, views: &BTreeMap<TenantId, Arc<View>>, args: &VerifyArgs) -> Vec<String> {
    if !args.ids.is_empty() {
        let folder = |view: &Arc<View>, id| view.blocks.get(id).map(|block| block.folder(&view.tenant));
        return views.values().flat_map(|view| args.ids.iter().filter_map(|id| folder(view, id))).collect();
    }
    match opened.named() {
        [] => vec![String::new()],
        tenants => tenants.iter().map(ToString::to_string).collect(),
    }
}

async fn list(bucket: &Bucket, prefix: &str, listing: &mut Listing) -> anyhow::Result<()> {
    let mut objects = bucket.list(prefix, None);
    while let Some(ObjectInfo { key, size, modified_ms }) = objects.try_next().await? {
        listing.add(key, size, modified_ms);
    }
    Ok(())
}

/// The views as they are after the listing: what was committed meanwhile is no stranger.
async fn refreshed(
    opened: &Opened,
    views: &BTreeMap<TenantId, Arc<View>>,
) -> anyhow::Result<BTreeMap<TenantId, Arc<View>>> {
    let mut newer = BTreeMap::new();
    for tenant in views.keys() {
        newer.insert(tenant.clone(), opened.catalogs.tenant(tenant).refresh(0).await?);
    }
    Ok(newer)
}

/// Objects of the logs that readers pass over as long as they can.
async fn check_catalogs(
    opened: &Opened,
    views: &BTreeMap<TenantId, Arc<View>>,
    listing: &Listing,
    report: &mut Report,
) -> anyhow::Result<()> {
    for (tenant, view) in views {
        if view.version == 0 && listing.has_blocks(tenant) {
            report.wrong(without_catalog(tenant));
        }
        for damage in opened.catalogs.tenant(tenant).damage().await? {
            report.wrong(format!("tenant {tenant}: {damage}"));
        }
    }
    Ok(())
}
