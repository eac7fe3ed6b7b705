//! Brings a shard's closed generations into the bucket, oldest first, and drops them.
//!
//! A tenant whose catalog refuses holds back its own later generations, because `flushed[shard]` speaks of all
//! up to its value, and nobody else's. The log learns that a generation is flushed when all its tenants are
//! in, and all of those before it; until then it stays on disk, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latewood_base::{ErrorKind, Kinded};
use latewood_model::TenantId;

use super::Flusher;
use crate::flush::{FlushError, LocalGeneration};
use crate::head::{ClosedData, ClosedGeneration};
use crate::journal::{ShardCommand, ShardState};

/// So many tenants in a row that the bucket did not answer for are its own failure: the round ends.
const SILENCE: usize = 3;

/// The uploading task's memory. A crash may lose it: every step is found out again.
pub(super) struct Delivery {
    flusher: Flusher,
    /// Tenants of generations that are not flushed yet, whose blocks are in.
    delivered: BTreeSet<(u64, TenantId)>,
    /// Tenants whose last attempt failed: they come last in the next round.
    failing: BTreeSet<TenantId>,
    /// Flushed generations, and since when.
    lingering: BTreeMap<u64, Duration>,
    /// Dropped generations whose files are still there.
    doomed: Vec<ClosedGeneration>,
    /// Of generations up to this one there are no files left, but those that are doomed.
    swept: u64,
}

/// One look at all closed generations.
#[derive(Default)]
struct Round {
    /// Tenants that failed in it.
    held: BTreeSet<TenantId>,
    /// How many in a row got no answer.
    silent: usize,
    failed: bool,
}

impl Delivery {
    pub(super) fn new(flusher: Flusher) -> Self {
        Self {
            flusher,
            delivered: BTreeSet::new(),
            failing: BTreeSet::new(),
            lingering: BTreeMap::new(),
            doomed: Vec::new(),
            swept: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let mut changes = self.flusher.0.head.changes();
        let mut pause = self.flusher.pause();
        while self.flusher.next_turn(&mut changes).await {
            let mut round = Round::default();
            self.deliver(&mut round).await;
            if !round.failed {
                self.flusher.0.trouble.lock().take();
            }
            self.drop_old().await;
            self.sweep().await;
            if round.failed {
                pause.wait(&self.flusher.0).await;
            } else {
                pause = self.flusher.pause();
            }
        }
        self.note_failing(BTreeSet::clear);
    }

    async fn deliver(&mut self, round: &mut Round) {
        let (mut all_before, delivers) = (true, self.flusher.delivers());
        for closed in self.flusher.0.head.closed() {
            if self.lingering.contains_key(&closed.number) {
                continue;
            }
            if !closed.flushed {
                let ClosedData::Local(local) = &closed.data else { return };
                if !delivers {
                    return;
                }
                let all = self.deliver_tenants(closed.number, local, round).await;
                if self.flusher.0.shutdown.has_begun() || round.silent >= SILENCE {
                    return;
                }
                all_before &= all;
            }
            if all_before && let Err(error) = self.conclude(&closed).await {
                self.flusher.0.metrics.failed();
                let (shard, generation) = (self.flusher.shard(), closed.number);
                tracing::warn!(shard, generation, %error, "cannot note that a generation is flushed");
                round.failed = true;
                return;
            }
        }
    }

    /// Whether the blocks of all tenants are in.
    async fn deliver_tenants(&mut self, generation: u64, local: &LocalGeneration, round: &mut Round) -> bool {
        let is_in = |tenant: &TenantId| self.delivered.contains(&(generation, tenant.clone()));
        let mut owed: Vec<_> = local.blocks().filter(|(tenant, _)| !is_in(tenant)).collect();
        owed.sort_by_key(|(tenant, _)| self.failing.contains(*tenant));
        let mut all = true;
        for (tenant, block) in owed {
            if round.held.contains(tenant) {
                all = false;
                continue;
            }
            let inner = &self.flusher.0;
            let committed = tokio::select! {
                biased;
                () = inner.shutdown.begun() => return false,
                committed = inner.uploader.commit(tenant, generation, block) => committed,
            };
            match committed {
                Ok(()) => {
                    round.silent = 0;
                    self.delivered.insert((generation, tenant.clone()));
                    self.note_failing(|failing| failing.retain(|other| other != tenant));
                }
                Err(error) => {
                    all = false;
                    self.note_failure(tenant, generation, &error, round);
                    if round.silent >= SILENCE {
                        return false;
                    }
                }
            }
        }
        all
    }

    fn note_failure(&mut self, tenant: &TenantId, generation: u64, error: &FlushError, round: &mut Round) {
        let shard = self.flusher.shard();
        tracing::warn!(shard, generation, %tenant, %error, "cannot flush a tenant");
        self.flusher.0.metrics.failed();
        *self.flusher.0.trouble.lock() = Some(error.to_string());
        self.note_failing(|failing| failing.extend([tenant.clone()]));
        round.silent = if error.kind() == ErrorKind::Unavailable { round.silent + 1 } else { 0 };
        round.held.insert(tenant.clone());
        round.failed = true;
    }

    fn note_failing(&mut self, change: impl FnOnce(&mut BTreeSet<TenantId>)) {
        let before = self.failing.len();
        change(&mut self.failing);
        self.flusher.0.metrics.failing(before, self.failing.len());
    }

    /// All of the generation, and of those before it, is in the catalogs: the log may let go of it.
    async fn conclude(&mut self, closed: &ClosedGeneration) -> Result<(), FlushError> {
        let (inner, generation) = (&self.flusher.0, closed.number);
        if !closed.flushed {
            inner.group.propose(ShardCommand::Flushed { generation }).await?;
            self.delivered.retain(|(other, _)| *other != generation);
            if let ClosedData::Local(local) = &closed.data {
                let (shard, bytes) = (self.flusher.shard(), local.bytes());
                inner.metrics.flushed(bytes);
                tracing::info!(shard, generation, bytes, "generation flushed");
            }
        }
        // What an earlier journal left behind is in no log that could let go of it.
        if let Some(frozen) = closed.frozen {
            let payload = ShardState::checkpoint(generation, frozen.next);
            inner.group.checkpoint(frozen.at, payload.into()).await?;
        }
        self.lingering.insert(generation, inner.clock.elapsed());
        Ok(())
    }

    /// Drops generations that lingered long enough, in order, and deletes those that nobody reads any more.
    async fn drop_old(&mut self) {
        let inner = &self.flusher.0;
        let linger = Duration::from_secs(inner.config.linger_seconds);
        while let Some((&generation, &since)) = self.lingering.first_key_value()
            && inner.clock.elapsed().saturating_sub(since) >= linger
            && *inner.encoding.lock() != Some(generation)
        {
            self.doubt_views();
            self.lingering.remove(&generation);
            self.doomed.extend(inner.head.dropped(generation));
        }
        for closed in std::mem::take(&mut self.doomed) {
            if is_read(&closed) || !self.delete(closed.number).await {
                self.doomed.push(closed);
            }
        }
    }

    /// What another replica committed is not in the views that are known here: whoever reads must look, once generations
    /// are no longer here.
    fn doubt_views(&self) {
        if !self.flusher.0.group.is_alone() {
            self.flusher.0.uploader.catalogs.doubt_views();
        }
    }

    /// Deletes the files of generations that this replica never dropped, because it was restored behind them.
    async fn sweep(&mut self) {
        let (floor, store) = (self.flusher.0.head.floor(), self.flusher.0.local.clone());
        if floor <= self.swept {
            return;
        }
        self.doubt_views();
        let mut kept: BTreeSet<u64> = self.doomed.iter().map(|closed| closed.number).collect();
        kept.extend(*self.flusher.0.encoding.lock());
        let deleted = self.flusher.0.offload.run(move || store.delete_through(floor, &kept)).await;
        match deleted.map_err(FlushError::from).flatten() {
            Ok(()) => self.swept = floor,
            Err(error) => {
                tracing::warn!(shard = self.flusher.shard(), %error, "cannot delete local blocks");
            }
        }
    }

    /// Whether the files are gone; if not, it is tried again.
    async fn delete(&self, generation: u64) -> bool {
        let store = self.flusher.0.local.clone();
        let deleted = self.flusher.0.offload.run(move || store.delete(generation)).await;
        let Err(error) = deleted.map_err(FlushError::from).flatten() else {
            return true;
        };
        tracing::warn!(shard = self.flusher.shard(), generation, %error, "cannot delete local blocks");
        false
    }
}

fn is_read(closed: &ClosedGeneration) -> bool {
    matches!(&closed.data, ClosedData::Local(local) if local.is_read())
}
