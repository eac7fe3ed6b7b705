//! One question to several stores, in which the owners of a block stand in for each other.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use latewood_base::{ErrorKind, Kinded};
use latewood_proto::store::{StoreApi, StoreError, wire};
use prometheus_client::metrics::counter::Counter;

use super::Coverage;
use super::owners::Owners;
use super::targets::Target;

/// Asks stores. Where a store-gateway fails its blocks are asked of their next owners; where there is none, or
/// another store fails, that is for the [`Coverage`].
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) owners: Arc<Owners>,
    pub(crate) coverage: Arc<Coverage>,
    /// Counts the store-gateways for which others stood in.
    pub(crate) failovers: Counter,
}

impl Asking {
    /// Asks all at once. What comes is of each part of the view at most one answer; those that failed and may be
    /// missing are left out.
    pub(crate) async fn ask<T, Fut>(
        &self,
        targets: Vec<Target>,
        call: impl Fn(Arc<dyn StoreApi>, wire::View) -> Fut,
    ) -> Result<Vec<(Target, T)>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let ask = |target: Target| {
            let answer = call(Arc::clone(&target.store.api), target.view.clone());
            async move { (target, answer.await) }
        };
        let mut asked: FuturesUnordered<_> = targets.into_iter().map(&ask).collect();
        let mut answers = Vec::new();
        while let Some((target, answer)) = asked.next().await {
            match answer {
                Ok(answer) => answers.push((target, answer)),
                Err(error) => asked.extend(self.instead(&target, error)?.into_iter().map(&ask)),
            }
        }
        Ok(answers)
    }

    /// Whom to ask in the place of one that failed; nobody where the answer may lack it.
    ///
    /// # Errors
    /// What the query must fail with.
    pub(crate) fn instead(&self, failed: &Target, error: StoreError) -> Result<Vec<Target>, StoreError> {
        let next = if others_may_answer(error.kind()) { self.owners.next(failed) } else { Vec::new() };
        if next.is_empty() {
            self.coverage.failed(&failed.name(), error)?;
        } else {
            self.failovers.inc();
            tracing::debug!(store = failed.name(), %error, "other owners are asked for the blocks");
        }
        Ok(next)
    }
}

/// Whether an error is the store's own. What is wrong with the request or the view is so everywhere.
fn others_may_answer(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unavailable
        | ErrorKind::Overloaded
        | ErrorKind::Timeout
        | ErrorKind::Canceled
        | ErrorKind::NotFound
        | ErrorKind::Corrupt
        | ErrorKind::Internal => true,
        ErrorKind::Invalid
        | ErrorKind::Unprocessable
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported => false,
    }
}
