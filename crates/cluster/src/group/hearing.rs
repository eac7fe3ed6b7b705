//! When this replica heard of a leader last: how old what it has may be.

use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::Instant;

use super::Group;
use crate::ReplicatedState;

impl<S: ReplicatedState> Group<S> {
    /// A leader was heard at this moment.
    pub(super) fn hear(&self, at: Instant) {
        let mut heard = self.0.heard.lock();
        *heard = (*heard).max(Some(at));
    }

    /// How long ago this replica heard a leader last, or was one that a majority answered: nothing that was acknowledged
    /// before is missing from its log. None if it never did since its start.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let answered = self.0.raft.metrics().borrow_watched().last_quorum_acked.map(|at| at.elapsed());
        // A leader that becomes a follower forgets it.
        answered.and_then(|ago| Instant::now().checked_sub(ago)).into_iter().for_each(|at| self.hear(at));
        self.0.heard.lock().map(|at| at.elapsed())
    }

    /// Whether this replica has something of the group and nobody to ask for more: it has heard no leader for two election
    /// timeouts, and is none.
    #[must_use]
    pub fn is_leaderless(&self) -> bool {
        let patience = Duration::from_millis(2 * self.0.config.election_timeout_ms);
        let hears = self.silence().is_some_and(|silence| silence <= patience);
        !hears && !self.is_answered_here() && self.applied().is_some()
    }
}
