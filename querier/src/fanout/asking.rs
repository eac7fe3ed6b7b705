//! One question to several stores, in which the owners of a block stand in for each other, and so does who leads a
//! shard now for who did.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::Either;
use futures::stream::FuturesUnordered;
use latewood_base::{ErrorKind, Kinded};
use latewood_proto::store::{StoreApi, StoreError, listed_shards, wire};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::Coverage;
use super::assignment::Shards;
use super::owners::Owners;
use super::rings::Rings;
use super::targets::{Role, Target};

/// What looking for another leader takes at least off the patience: it ends, however fast all fail.
const LEAST_PATIENCE: Duration = Duration::from_millis(25);
/// How long a shard's leader is looked for when a replica that had none refuses.
const SECOND_PATIENCE: Duration = Duration::from_secs(1);
/// How many replicas of a shard that nobody leads are asked, one after another.
const FOLLOWERS: usize = 4;

/// Asks stores. Where a store-gateway fails its blocks are asked of their next owners, and where an ingester does not lead
/// its shards any more or is away, whoever leads them now; where there is nobody, or a store fails otherwise, that is for
/// the [`Coverage`].
#[derive(Clone)]
pub(crate) struct Asking {
    pub(super) owners: Arc<Owners>,
    pub(super) rings: Arc<Rings>,
    /// For how long a shard's leader is looked for.
    pub(super) patience: Duration,
    pub(super) coverage: Arc<Coverage>,
    /// Counts the store-gateways for which others stood in.
    pub(super) failovers: Counter,
    /// Counts the leaders for which others were looked for.
    pub(super) moved_shards: Counter,
    /// Counts the answers for shards that nobody leads.
    pub(super) stale_answers: Counter,
}

/// What comes of a question.
enum Outcome<T> {
    Answer(Box<Target>, Result<T, StoreError>),
    /// Who is asked in the place of one that failed.
    Instead(Result<Vec<Target>, StoreError>),
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
        self.ask_each(targets, |target| call(Arc::clone(&target.store.api), target.view.clone())).await
    }

    /// The same in any way.
    pub(crate) async fn ask_each<T, Fut>(
        &self,
        targets: Vec<Target>,
        call: impl Fn(&Target) -> Fut,
    ) -> Result<Vec<(Target, T)>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let ask = |target: Target| {
            let answer = call(&target);
            Either::Left(async move {
                let answer = self.unless_replaced(&target, answer).await;
                Outcome::Answer(Box::new(target), answer)
            })
        };
        let mut asked: FuturesUnordered<_> = targets.into_iter().map(&ask).collect();
        let mut answers = Vec::new();
        while let Some(outcome) = asked.next().await {
            match outcome {
                Outcome::Answer(target, Ok(answer)) => {
                    if let Role::Follower { .. } = target.role {
                        self.stale_answers.inc();
                        self.coverage.note_stale(&target.store.name, &target.leaderless);
                    }
                    answers.push((*target, answer));
                }
                // Others go on to answer while somebody else is looked for.
                Outcome::Answer(target, Err(error)) => asked
                    .push(Either::Right(async move { Outcome::Instead(self.instead(&target, error).await) })),
                Outcome::Instead(next) => asked.extend(next?.into_iter().map(&ask)),
            }
        }
        Ok(answers)
    }

    /// Waits for what a store answers, but not where an ingester is away and others lead its shards by then.
    pub(super) async fn unless_replaced<T>(
        &self,
        target: &Target,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let others = async {
            match target.role {
                Role::Leader { cluster, stands_alone: false, .. } => {
                    self.rings.replaced(&target.store, cluster, &target.view.shards).await;
                    "it does not answer, and others lead its shards"
                }
                Role::Follower { .. } => {
                    self.rings.away(&target.store).await;
                    "it does not answer"
                }
                Role::Leader { .. } | Role::Ingester | Role::Node | Role::Gateway => {
                    std::future::pending().await
                }
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            why = others => Err(StoreError::new(ErrorKind::Unavailable, why)),
        }
    }

    /// Whom to ask in the place of one that failed; nobody where the answer may lack it.
    ///
    /// # Errors
    /// What the query must fail with.
    pub(crate) async fn instead(
        &self,
        failed: &Target,
        error: StoreError,
    ) -> Result<Vec<Target>, StoreError> {
        match failed.role {
            Role::Leader { cluster, stands_alone, patience }
                if !patience.is_zero() && others_may_lead(&error, stands_alone) =>
            {
                self.moved_shards.inc();
                tracing::debug!(store = failed.name(), %error, "who leads the shards now is looked for");
                self.rings.doubt(&failed.store, &error);
                let shards: Shards = [(cluster, failed.view.shards.iter().copied().collect())].into();
                self.leaders(&failed.view, &shards, patience.saturating_sub(LEAST_PATIENCE), Some(&error))
                    .await
            }
            Role::Follower { cluster, others } if others > 0 && others_may_lead(&error, false) => {
                tracing::debug!(store = failed.name(), %error, "who else has the shards is looked for");
                self.rings.doubt(&failed.store, &error);
                let shards: Shards = [(cluster, failed.view.shards.iter().copied().collect())].into();
                // One that refuses may hear a leader by now.
                let is_refused = matches!(error, StoreError::NotLeader { .. });
                let patience = if is_refused { SECOND_PATIENCE.min(self.patience) } else { Duration::ZERO };
                self.find(&failed.view, &shards, (patience, others - 1), Some(&error)).await
            }
            Role::Node if error.kind() == ErrorKind::Unavailable && self.coverage.allows_stale() => {
                self.coverage.note_untold(&failed.name(), &error);
                Ok(Vec::new())
            }
            Role::Gateway if others_may_answer(error.kind()) => {
                let next = self.owners.next(failed);
                if next.is_empty() {
                    self.coverage.failed(&failed.name(), error)?;
                } else {
                    self.failovers.inc();
                    tracing::debug!(store = failed.name(), %error, "other owners are asked for the blocks");
                }
                Ok(next)
            }
            Role::Ingester | Role::Node | Role::Leader { .. } | Role::Follower { .. } | Role::Gateway => {
                self.coverage.failed(&failed.name(), error)?;
                Ok(Vec::new())
            }
        }
    }

    /// Who leads shards now, waiting for as long as this while nobody is known to. For shards that nobody leads, whoever has
    /// the most of them, where an answer may be stale; else they are a source that is missing, and why the last one failed
    /// that did is told.
    ///
    /// # Errors
    /// What the query must fail with.
    pub(super) async fn leaders(
        &self,
        view: &wire::View,
        wanted: &Shards,
        patience: Duration,
        why: Option<&StoreError>,
    ) -> Result<Vec<Target>, StoreError> {
        let patience = if self.coverage.gave_up() { Duration::ZERO } else { patience };
        self.find(view, wanted, (patience, FOLLOWERS), why).await
    }

    async fn find(
        &self,
        view: &wire::View,
        wanted: &Shards,
        (patience, followers): (Duration, usize),
        why: Option<&StoreError>,
    ) -> Result<Vec<Target>, StoreError> {
        let begun = Instant::now();
        let found = self.rings.leaders(wanted, patience).await;
        let left = patience.saturating_sub(begun.elapsed());
        let stale = if self.coverage.allows_stale() { found.leaderless } else { Vec::new() };
        if !found.unclaimed.is_empty() {
            self.coverage.give_up();
            let mut missing = found.unclaimed;
            missing.retain(|shard| !stale.iter().any(|follower| follower.shards.contains_key(shard)));
            self.missing(&missing, why)?;
        }
        if !found.forgotten.is_empty() {
            // Another cluster, or none, is where theirs was: what it has flushed, a newer view knows.
            let source = format!("shards {}", listed_shards(&found.forgotten));
            self.coverage.failed(&source, StoreError::StaleView { min_version: view.version })?;
        }
        let leaders = found.leaders.into_iter().map(|leader| Target::leader(leader, view, left));
        let stale = stale.into_iter().map(|follower| Target::follower(follower, view, followers));
        Ok(leaders.chain(stale).collect())
    }

    fn missing(&self, shards: &[u32], why: Option<&StoreError>) -> Result<(), StoreError> {
        if shards.is_empty() {
            return Ok(());
        }
        let patience = self.patience.as_millis();
        let why = why.map_or_else(String::new, |error| format!(", after: {error}"));
        let text = format!("no ingester was found that leads them (ring_patience_ms: {patience}){why}");
        let source = format!("shards {}", listed_shards(shards));
        self.coverage.failed(&source, StoreError::new(ErrorKind::Unavailable, text))
    }
}

/// Whether an error says that a shard is led elsewhere, or may soon be.
fn others_may_lead(error: &StoreError, stands_alone: bool) -> bool {
    match error {
        StoreError::NotLeader { .. } => true,
        StoreError::StaleView { .. } => false,
        StoreError::Other { kind, .. } => *kind == ErrorKind::Unavailable && !stands_alone,
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
