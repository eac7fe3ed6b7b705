//! What an ingester finds itself to be at its start: one that stands alone with a journal of its own, or a node of a cluster.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Shutdown, Tasks};
use latewood_wal::Journal;

use super::{IngesterConfig, IngesterDeps, Layout, StartError, layout};
use crate::flush::{FlushError, OwnNumbers};
use crate::ring::{Membership, NodeFile, RingService};
use crate::shard::listed;

/// How long a start waits for the bucket to say whose the shard numbers are: without it they are compared later.
const CLAIMS_WAIT: Duration = Duration::from_secs(5);

/// What an ingester finds itself to be.
pub(super) struct Standing {
    /// The shards that there are, and under whose name they were claimed.
    pub(super) layout: Layout,
    pub(super) numbers: Arc<OwnNumbers>,
    /// Whether the journal was begun just now.
    pub(super) begun_now: bool,
    pub(super) membership: Option<Membership>,
}

/// Finds it out. The journal is open: no other process is in the directory.
pub(super) async fn find(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    journal: &Journal,
    ring: Option<Arc<RingService>>,
    running: (&Shutdown, &Tasks),
) -> Result<Standing, StartError> {
    let (dir, rng, has_groups) = (deps.data_dir.clone(), deps.rng.clone(), !journal.groups().is_empty());
    let joins = config.ring.joins();
    let node = deps.offload.run(move || NodeFile::open(&dir, has_groups, joins, &rng)).await??;
    let Some(node) = node else {
        let (layout, begun_now) = known_or_claimed(config, deps, journal).await?;
        let numbers = compared(deps, &layout).await?;
        return Ok(Standing { layout, numbers, begun_now, membership: None });
    };
    let silent = || StartError::Config("ring.join_members: nothing answers other nodes here".to_owned());
    let membership =
        Membership::begin(config, deps, journal, (node, ring.ok_or_else(silent)?), running).await?;
    let layout = Layout { journal: membership.record.cluster, claimed: membership.record.shards.clone() };
    let numbers = compared(deps, &layout).await?;
    Ok(Standing { layout, numbers, begun_now: !has_groups, membership: Some(membership) })
}

/// The numbers of the shards, held against the bucket if it answers.
async fn compared(deps: &IngesterDeps, layout: &Layout) -> Result<Arc<OwnNumbers>, StartError> {
    let catalogs = Arc::clone(&deps.catalogs);
    let numbers = OwnNumbers::new(catalogs, layout.journal, layout.claimed.clone());
    match tokio::time::timeout(CLAIMS_WAIT, numbers.check()).await {
        Ok(Err(FlushError::Foreign(error))) => {
            return Err(StartError::Foreign { path: deps.data_dir.display().to_string(), error });
        }
        Ok(Err(error)) => tracing::warn!(%error, "shard numbers are compared with the bucket later"),
        Err(_) => tracing::warn!("shard numbers are compared with the bucket later: it does not answer"),
        Ok(Ok(())) => {}
    }
    Ok(Arc::new(numbers))
}

async fn known_or_claimed(
    config: &IngesterConfig,
    deps: &IngesterDeps,
    journal: &Journal,
) -> Result<(Layout, bool), StartError> {
    let (dir, groups, wanted) = (deps.data_dir.clone(), journal.groups(), config.new_shards());
    let found = deps.offload.run(move || layout::find(&dir, &groups, wanted)).await??;
    let count = match found {
        layout::Found::Known(layout) => return Ok((layout, false)),
        layout::Found::Unclaimed(count) => count,
    };
    let id = deps.ids.next();
    let claimed = deps.catalogs.claim_shards(id, count).await?;
    let (layout, dir) = (Layout { journal: id, claimed }, deps.data_dir.clone());
    let claimed = listed(&layout.claimed);
    tracing::info!(journal = %id, claimed, "a new journal has its shard numbers");
    let kept = layout.clone();
    deps.offload.run(move || layout::keep(&dir, &kept)).await??;
    Ok((layout, true))
}
