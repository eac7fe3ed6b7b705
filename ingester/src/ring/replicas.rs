//! Which shards this node has: opened and closed as the view says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use latewood_base::{Shutdown, Tasks};
use latewood_cluster::{ClusterView, known_groups, retire};

use super::control_group::CONTROL_GROUP;
use super::{Control, ControlGroup, RingService, admin, pages, steward};
use crate::Shard;
use crate::flush::FlushError;
use crate::shard::{ShardContext, group_of};

/// How often it looks, and how long it is waited after an error.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a leader waits at its stop for another to take the lead.
const HAND_OVER_WAIT: Duration = Duration::from_secs(3);

/// Opens and closes the shards of this node.
#[derive(Clone, Debug)]
pub(crate) struct Replicas {
    pub(crate) context: ShardContext,
    pub(crate) control: ControlGroup,
    pub(crate) service: Arc<RingService>,
    pub(crate) tasks: Tasks,
}

/// What is to be done about the shards of a node.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    open: Vec<u32>,
    close: Vec<u32>,
}

/// Compares what is open with what the view says. Pure.
fn changes(view: &ClusterView, node: u64, open: &BTreeSet<u32>) -> Changes {
    let places = 0..u32::try_from(view.shards.len()).unwrap_or(u32::MAX);
    let wanted: BTreeSet<u32> = places.filter(|place| view.has(*place as usize, node)).collect();
    Changes {
        open: wanted.difference(open).copied().collect(),
        // Of a view in which nothing is placed yet it cannot be told.
        close: open.difference(&wanted).copied().filter(|_| view.is_founded()).collect(),
    }
}

impl Replicas {
    /// Opens what the view says that this node has, and looks after it, until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let (mut known, mut tidied) = (self.control.changes(), false);
        loop {
            if !tidied && self.control.is_fresh() {
                self.retire_leftovers().await;
                tidied = true;
            }
            // A change is done to its end: what is half open is in no list.
            Box::pin(self.follow(&shutdown)).await;
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                _ = known.changed() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Whether all that the view says is open here, is led, and has caught up.
    pub(crate) fn are_whole(&self) -> bool {
        let view = self.control.view();
        let places: BTreeSet<u32> = self.context.shards.places().into_iter().collect();
        self.control.is_fresh()
            && changes(&view, self.control.node(), &places).open.is_empty()
            && self.context.shards.all().iter().all(|shard| shard.has_caught_up())
    }

    async fn follow(&self, shutdown: &Shutdown) {
        let (view, node) = (self.control.view(), self.control.node());
        if shutdown.has_begun() || !view.is_founded() {
            return;
        }
        let open: BTreeSet<u32> = self.context.shards.places().into_iter().collect();
        let Changes { open: opens, close } = changes(&view, node, &open);
        for place in close {
            self.close(place).await;
        }
        self.context.shards.expect(u32::try_from(view.shards_of(node)).unwrap_or(u32::MAX));
        join_all(opens.into_iter().map(|place| self.open(place, shutdown))).await;
        for shard in self.context.shards.all() {
            self.form(&view, &shard).await;
        }
    }

    async fn open(&self, place: u32, shutdown: &Shutdown) {
        let shard = match Box::pin(Shard::open(&self.context, place)).await {
            Ok(shard) => Arc::new(shard),
            Err(error) => {
                tracing::error!(shard = place, %error, "a shard cannot be opened; it is tried again");
                return;
            }
        };
        self.service.groups().insert(group_of(place), Arc::new(shard.group().clone()));
        shard.start_flushing();
        let stewarding = steward::run(Arc::clone(&shard), self.control.clone(), shard.shutdown());
        self.tasks.spawn("steward", stewarding);
        self.context.shards.insert(shard);
        tracing::info!(shard = place, stopping = shutdown.has_begun(), "a replica is open");
    }

    /// The first nodes of a shard form its group; they all say the same, and once somebody has led it nobody says it any
    /// more.
    async fn form(&self, view: &ClusterView, shard: &Shard) {
        let Some(known) = view.shards.get(shard.place() as usize) else { return };
        let is_first = known.voters.is_empty() && known.founders.contains(&self.control.node());
        if !is_first || !self.control.is_fresh() {
            return;
        }
        if let Err(error) = shard.group().form(&self.control.peers(&known.founders)).await {
            tracing::warn!(shard = shard.place(), %error, "a shard's group is not formed yet");
        }
    }

    /// Lets go of a shard that is whole elsewhere.
    async fn close(&self, place: u32) {
        let Some(shard) = self.context.shards.remove(place) else { return };
        self.service.groups().remove(group_of(place));
        shard.stop().await;
        if let Err(error) = self.forget(place).await {
            tracing::warn!(shard = place, %error, "what a replica left behind is not gone yet");
        }
        tracing::info!(shard = place, "a replica is gone: the shard is whole elsewhere");
    }

    async fn forget(&self, place: u32) -> Result<(), FlushError> {
        let retired = retire(&self.context.journal, group_of(place)).await;
        retired.map_err(latewood_cluster::ClusterError::Journal)?;
        let dir = self.context.deps.data_dir.clone();
        let removed =
            self.context.deps.offload.run(move || crate::flush::LocalStore::remove(&dir, place)).await;
        removed?
    }

    /// What a crash left of shards that this node has no more.
    async fn retire_leftovers(&self) {
        let view = self.control.view();
        for group in known_groups(&self.context.journal).into_iter().filter(|group| *group != CONTROL_GROUP) {
            let Ok(place) = u32::try_from(group - 1) else { continue };
            let is_here =
                self.context.shards.get(place).is_some() || view.has(place as usize, self.control.node());
            if !is_here && let Err(error) = self.forget(place).await {
                tracing::warn!(shard = place, %error, "what a replica left behind is not gone yet");
            }
        }
    }

    /// The pages of the cluster, and the preparation of a stop for good.
    pub(crate) fn routes(&self) -> Router {
        let pages = pages::routes(self.control.clone(), self.context.shards.clone());
        pages.merge(admin::routes(self.control.clone()))
    }

    /// Ends the node's part in the control group; its tasks have ended, its shards are stopped next.
    pub(crate) async fn stop(&self) {
        self.service.leave();
        self.control.group().shutdown().await;
    }

    /// Before the node stops: gives the lead of each shard to the replica that has the most.
    pub(crate) async fn hand_over(&self) {
        let led = self.context.shards.all().into_iter().filter(|shard| shard.leads());
        let low = &self.control.view().low_on_disk();
        let given = led.map(|shard| async move {
            let status = shard.group().status();
            let others = status.voters.iter().filter(|peer| peer.id != self.control.node());
            let has = |node: u64| status.replicated.get(&node).copied().flatten();
            let Some(next) = others.max_by_key(|peer| (!low.contains(&peer.id), has(peer.id))) else {
                return;
            };
            let given = tokio::time::timeout(HAND_OVER_WAIT, shard.group().hand_over(next.id)).await;
            if !matches!(given, Ok(Ok(()))) {
                tracing::info!(shard = shard.place(), "nobody took the lead before the stop");
            }
        });
        join_all(given).await;
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Ulid;
    use latewood_cluster::ShardView;

    use super::*;

    fn shard(replicas: &[u64], voters: &[u64]) -> ShardView {
        ShardView { replicas: replicas.to_vec(), voters: voters.to_vec(), ..ShardView::new(1024) }
    }

    #[test]
    fn a_replica_is_open_until_nobody_counts_on_it() {
        let shards = vec![shard(&[1, 2], &[]), shard(&[2], &[1, 2]), shard(&[2, 3], &[2, 3])];
        let view =
            ClusterView { generation: 4, cluster: Ulid::from_parts(1, 1), shards, ..ClusterView::default() };
        let of = |node: u64, open: &[u32]| changes(&view, node, &open.iter().copied().collect());
        assert_eq!(of(1, &[]), Changes { open: vec![0, 1], close: vec![] });
        assert_eq!(of(1, &[0, 1, 2]), Changes { open: vec![], close: vec![2] });
        assert_eq!(of(9, &[2]), Changes { open: vec![], close: vec![2] });
        let unfounded = ClusterView::default();
        assert_eq!(changes(&unfounded, 1, &[0].into()), Changes::default());
    }
}
