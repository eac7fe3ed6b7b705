//! Asking ingesters: each shard of its leader, and those that know of no shards for all that they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use latewood_base::ErrorKind;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{LogRequest, Selection, ShardGeneration};
use latewood_proto::store::{StoreError, listed_shards, wire};

use super::asking::Asking;
use super::rings::Heads;
use super::targets::{self, Role, Target};
use super::{Coverage, Fanout, Pinned};
use crate::stores::NamedStore;

/// How often those are asked to log a deletion who did not: as ingesters come while it is logged, there are more of them.
const ROUNDS: usize = 3;

impl Fanout {
    /// Who must answer for what the view does not hold in blocks.
    pub(super) async fn heads(&self, pinned: &Pinned, asking: &Asking) -> Result<Vec<Target>, StoreError> {
        self.targets(&pinned.heads, &targets::head_view(&pinned.view), asking).await
    }

    /// All ingesters, each for all that it has, whoever leads its shards.
    pub(super) fn everybody(&self, pinned: &Pinned, asking: &Asking) -> Result<Vec<Target>, StoreError> {
        self.check_count(&pinned.heads, asking)?;
        let view = targets::head_view(&pinned.view);
        let target = |ingester: &NamedStore| {
            let role = if pinned.heads.nodes.contains(&ingester.name) { Role::Node } else { Role::Ingester };
            Target { role, ..Target::whole(ingester, view.clone()) }
        };
        Ok(pinned.ingesters.iter().map(target).collect())
    }

    async fn targets(
        &self,
        heads: &Heads,
        view: &wire::View,
        asking: &Asking,
    ) -> Result<Vec<Target>, StoreError> {
        self.check_count(heads, asking)?;
        for (name, error) in &heads.missing {
            asking.coverage.failed(&format!("ingester {name}"), error.clone())?;
        }
        let mut targets: Vec<Target> =
            heads.whole.iter().map(|ingester| Target::whole(ingester, view.clone())).collect();
        targets.extend(asking.leaders(view, &heads.shards, asking.patience, None).await?);
        Ok(targets)
    }

    /// Too few ingesters are a source that is missing.
    fn check_count(&self, heads: &Heads, asking: &Asking) -> Result<(), StoreError> {
        if heads.ingesters >= self.min_ingesters {
            return Ok(());
        }
        let text = format!("{} of at least {} are known", heads.ingesters, self.min_ingesters);
        asking.coverage.failed("ingesters", StoreError::new(ErrorKind::Unavailable, text))
    }

    /// All ingesters that are known.
    ///
    /// # Errors
    /// When they are too few to be all.
    pub(crate) async fn all_ingesters(&self) -> Result<Arc<[NamedStore]>, StoreError> {
        let (heads, ingesters) = (self.rings.heads().await, self.ingesters.now());
        if heads.ingesters < self.min_ingesters {
            let text = format!("{} of at least {} ingesters are known", heads.ingesters, self.min_ingesters);
            return Err(StoreError::new(ErrorKind::Unavailable, text));
        }
        Ok(ingesters)
    }

    /// Has the leader of every shard, and every ingester that knows of no shards, log a deletion. What they answer is of
    /// every shard that is known when the last one has.
    ///
    /// # Errors
    /// Of the first one that fails, with its name; `Invalid`, without it, is about the selections. Others may have logged.
    pub(crate) async fn log_deletion(
        &self,
        tenant: &str,
        selections: &[Selection],
    ) -> Result<Vec<ShardGeneration>, StoreError> {
        let asking = self.asking(Arc::new(Coverage::new(false, true)));
        let (mut open, mut left) = (Vec::new(), Vec::new());
        let (mut logged, mut whole) = (BTreeSet::<u32>::new(), BTreeSet::<Arc<str>>::new());
        for _ in 0..ROUNDS {
            let mut heads = self.rings.heads().await;
            heads.whole.retain(|ingester| !whole.contains(&ingester.name));
            heads.shards.values_mut().for_each(|shards| shards.retain(|shard| !logged.contains(shard)));
            let targets = self.targets(&heads, &wire::View::default(), &asking).await?;
            if targets.is_empty() {
                return Ok(open);
            }
            left = heads.shards.into_values().flatten().collect();
            let answers = asking.ask_each(targets, |target| log(target, tenant, selections));
            for (target, answer) in answers.await? {
                let answer = answer?;
                match target.role {
                    Role::Ingester | Role::Node | Role::Gateway => _ = whole.insert(target.store.name),
                    Role::Leader { .. } | Role::Follower { .. } => {
                        logged.extend(answer.iter().map(|one| one.shard));
                    }
                }
                open.extend(answer);
            }
        }
        let text = format!("shards {} were not all said to have logged it", listed_shards(&left));
        Err(StoreError::new(ErrorKind::Unavailable, text))
    }
}

/// Has an ingester log a deletion. What is wrong with the selections is so everywhere, and no ingester's failing.
fn log(
    target: &Target,
    tenant: &str,
    selections: &[Selection],
) -> impl Future<Output = Result<Result<Vec<ShardGeneration>, StoreError>, StoreError>> + use<> {
    let shards = target.view.shards.clone();
    let request = LogRequest { tenant: tenant.to_owned(), selections: selections.to_vec(), shards };
    let deletion = way_to(&target.store);
    async move {
        match deletion?.log(request).await {
            Ok(answer) => Ok(Ok(answer.open)),
            Err(error @ StoreError::Other { kind: ErrorKind::Invalid, .. }) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}

/// The way to have an ingester delete.
///
/// # Errors
/// There is none.
pub(crate) fn way_to(ingester: &NamedStore) -> Result<Arc<dyn DeletionApi>, StoreError> {
    ingester
        .deletion
        .clone()
        .ok_or_else(|| StoreError::new(ErrorKind::Internal, "it cannot be asked to delete"))
}
