//! A cluster of ingesters in memory, whose leaders are told when to move.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use latewood_base::{ErrorKind, Ulid};
use latewood_model::{SeriesRollups, SeriesSamples};
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{
    CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse, ShardGeneration,
};
use latewood_proto::store::{Leaderless, Ring, SelectBatch, SelectStream, StoreApi, StoreError, wire};
use parking_lot::Mutex;

use crate::stores::NamedStore;
use crate::testing::{FakeStore, series, unavailable};

/// Who leads what, and what happens next.
pub(super) struct State {
    pub(super) id: u128,
    pub(super) members: u32,
    /// Node and term by shard. Nobody leads those that are not there.
    pub(super) led: BTreeMap<u32, (u64, u64)>,
    pub(super) data: BTreeMap<u32, Vec<SeriesSamples>>,
    /// What is left of shards without a leader, by shard and node: how far it is, and the names of its series.
    pub(super) left: BTreeMap<(u32, u64), (Leaderless, Vec<String>)>,
    pub(super) dead: BTreeSet<u64>,
    /// Nodes that tell their rings and fail otherwise.
    pub(super) failing: BTreeSet<u64>,
    /// Nodes that never answer.
    pub(super) hung: BTreeSet<u64>,
    /// Nodes that are too old to know of rings.
    pub(super) old: BTreeSet<u64>,
    /// The next select ends after so many series, with this change; with an error if the node does not hang then.
    pub(super) breaks: Option<(usize, Change)>,
    /// What happens when so many rings were asked for.
    pub(super) at_ring: Option<(usize, Change)>,
    pub(super) rings: usize,
    /// Which node was asked for which shards.
    pub(super) asked: Vec<(u64, Vec<u32>)>,
}

pub(super) type Change = Box<dyn FnOnce(&mut State) + Send>;

/// Handles share the cluster.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Mutex<State>>);

/// An ingester of it.
#[derive(Clone)]
struct Node {
    cluster: Cluster,
    id: u64,
}

impl Cluster {
    /// Of so many nodes, with as many shards: node n leads shard n, in which the series `s<n>a` and `s<n>b` are.
    pub(super) fn of(id: u128, members: u32) -> Self {
        let name = |shard: u32, part: &str| format!("s{shard}{part}");
        let data = |shard| ["a", "b"].map(|part| series(&[("__name__", &name(shard, part))], &[(1, 1.0)]));
        Self(Arc::new(Mutex::new(State {
            id,
            members,
            led: (1..=members).map(|shard| (shard, (u64::from(shard), 1))).collect(),
            data: (1..=members).map(|shard| (shard, data(shard).into())).collect(),
            left: BTreeMap::new(),
            dead: BTreeSet::new(),
            failing: BTreeSet::new(),
            hung: BTreeSet::new(),
            old: BTreeSet::new(),
            breaks: None,
            at_ring: None,
            rings: 0,
            asked: Vec::new(),
        })))
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// A node as queriers know it.
    pub(super) fn node(&self, id: u64) -> NamedStore {
        let node = Arc::new(Node { cluster: self.clone(), id });
        NamedStore { name: format!("{id}").into(), api: node.clone(), deletion: Some(node) }
    }

    pub(super) fn nodes(&self) -> Vec<NamedStore> {
        let members = self.change(|state| state.members);
        (1..=u64::from(members)).map(|id| self.node(id)).collect()
    }

    /// Takes what was asked for until now.
    pub(super) fn take_asked(&self) -> Vec<(u64, Vec<u32>)> {
        self.change(|state| std::mem::take(&mut state.asked))
    }
}

impl State {
    /// A shard is led by another node from now on.
    pub(super) fn elect(&mut self, shard: u32, node: u64) {
        let term = self.led.get(&shard).map_or(7, |(_, term)| term + 1);
        self.led.insert(shard, (node, term));
    }

    /// A node goes, and nobody leads what it led.
    pub(super) fn kill(&mut self, node: u64) {
        self.dead.insert(node);
        self.led.retain(|_, (leader, _)| *leader != node);
    }

    fn reach(&self, node: u64) -> Result<(), StoreError> {
        if self.dead.contains(&node) { Err(unavailable()) } else { Ok(()) }
    }

    fn led_by(&self, node: u64) -> Vec<u32> {
        let led = self.led.iter().filter(|(_, (leader, _))| *leader == node);
        led.map(|(shard, _)| *shard).collect()
    }

    /// What a node has of shards that nobody leads.
    fn left_on(&self, node: u64) -> BTreeMap<u32, Leaderless> {
        let left = self.left.iter().filter(|((shard, on), _)| *on == node && !self.led.contains_key(shard));
        left.map(|((shard, _), (leaderless, _))| (*shard, *leaderless)).collect()
    }

    /// A node's series of a shard.
    fn series_of(&self, shard: u32, node: u64) -> Vec<SeriesSamples> {
        match self.left.get(&(shard, node)) {
            Some((_, names)) if !self.led.contains_key(&shard) => {
                names.iter().map(|name| series(&[("__name__", name)], &[(1, 1.0)])).collect()
            }
            _ => self.data[&shard].clone(),
        }
    }

    /// The shards that a node answers for.
    fn answering(&mut self, node: u64, wanted: &[u32], allow_stale: bool) -> Result<Vec<u32>, StoreError> {
        self.asked.push((node, wanted.to_vec()));
        self.reach(node)?;
        if self.failing.contains(&node) {
            return Err(unavailable());
        }
        let mut led = self.led_by(node);
        if allow_stale {
            led.extend(self.left_on(node).into_keys());
        }
        let lacking: Vec<u32> = wanted.iter().copied().filter(|shard| !led.contains(shard)).collect();
        match (wanted.is_empty(), lacking.is_empty()) {
            (true, _) => Ok(led),
            (false, true) => Ok(wanted.to_vec()),
            (false, false) => Err(StoreError::NotLeader { shards: lacking }),
        }
    }
}

impl Node {
    async fn wait_if_hung(&self) {
        if self.cluster.change(|state| state.hung.contains(&self.id)) {
            std::future::pending::<()>().await;
        }
    }

    fn store(&self, view: Option<&wire::View>) -> Result<FakeStore, StoreError> {
        let wanted = view.map_or_else(Vec::new, |view| view.shards.clone());
        self.cluster.change(|state| {
            let allow_stale = view.is_some_and(|view| view.allow_stale);
            let shards = state.answering(self.id, &wanted, allow_stale)?;
            let data = shards.iter().flat_map(|shard| state.series_of(*shard, self.id));
            Ok(FakeStore::holding(data.collect()))
        })
    }
}

#[async_trait]
impl StoreApi for Node {
    async fn select(&self, request: wire::SelectRequest) -> Result<SelectStream, StoreError> {
        self.wait_if_hung().await;
        let mut store = self.store(request.scope.as_ref().and_then(|scope| scope.view.as_ref()))?;
        self.cluster.change(|state| {
            if let Some((after, change)) = state.breaks.take() {
                change(state);
                store.series.truncate(after);
                store.late_failure = (!state.hung.contains(&self.id)).then(unavailable);
            }
        });
        let series = store.select(request).await?;
        let node = self.clone();
        let hanging = series.chain(stream::once(async move {
            node.wait_if_hung().await;
            Ok(SelectBatch::default())
        }));
        Ok(hanging.boxed())
    }

    async fn label_names(&self, request: wire::LabelNamesRequest) -> Result<wire::LabelStrings, StoreError> {
        let store = self.store(request.scope.as_ref().and_then(|scope| scope.view.as_ref()))?;
        store.label_names(request).await
    }

    async fn label_values(
        &self,
        request: wire::LabelValuesRequest,
    ) -> Result<wire::LabelStrings, StoreError> {
        let store = self.store(request.scope.as_ref().and_then(|scope| scope.view.as_ref()))?;
        store.label_values(request).await
    }

    async fn metadata(&self, request: wire::MetadataRequest) -> Result<wire::MetadataResponse, StoreError> {
        self.store(request.view.as_ref())?.metadata(request).await
    }

    async fn exemplars(
        &self,
        request: wire::ExemplarsRequest,
    ) -> Result<wire::ExemplarsResponse, StoreError> {
        self.store(request.view.as_ref())?.exemplars(request).await
    }

    async fn select_rollups(
        &self,
        request: wire::RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        FakeStore::default().select_rollups(request).await
    }

    async fn statistics(
        &self,
        request: wire::StatisticsRequest,
    ) -> Result<wire::StatisticsResponse, StoreError> {
        self.store(request.view.as_ref())?.statistics(request).await
    }

    async fn spans(&self, request: wire::SpansRequest) -> Result<wire::SpansResponse, StoreError> {
        self.store(request.view.as_ref())?.spans(request).await
    }

    async fn ring(&self, _: wire::RingRequest) -> Result<wire::RingResponse, StoreError> {
        self.wait_if_hung().await;
        self.cluster.change(|state| {
            state.rings += 1;
            if state.at_ring.as_ref().is_some_and(|(rings, _)| state.rings >= *rings) {
                let (_, change) = state.at_ring.take().unwrap();
                change(state);
            }
            state.reach(self.id)?;
            if state.old.contains(&self.id) {
                return Err(StoreError::new(ErrorKind::Unsupported, "unknown call"));
            }
            let led = state.led.iter().filter(|(_, (leader, _))| *leader == self.id);
            Ok(Ring {
                cluster: Ulid(state.id),
                node: self.id,
                members: state.members,
                shards: state.data.keys().copied().collect(),
                led: led.map(|(shard, (_, term))| (*shard, *term)).collect(),
                leaderless: state.left_on(self.id),
            }
            .to_wire())
        })
    }
}

#[async_trait]
impl DeletionApi for Node {
    async fn log(&self, request: LogRequest) -> Result<LogResponse, StoreError> {
        let shards = self.cluster.change(|state| state.answering(self.id, &request.shards, false))?;
        let open = shards.into_iter().map(|shard| ShardGeneration { shard, generation: 7 });
        Ok(LogResponse { open: open.collect() })
    }

    async fn commit(&self, _: CommitRequest) -> Result<CommitResponse, StoreError> {
        Err(StoreError::new(ErrorKind::Internal, "not asked for"))
    }

    async fn clean(&self, _: CleanRequest) -> Result<CleanResponse, StoreError> {
        Err(StoreError::new(ErrorKind::Internal, "not asked for"))
    }
}
