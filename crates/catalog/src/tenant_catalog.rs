//! One tenant's catalog: the newest view known here, and the way to newer ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::{TenantId, TimestampMs};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::catalogs::Shared;
use crate::committer::Committer;
use crate::load::Loaded;
use crate::log::Log;
use crate::{CatalogError, Change, View};

/// One tenant's catalog. Any number of callers, and any number of processes, may use it at once.
#[derive(Debug)]
pub struct TenantCatalog {
    log: Log,
    known: Mutex<Option<Known>>,
    /// One reader at a time goes to the bucket; those that wait share what it found. Lock order: `turn`
    /// before `flight` before `known`.
    flight: AsyncMutex<()>,
    /// How often views had been doubted when the last read that went well began.
    checked: AtomicU64,
    /// How many reads have begun.
    begun: AtomicU64,
    /// The number of the last read that ended, and how.
    ended: Mutex<(u64, Result<(), CatalogError>)>,
    /// One committer of this process at a time: it would only lose races against its own kind.
    turn: AsyncMutex<()>,
}

#[derive(Clone, Debug)]
struct Known {
    view: Arc<View>,
    /// When it was last compared with the log.
    compared: Moment,
    /// The newest checkpoint known of; 0 is none.
    checkpoint: u64,
    /// When it was last tried to compare it because it was time to.
    tried: Option<Moment>,
}

/// A moment by both clocks: the steady one stands still while the machine is suspended, the wall's may be set
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    elapsed: Duration,
    wall_ms: TimestampMs,
}

impl Moment {
    fn now(clock: &Clock) -> Self {
        Self { elapsed: clock.elapsed(), wall_ms: clock.now_ms() }
    }

    /// How long ago an earlier moment was, by the clock that says more.
    fn since(self, earlier: Self) -> Duration {
        let by_wall = u64::try_from(self.wall_ms.saturating_sub(earlier.wall_ms)).unwrap_or(0);
        self.elapsed.saturating_sub(earlier.elapsed).max(Duration::from_millis(by_wall))
    }
}

impl TenantCatalog {
    pub(crate) fn new(tenant: TenantId, shared: Arc<Shared>) -> Self {
        Self {
            log: Log { tenant, shared },
            known: Mutex::new(None),
            flight: AsyncMutex::new(()),
            checked: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            ended: Mutex::new((0, Ok(()))),
            turn: AsyncMutex::new(()),
        }
    }

    /// Whose.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.log.tenant
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The newest view known here; loads the log on first use and once after [`crate::Catalogs::doubt_views`], and looks
    /// for what followed when it has not for [`crate::CatalogConfig::refresh_seconds`], so that blocks which others
    /// replaced are not read until they are deleted. Else it does no I/O.
    ///
    /// # Errors
    /// [`CatalogError`] when the log cannot be read and nothing is known of it.
    pub async fn view(&self) -> Result<Arc<View>, CatalogError> {
        let is_doubted = self.checked.load(Ordering::SeqCst) < self.log.shared.doubts.load(Ordering::SeqCst);
        let view = match self.known_view() {
            Some(view) if !is_doubted => view,
            _ => return self.refresh(0).await,
        };
        if !self.is_due() {
            return Ok(view);
        }
        // What is known stands as long as the bucket is away.
        Ok(self.refresh(0).await.unwrap_or_else(|error| {
            tracing::warn!(tenant = %self.tenant(), %error, "the catalog could not be looked at; an older view stands");
            view
        }))
    }

    /// Whether it is time to look for newer commits; of concurrent callers one is told so, and after a failure none for a
    /// tenth of the time.
    fn is_due(&self) -> bool {
        let now = Moment::now(&self.log.shared.clock);
        let after = self.log.shared.config.refresh_after();
        let mut known = self.known.lock();
        let Some(known) = known.as_mut() else { return false };
        let tried = known.tried.is_some_and(|tried| now.since(tried) <= after / 10);
        let is_due = now.since(known.compared) > after && !tried;
        if is_due {
            known.tried = Some(now);
        }
        is_due
    }

    /// The newest view known here, if any is. Does no I/O.
    #[must_use]
    pub fn known_view(&self) -> Option<Arc<View>> {
        self.known.lock().as_ref().map(|known| Arc::clone(&known.view))
    }

    /// A view of at least this version: the known one if it is, else after a [`TenantCatalog::refresh`].
    ///
    /// # Errors
    /// As [`TenantCatalog::refresh`].
    pub async fn at_least(&self, version: u64) -> Result<Arc<View>, CatalogError> {
        match self.known_view() {
            Some(view) if view.version >= version => Ok(view),
            _ => self.refresh(version).await,
        }
    }

    /// Reads the commits that follow, to the end of the log: whatever was committed before this call is in the
    /// view. Concurrent callers share one read. `at_least` is a version that is known to exist; 0 if none is.
    ///
    /// # Errors
    /// [`CatalogError::Behind`] when the log ends before `at_least`; others when it cannot be read.
    pub async fn refresh(&self, at_least: u64) -> Result<Arc<View>, CatalogError> {
        let begun_before = self.begun.load(Ordering::SeqCst);
        let _flight = self.flight.lock().await;
        let (last, outcome) = self.ended.lock().clone();
        // A read that began after this call has everything that this call asks for.
        let outcome = if last > begun_before { outcome } else { self.read().await };
        outcome?;
        let view = self.known_view();
        let found = view.as_ref().map_or(0, |view| view.version);
        view.filter(|view| view.version >= at_least).ok_or_else(|| CatalogError::Behind {
            tenant: self.tenant().to_string(),
            wanted: at_least,
            found,
        })
    }

    /// Goes to the bucket. The caller holds `flight`.
    async fn read(&self) -> Result<(), CatalogError> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = self.read_on().await;
        *self.ended.lock() = (number, outcome.clone());
        outcome
    }

    async fn read_on(&self) -> Result<(), CatalogError> {
        let now = Moment::now(&self.log.shared.clock);
        let doubts = self.log.shared.doubts.load(Ordering::SeqCst);
        let known = self.known.lock().clone();
        let loaded = match known {
            // Commits after a view that old may be pruned, and their places look free.
            Some(known) if !self.is_too_old(&known, now) => Loaded {
                view: self.log.follow(View::clone(&known.view), 1).await?,
                checkpoint: known.checkpoint,
            },
            _ => self.log.load().await?,
        };
        self.learn(loaded.view.into(), loaded.checkpoint, now);
        self.checked.fetch_max(doubts, Ordering::SeqCst);
        Ok(())
    }

    fn is_too_old(&self, known: &Known, now: Moment) -> bool {
        now.since(known.compared) > self.log.shared.config.reload_after()
    }

    /// Takes note of a view that was the end of the log at `compared`.
    fn learn(&self, view: Arc<View>, checkpoint: u64, compared: Moment) {
        let mut known = self.known.lock();
        match known.as_mut() {
            Some(known) => {
                known.checkpoint = known.checkpoint.max(checkpoint);
                if view.version >= known.view.version {
                    if compared.elapsed >= known.compared.elapsed {
                        known.compared = compared;
                    }
                    // The same version keeps its object, so that caches by pointer stay warm.
                    if view.version > known.view.version {
                        known.view = view;
                    }
                }
            }
            None => {
                *known = Some(Known { view, compared, checkpoint, tried: None });
            }
        }
    }

    /// A view to build a commit on: the known one unless it is too old.
    async fn view_to_commit_on(&self) -> Result<Arc<View>, CatalogError> {
        let now = Moment::now(&self.log.shared.clock);
        let known = self.known.lock().clone();
        match known {
            Some(known) if !self.is_too_old(&known, now) => Ok(known.view),
            _ => self.refresh(0).await,
        }
    }

    /// Commits a change and returns the view after it: all of the change is in the log, or nothing. Lost
    /// replies are looked up, lost races are repeated on the newer view.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when the change does not fit the newest view (nothing was done);
    /// [`CatalogError::OutcomeUnknown`] when the bucket fails for too long to find out.
    pub async fn commit(&self, change: Change) -> Result<Arc<View>, CatalogError> {
        self.commit_with(move |_| Some(change.clone())).await
    }

    /// As [`TenantCatalog::commit`], of a change that depends on the view: it is made of the very view that the commit
    /// follows on, again after each lost race. Where `make` wants none, nothing is committed and that view is returned;
    /// it need not be the newest then.
    ///
    /// # Errors
    /// As [`TenantCatalog::commit`].
    pub async fn commit_with(
        &self,
        make: impl FnMut(&View) -> Option<Change> + Send,
    ) -> Result<Arc<View>, CatalogError> {
        let _turn = self.turn.lock().await;
        let result = self.commit_in_turn(make).await;
        self.log.shared.metrics.count_commit(&result);
        result
    }

    async fn commit_in_turn(
        &self,
        make: impl FnMut(&View) -> Option<Change> + Send,
    ) -> Result<Arc<View>, CatalogError> {
        let base = self.view_to_commit_on().await?;
        let begun = Moment::now(&self.log.shared.clock);
        let view = Committer::new(self, make).run(base).await?;
        self.learn(Arc::clone(&view), 0, begun);
        self.checkpoint_if_due(&view, begun).await;
        Ok(view)
    }

    /// Writes a checkpoint when there are enough commits since the last. A failure costs time at the next
    /// load and nothing else.
    async fn checkpoint_if_due(&self, view: &Arc<View>, begun: Moment) {
        let last = self.known.lock().as_ref().map_or(0, |known| known.checkpoint);
        if view.version.saturating_sub(last) < self.log.shared.config.checkpoint_interval {
            return;
        }
        match self.write_checkpoint(view, begun).await {
            Ok(()) => {
                if let Some(known) = self.known.lock().as_mut() {
                    known.checkpoint = known.checkpoint.max(view.version);
                }
            }
            Err(error) => {
                self.log.shared.metrics.checkpoint_failures.inc();
                tracing::warn!(tenant = %self.tenant(), %error, "could not write a checkpoint of the catalog");
            }
        }
    }

    async fn write_checkpoint(&self, view: &Arc<View>, begun: Moment) -> Result<(), CatalogError> {
        self.log.write_checkpoint(Arc::clone(view)).await?;
        // A machine that slept meanwhile may have written it when the commits after it were pruned already.
        if Moment::now(&self.log.shared.clock).since(begun) > self.log.shared.config.reload_after() {
            return Ok(());
        }
        self.log.write_hint(view.version).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_slept_knows_by_the_wall_and_one_set_back_by_the_steady_clock() {
        let at = |seconds, wall_ms| Moment { elapsed: Duration::from_secs(seconds), wall_ms };
        assert_eq!(at(10, 86_400_000).since(at(5, 0)), Duration::from_secs(86_400));
        assert_eq!(at(10, 0).since(at(5, 86_400_000)), Duration::from_secs(5));
        assert_eq!(at(5, 0).since(at(10, 0)), Duration::ZERO);
    }
}
