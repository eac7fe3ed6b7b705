//! Objects that no view needs: which (pure), and their removal.
//!
//! A block that no commit names is first marked dead, so that a commit that names it later is refused, and
//! deleted only after the grace period. A block that a commit removed is dead from then on: for the grace
//! period readers of older views may still read it.
//!
//! Invariant: a log that may be less than the tenant's whole history condemns nothing that may be data. A
//! whole block as old as the oldest commit that is left may have been named by a commit that is not there any
//! more, because the catalog was lost, moved away or restored from a copy: it is withheld from collection.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_model::{Resolution, TenantId, TimestampMs};
use latewood_objstore::ObjectInfo;

use crate::{CatalogError, Change, TenantCatalog, View};

/// How long garbage stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GarbagePolicy {
    /// How long dead blocks stay readable, and how old an unknown block must be to be marked dead, in
    /// milliseconds. Far longer than the longest query and the longest upload. Default: 48 hours.
    pub grace_ms: i64,
    /// How long after its death a block's id is remembered, in milliseconds. Default: 30 days.
    pub remember_ms: i64,
}

impl Default for GarbagePolicy {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self { grace_ms: 48 * HOUR_MS, remember_ms: 30 * 24 * HOUR_MS }
    }
}

/// The objects of one block, as listings of the bucket show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBlock {
    /// The block.
    pub id: Ulid,
    /// The keys of its objects.
    pub keys: Vec<String>,
    /// When the youngest of them was written, in milliseconds since the Unix epoch.
    pub newest_ms: TimestampMs,
}

impl ListedBlock {
    /// Whether it has what makes a folder a block. What an upload or a removal left half done has not.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.keys.iter().any(|key| key.ends_with(META))
    }

    /// The earlier of when it was begun, by its id, and when the bucket got it: a copied bucket has young
    /// objects of old blocks.
    fn born_ms(&self) -> TimestampMs {
        let begun = i64::try_from(self.id.timestamp_ms()).unwrap_or(i64::MAX);
        begun.min(self.newest_ms)
    }
}

/// A step of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GarbageStep {
    /// Declares a block garbage that no commit names.
    MarkDead(Ulid),
    /// Leaves a block alone that no commit names and that a lost commit may have named.
    Withhold(Ulid),
    /// Deletes the objects of a block that has been dead for the grace period.
    Delete {
        /// The block.
        id: Ulid,
        /// Its objects, in the order in which they go: what makes it a block goes first.
        keys: Vec<String>,
    },
    /// Forgets a block whose objects are long gone.
    Forget(Ulid),
}

/// The object without which a folder is no block.
const META: &str = "/meta.json";

/// Groups the objects of a listing by block; what is in no block's folder of this tenant is left out.
#[must_use]
pub fn group_listing(tenant: &TenantId, objects: impl IntoIterator<Item = ObjectInfo>) -> Vec<ListedBlock> {
    let mut blocks: BTreeMap<Ulid, ListedBlock> = BTreeMap::new();
    for object in objects {
        let Some(id) = block_of(tenant, &object.key) else {
            continue;
        };
        let block = blocks.entry(id).or_insert_with(|| ListedBlock {
            id,
            keys: Vec::new(),
            newest_ms: object.modified_ms,
        });
        block.newest_ms = block.newest_ms.max(object.modified_ms);
        block.keys.push(object.key);
    }
    blocks.into_values().collect()
}

fn block_of(tenant: &TenantId, key: &str) -> Option<Ulid> {
    let rest = key.strip_prefix(tenant.as_str())?.strip_prefix('/')?;
    let (resolution, rest) = rest.split_once('/')?;
    Resolution::from_name(resolution)?;
    let (folder, _) = rest.split_once('/')?;
    Ulid::from_string(folder.strip_prefix("block=")?).ok()
}

/// What is to be done about a listing, given a view that was read after the listing and when the bucket got
/// the oldest commit that is left; none when there is no commit.
#[must_use]
pub fn plan_garbage(
    view: &View,
    listing: &[ListedBlock],
    oldest_commit_ms: Option<TimestampMs>,
    now_ms: TimestampMs,
    policy: &GarbagePolicy,
) -> Vec<GarbageStep> {
    let past = |since_ms: TimestampMs, period_ms: i64| now_ms.saturating_sub(since_ms) >= period_ms;
    let logged = |block: &ListedBlock| oldest_commit_ms.is_some_and(|oldest| block.born_ms() > oldest);
    let mut steps = Vec::new();
    for block in listing {
        match view.dead.get(&block.id) {
            _ if view.blocks.contains_key(&block.id) => {}
            Some(dead) if past(dead.since_ms, policy.grace_ms) => {
                let mut keys = block.keys.clone();
                keys.sort_by_key(|key| !key.ends_with(META));
                steps.push(GarbageStep::Delete { id: block.id, keys });
            }
            None if past(block.newest_ms, policy.grace_ms) => {
                let garbage = logged(block) || !block.is_whole();
                let step = if garbage { GarbageStep::MarkDead } else { GarbageStep::Withhold };
                steps.push(step(block.id));
            }
            Some(_) | None => {}
        }
    }
    let listed: HashSet<Ulid> = listing.iter().map(|block| block.id).collect();
    let remember_ms = policy.remember_ms.max(policy.grace_ms);
    let forgotten = view.dead.iter();
    let forgotten = forgotten.filter(|(id, dead)| past(dead.since_ms, remember_ms) && !listed.contains(id));
    steps.extend(forgotten.map(|(id, _)| GarbageStep::Forget(*id)));
    steps
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GarbageReport {
    /// Blocks marked dead.
    pub marked: usize,
    /// Blocks deleted.
    pub deleted: usize,
    /// Objects deleted.
    pub objects: usize,
    /// Ids forgotten.
    pub forgotten: usize,
    /// Whole blocks that no commit names and that are as old as the log or older: the catalog was lost or is
    /// not all there, and is to be rebuilt. Nothing was done to them.
    pub withheld: usize,
}

/// How many ids one commit of a collection names at most.
const IDS_PER_COMMIT: usize = 1_000;

/// What is to be done about a tenant's garbage now: lists its blocks and decides as [`plan_garbage`] does. Changes nothing.
///
/// # Errors
/// [`CatalogError`] when the bucket or the log cannot be read.
pub async fn find_garbage(
    catalog: &TenantCatalog,
    policy: &GarbagePolicy,
) -> Result<Vec<GarbageStep>, CatalogError> {
    let shared = &catalog.log().shared;
    let mut objects = Vec::new();
    for resolution in Resolution::ALL {
        let folder = format!("{}/{resolution}", catalog.tenant());
        let listing: Vec<ObjectInfo> = shared.bucket.list(&folder, None).try_collect().await?;
        objects.extend(listing);
    }
    let view = catalog.refresh(0).await?;
    let oldest_commit_ms = catalog.log().oldest_commit().await?.map(|info| info.modified_ms);
    let (tenant, now_ms, policy) = (catalog.tenant().clone(), shared.clock.now_ms(), *policy);
    let plan = move || {
        let listing = group_listing(&tenant, objects);
        plan_garbage(&view, &listing, oldest_commit_ms, now_ms, &policy)
    };
    Ok(shared.offload.run(plan).await?)
}

/// Collects a tenant's garbage once: marks, deletes and forgets what [`find_garbage`] finds.
/// [`GarbageReport::withheld`] above 0 is for an operator to look at. May run anywhere, any number of times at once, and
/// be cut short at any point.
///
/// # Errors
/// [`CatalogError`]; what was done until then stays done.
pub async fn collect_garbage(
    catalog: &TenantCatalog,
    policy: &GarbagePolicy,
) -> Result<GarbageReport, CatalogError> {
    let bucket = &catalog.log().shared.bucket;
    let steps = find_garbage(catalog, policy).await?;
    let mut report = GarbageReport::default();
    let (mut mark, mut forget) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            GarbageStep::MarkDead(id) => mark.push(id),
            GarbageStep::Forget(id) => forget.push(id),
            GarbageStep::Withhold(_) => report.withheld += 1,
            GarbageStep::Delete { keys, .. } => {
                for key in &keys {
                    bucket.delete(key).await?;
                }
                report.deleted += 1;
                report.objects += keys.len();
            }
        }
    }
    for mark_dead in mark.chunks(IDS_PER_COMMIT).map(<[Ulid]>::to_vec) {
        report.marked += mark_dead.len();
        let change = Change { mark_dead, ..Change::default() };
        catalog.commit(change).await?;
    }
    for forget_dead in forget.chunks(IDS_PER_COMMIT).map(<[Ulid]>::to_vec) {
        report.forgotten += forget_dead.len();
        let change = Change { forget_dead, ..Change::default() };
        catalog.commit(change).await?;
    }
    Ok(report)
}
