//! Brings one change into the log.
//!
//! The commit is created, if absent, at the place after the view that it was checked against. When the reply
//! is lost, or says that the place is taken, whoever stands there is read: our own id means success, another's
//! means that ours can never get there, so that it is checked against the newer view and tried at the next
//! place. As long as the place is free, the same bytes are tried there again: a request of ours that is still
//! under way can then only bring about our own success.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use latewood_base::Ulid;
use latewood_objstore::BucketError;

use crate::envelope::{self, Kind};
use crate::log::INLINE_BLOCKS;
use crate::{CatalogError, Change, Commit, Conflict, TenantCatalog, View, keys};

/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How many attempts a commit makes to settle one place, whatever the clock says.
const MAX_ATTEMPTS: u32 = 64;

/// Who has a place in the log.
enum Place {
    Ours,
    Theirs,
}

pub(crate) struct Committer<'a, M> {
    catalog: &'a TenantCatalog,
    /// The commit; its sequence moves on with each lost race, and its change is made anew.
    commit: Arc<Commit>,
    make: M,
    races: u32,
}

impl<'a, M: FnMut(&View) -> Option<Change> + Send> Committer<'a, M> {
    /// Commits what `make` wants of the view that the commit follows on; nothing where it wants nothing.
    pub(crate) fn new(catalog: &'a TenantCatalog, make: M) -> Self {
        let shared = &catalog.log().shared;
        let commit = Commit {
            tenant: catalog.tenant().clone(),
            sequence: 0,
            id: shared.ids.next(),
            at_ms: shared.clock.now_ms(),
            change: Change::default(),
        };
        Self { catalog, commit: Arc::new(commit), make, races: 0 }
    }

    pub(crate) async fn run(mut self, mut base: Arc<View>) -> Result<Arc<View>, CatalogError> {
        loop {
            // A place is tried with one change alone: it is made anew only for a later one.
            let Some(change) = (self.make)(&base) else { return Ok(base) };
            let commit = Arc::make_mut(&mut self.commit);
            (commit.sequence, commit.change) = (base.version + 1, change);
            match self.checked_against(&base).await? {
                Ok(next) => match self.settle_place().await? {
                    Place::Ours => return Ok(next),
                    Place::Theirs => base = self.after_a_lost_race().await?,
                },
                Err(conflict) => base = self.after_a_conflict(&base, conflict).await?,
            }
        }
    }

    async fn checked_against(&self, base: &Arc<View>) -> Result<Result<Arc<View>, Conflict>, CatalogError> {
        if base.blocks.len() <= INLINE_BLOCKS {
            return Ok(base.apply(&self.commit).map(Arc::new));
        }
        let (base, commit) = (Arc::clone(base), Arc::clone(&self.commit));
        let apply = move || base.apply(&commit).map(Arc::new);
        Ok(self.catalog.log().shared.offload.run(apply).await?)
    }

    /// A conflict with a view that is not the newest is none yet.
    async fn after_a_conflict(&self, base: &View, conflict: Conflict) -> Result<Arc<View>, CatalogError> {
        let tenant = self.commit.tenant.to_string();
        if matches!(conflict, Conflict::Invalid(_)) {
            return Err(CatalogError::Conflict { tenant, conflict });
        }
        let newest = self.catalog.refresh(base.version).await?;
        if newest.version == base.version {
            return Err(CatalogError::Conflict { tenant, conflict });
        }
        Ok(newest)
    }

    async fn after_a_lost_race(&mut self) -> Result<Arc<View>, CatalogError> {
        self.races += 1;
        self.catalog.log().shared.metrics.races_lost.inc();
        if self.races > self.catalog.log().shared.config.max_races {
            return Err(CatalogError::TooManyRaces {
                tenant: self.commit.tenant.to_string(),
                attempts: self.races,
            });
        }
        // The first races are repeated at once; where many commit, they spread.
        if self.races > 2 {
            tokio::time::sleep(self.pause(self.races.min(4))).await;
        }
        self.catalog.refresh(self.commit.sequence).await
    }

    /// Creates the commit at its place until it is known who has it.
    async fn settle_place(&self) -> Result<Place, CatalogError> {
        let shared = &self.catalog.log().shared;
        let key = keys::commit(&self.commit.tenant, self.commit.sequence);
        let object = self.encoded(&key).await?;
        let begun = shared.clock.elapsed();
        let mut uncertain = None;
        for attempt in 0..MAX_ATTEMPTS {
            let error = match shared.bucket.create(&key, object.clone()).await {
                Ok(()) => return Ok(Place::Ours),
                Err(error) => error,
            };
            let doubtful =
                matches!(error, BucketError::AlreadyExists { .. } | BucketError::Unavailable { .. });
            if !doubtful {
                return Err(self.refused(key, error, uncertain));
            }
            shared.metrics.replies_lost.inc();
            uncertain = Some(error.to_string());
            match self.catalog.log().commit_id(self.commit.sequence).await {
                Ok(Some(id)) if id == self.commit.id => return Ok(Place::Ours),
                Ok(Some(_)) => return Ok(Place::Theirs),
                Ok(None) => {}
                Err(CatalogError::Bucket(error @ BucketError::Unavailable { .. })) => {
                    uncertain = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            if shared.clock.elapsed().saturating_sub(begun) > shared.config.commit_timeout() {
                break;
            }
            tokio::time::sleep(self.pause(attempt)).await;
        }
        Err(self.unknown(key, uncertain.unwrap_or_default()))
    }

    /// The bucket refused for good. An earlier attempt may have got through all the same.
    fn refused(&self, key: String, error: BucketError, uncertain: Option<String>) -> CatalogError {
        match uncertain {
            None => CatalogError::Bucket(error),
            Some(before) => self.unknown(key, format!("{before}; then {error}")),
        }
    }

    fn unknown(&self, key: String, message: String) -> CatalogError {
        let id: Ulid = self.commit.id;
        CatalogError::OutcomeUnknown { key, id, message }
    }

    async fn encoded(&self, key: &str) -> Result<Bytes, CatalogError> {
        let shared = &self.catalog.log().shared;
        let commit = Arc::clone(&self.commit);
        // Most changes name a block or a few; the size shows only afterwards.
        let object = if commit.change.add.len() <= 8 {
            envelope::encode(Kind::Commit, &*commit)
        } else {
            let encode = move || envelope::encode(Kind::Commit, &*commit);
            shared.offload.run(encode).await?
        };
        let object = object.map_err(|message| CatalogError::Corrupt { key: key.to_owned(), message })?;
        let (size, max) = (object.len() as u64, shared.config.max_commit_bytes);
        if size > max {
            let tenant = self.commit.tenant.to_string();
            return Err(CatalogError::TooLarge { tenant, size, max });
        }
        Ok(object)
    }

    /// Between half and all of the initial pause, doubled so many times.
    fn pause(&self, doublings: u32) -> Duration {
        let shared = &self.catalog.log().shared;
        let initial = Duration::from_millis(shared.config.retry_initial_ms);
        let longest = initial.saturating_mul(1 << doublings.min(16)).min(MAX_PAUSE);
        // Any 10 random bits.
        let random = f64::from(u32::try_from(shared.ids.next().random() % 1_024).unwrap_or(0)) / 1_024.0;
        longest.mul_f64(0.5 + random / 2.0)
    }
}
