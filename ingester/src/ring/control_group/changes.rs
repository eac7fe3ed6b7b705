//! How the cluster is changed, whoever leads the control group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latewood_cluster::{ClusterError, ClusterView, ControlCommand};
use latewood_proto::store::StoreError;

use super::ControlGroup;
use crate::ring::{Changed, Control};

/// How long it is waited for a change that somebody else must make.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Why the cluster was not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It makes no sense as the cluster is.
    #[error("{0}")]
    Refused(String),
    /// Nobody who could was reached in time.
    #[error("nobody was reached who leads the control group: {0}")]
    Unreached(StoreError),
    /// The log did not take it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

#[async_trait]
impl Control for ControlGroup {
    async fn change(&self, command: ControlCommand) -> Result<Changed, ClusterError> {
        match self.0.group.propose(command).await {
            Ok((_, Ok(generation))) => Ok(Changed::Done(generation)),
            Ok((_, Err(reason))) => Ok(Changed::Refused(reason)),
            Err(ClusterError::NotLeader { leader, .. }) => Ok(Changed::NotLeader(leader)),
            Err(error) => Err(error),
        }
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.0.known.borrow().view)
    }
}

impl ControlGroup {
    /// Makes a change, whoever leads.
    ///
    /// # Errors
    /// The change is refused, or no leader was reached in time.
    pub(crate) async fn change_anywhere(&self, command: &ControlCommand) -> Result<u64, ChangeError> {
        let begun = self.0.clock.elapsed();
        loop {
            let changed = match self.change(command.clone()).await? {
                Changed::NotLeader(leader) => {
                    self.0.remote.change_somewhere(&self.to_ask(leader), command).await
                }
                done => Ok(done),
            };
            let late = self.0.clock.elapsed().saturating_sub(begun) > PATIENCE;
            match changed {
                Ok(Changed::Done(generation)) => return Ok(generation),
                Ok(Changed::Refused(reason)) => return Err(ChangeError::Refused(reason)),
                Err(error) if late => return Err(ChangeError::Unreached(error)),
                Ok(Changed::NotLeader(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Who may lead, or know who does: the one that is said to first.
    fn to_ask(&self, leader: Option<u64>) -> Vec<u64> {
        let view = self.view();
        let founders = self.0.record.founders.iter().map(|founder| founder.node);
        let others: BTreeSet<u64> =
            view.members.keys().copied().chain(founders).chain(self.0.book.nodes()).collect();
        let others = others.into_iter().filter(|node| Some(*node) != leader);
        leader.into_iter().chain(others).filter(|node| *node != self.node()).collect()
    }
}
