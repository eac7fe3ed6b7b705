//! What a request asks of, checked.

use std::collections::{BTreeMap, BTreeSet};

use latewood_base::{ErrorKind, Offload};
use latewood_model::{Matcher, TenantId, TimeRange};
use latewood_proto::store::{StoreError, distinct_shards, matchers_from_wire, wire};

/// The most matchers of a request.
const MAX_MATCHERS: usize = 1_000;

/// A checked scope.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) view: PinnedView,
    pub(super) matchers: Vec<Matcher>,
    pub(super) range: TimeRange,
}

/// A tenant and the catalog version that was pinned for it.
#[derive(Clone, Debug)]
pub(super) struct PinnedView {
    pub(super) tenant: TenantId,
    pub(super) version: u64,
    flushed: BTreeMap<u32, u64>,
    /// The shards that are asked for; all, if none is named.
    pub(super) shards: BTreeSet<u32>,
    /// Whether those that nobody leads may be answered as they are.
    pub(super) allow_stale: bool,
}

impl PinnedView {
    pub(super) fn new(tenant: &str, view: Option<wire::View>) -> Result<Self, StoreError> {
        let tenant = TenantId::new(tenant).map_err(invalid)?;
        let view = view.unwrap_or_default();
        let flushed = view.flushed.iter().map(|shard| (shard.shard, shard.generation));
        let shards = distinct_shards(&view.shards)?;
        let (version, flushed, allow_stale) = (view.version, flushed.collect(), view.allow_stale);
        Ok(Self { tenant, version, flushed, shards, allow_stale })
    }

    /// The last generation of a shard that is in blocks of the view.
    pub(super) fn flushed(&self, shard: u32) -> u64 {
        self.flushed.get(&shard).copied().unwrap_or(0)
    }
}

impl Scope {
    pub(super) async fn new(scope: Option<wire::Scope>, offload: &Offload) -> Result<Self, StoreError> {
        let scope = scope.ok_or_else(|| invalid("the request has no scope"))?;
        Ok(Self {
            view: PinnedView::new(&scope.tenant, scope.view)?,
            matchers: matchers(scope.matchers, offload).await?,
            range: TimeRange::new(scope.start_ms, scope.end_ms),
        })
    }
}

pub(super) async fn matchers(
    sent: Vec<wire::LabelMatcher>,
    offload: &Offload,
) -> Result<Vec<Matcher>, StoreError> {
    if sent.len() > MAX_MATCHERS {
        let text = format!("{} matchers; at most {MAX_MATCHERS} are allowed", sent.len());
        return Err(StoreError::new(ErrorKind::TooLarge, text));
    }
    matchers_from_wire(sent, offload).await
}

fn invalid(error: impl ToString) -> StoreError {
    StoreError::new(ErrorKind::Invalid, error)
}
