//! The replicas of groups on this node, for the requests of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_cluster::{ClusterError, Group, GroupId, ReplicatedState};
use parking_lot::RwLock;

/// A replica of a group, whatever its state is.
#[async_trait]
pub trait Replica: Send + Sync + 'static {
    /// Answers what another replica asks: [`Group::answer`].
    async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError>;
}

#[async_trait]
impl<S: ReplicatedState> Replica for Group<S> {
    async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError> {
        Group::answer(self, request).await
    }
}

/// The replicas on this node. Clones share them.
#[derive(Clone, Default)]
pub struct Groups(Arc<RwLock<BTreeMap<GroupId, Arc<dyn Replica>>>>);

impl std::fmt::Debug for Groups {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.0.read().keys()).finish()
    }
}

impl Groups {
    /// A replica can be asked from now on.
    pub fn insert(&self, group: GroupId, replica: Arc<dyn Replica>) {
        self.0.write().insert(group, replica);
    }

    /// A replica is asked no more.
    pub fn remove(&self, group: GroupId) {
        self.0.write().remove(&group);
    }

    /// No replica is asked any more.
    pub fn clear(&self) {
        self.0.write().clear();
    }

    /// The replica of a group, if there is one here.
    #[must_use]
    pub fn get(&self, group: GroupId) -> Option<Arc<dyn Replica>> {
        self.0.read().get(&group).cloned()
    }
}
