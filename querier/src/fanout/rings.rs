//! What ingesters told of their clusters, asked beside the queries.
//!
//! A query finds here whom to ask for a shard without asking first. That can be out of date: whoever is asked and does not
//! lead refuses, and all are asked anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{ErrorKind, Kinded, Ulid};
use latewood_proto::store::wire::{RingRequest, RingResponse};
use latewood_proto::store::{Leaderless, Ring, StoreApi, StoreError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::assignment::{Assignment, Heard, Peer, Shards};
use crate::stores::{NamedStore, Stores};

/// How old what an ingester told may be when a query comes; older, it is asked beside the query.
const REFRESH: Duration = Duration::from_secs(5);
/// How long an ingester may take to tell.
const DEADLINE: Duration = Duration::from_secs(2);
/// How soon an ingester is asked again while a leader is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// What ingesters told of their clusters.
pub(super) struct Rings {
    stores: Stores,
    known: Mutex<BTreeMap<Arc<str>, Known>>,
    /// How many answers and failures there were.
    changed: watch::Sender<u64>,
}

/// What is known of one ingester.
#[derive(Clone)]
struct Known {
    store: NamedStore,
    peer: Peer,
    is_asked: bool,
    /// When it was asked last.
    asked_at: Option<Instant>,
    /// Which of all answers and failures its last one is.
    ended: u64,
}

/// What ingesters must answer for.
#[derive(Default)]
pub(super) struct Heads {
    /// Those who are asked for all that they have.
    pub(super) whole: Vec<NamedStore>,
    /// All shards of the clusters that are known.
    pub(super) shards: Shards,
    /// Those that are nodes of clusters of several, be they there or not.
    pub(super) nodes: BTreeSet<Arc<str>>,
    /// Who may have samples that nobody else has and could not be asked, and why.
    pub(super) missing: Vec<(Arc<str>, StoreError)>,
    /// How many ingesters there are.
    pub(super) ingesters: usize,
}

/// An ingester and the shards that it leads.
pub(super) struct Leader {
    pub(super) store: NamedStore,
    pub(super) cluster: Ulid,
    pub(super) shards: Vec<u32>,
    /// Whether nobody else could.
    pub(super) stands_alone: bool,
}

/// An ingester that hears nobody lead some shards, and has more of them than others.
pub(super) struct Follower {
    pub(super) store: NamedStore,
    pub(super) cluster: Ulid,
    /// How far it is in each.
    pub(super) shards: BTreeMap<u32, Leaderless>,
}

/// Who leads the shards that were asked for.
#[derive(Default)]
pub(super) struct Found {
    pub(super) leaders: Vec<Leader>,
    /// Those of them that nobody is known to lead.
    pub(super) unclaimed: Vec<u32>,
    /// Whom to ask for some of the unclaimed all the same: each for those that it has the most of.
    pub(super) leaderless: Vec<Follower>,
    /// Those of them whose cluster nobody tells of any more.
    pub(super) forgotten: Vec<u32>,
}

impl Known {
    fn of(store: NamedStore) -> Self {
        Self { store, peer: Peer::default(), is_asked: false, asked_at: None, ended: 0 }
    }

    /// Whether it may be asked that was not for this long. Who takes longer to tell than that is possible was given up.
    fn is_due(&self, since: Duration) -> bool {
        let since = if self.is_asked { 2 * DEADLINE } else { since };
        self.asked_at.is_none_or(|at| at.elapsed() >= since)
    }
}

impl Rings {
    pub(super) fn new(stores: Stores) -> Arc<Self> {
        Arc::new(Self { stores, known: Mutex::default(), changed: watch::Sender::default() })
    }

    /// What ingesters must answer for. Waits for those that never told, unless they may be of a cluster that is known.
    pub(super) async fn heads(self: &Arc<Self>) -> Heads {
        let (begun, mut changed) = (Instant::now(), self.changed.subscribe());
        let before = *changed.borrow();
        loop {
            changed.mark_unchanged();
            let known = self.known();
            self.ask(|one| one.is_due(REFRESH));
            let assignment = assign(&known);
            let must_tell = |(place, one): &(usize, &Known)| {
                let never_tried = one.peer.heard.is_none() && one.peer.away.is_none();
                (never_tried || assignment.missing.contains(place)) && one.ended <= before
            };
            let waiting = known.iter().enumerate().filter(must_tell);
            let waiting: BTreeSet<&str> = waiting.map(|(_, one)| &*one.store.name).collect();
            if waiting.is_empty() || begun.elapsed() > 2 * DEADLINE {
                return Heads::of(&known, &assignment);
            }
            self.ask(|one| waiting.contains(&*one.store.name) && one.is_due(Duration::ZERO));
            let _changed = timeout(DEADLINE, changed.changed()).await;
        }
    }

    /// Who leads these shards. Waits while nobody is known to lead some of them, but not for longer than this.
    pub(super) async fn leaders(self: &Arc<Self>, wanted: &Shards, patience: Duration) -> Found {
        let (begun, mut changed) = (Instant::now(), self.changed.subscribe());
        loop {
            changed.mark_unchanged();
            let known = self.known();
            let found = Found::of(wanted, &known, &assign(&known));
            let left = patience.saturating_sub(begun.elapsed());
            if found.unclaimed.is_empty() || left.is_zero() {
                return found;
            }
            self.ask(|one| one.is_due(PAUSE));
            let _changed = timeout(left.min(PAUSE), changed.changed()).await;
        }
    }

    /// Returns when an ingester that was asked for shards is known to be away, and others to lead them: it need not be
    /// waited for, such as where its machine is gone and nobody has closed the connection.
    pub(super) async fn replaced(self: &Arc<Self>, store: &NamedStore, cluster: Ulid, shards: &[u32]) {
        let wanted: Shards = [(cluster, shards.iter().copied().collect())].into();
        loop {
            tokio::time::sleep(DEADLINE).await;
            let known = self.known();
            let is_it = |one: &&Known| Arc::ptr_eq(&one.store.api, &store.api);
            let is_there = known.iter().find(is_it).is_some_and(|one| one.peer.away.is_none());
            if !is_there && Found::of(&wanted, &known, &assign(&known)).unclaimed.is_empty() {
                return;
            }
            self.ask(|one| one.is_due(DEADLINE));
        }
    }

    /// Returns when an ingester is known to be away.
    pub(super) async fn away(self: &Arc<Self>, store: &NamedStore) {
        loop {
            tokio::time::sleep(DEADLINE).await;
            let known = self.known();
            let is_it = |one: &&Known| Arc::ptr_eq(&one.store.api, &store.api);
            if known.iter().find(is_it).is_none_or(|one| one.peer.away.is_some()) {
                return;
            }
            self.ask(|one| one.is_due(DEADLINE));
        }
    }

    /// Takes note that an ingester did not answer for shards: it leads them no more, or is away.
    pub(super) fn doubt(&self, store: &NamedStore, error: &StoreError) {
        self.update(&store.name, &store.api, |one| match (error, &mut one.peer.heard) {
            (StoreError::NotLeader { shards }, Some(Heard::Ring(ring))) => {
                let ring = Arc::make_mut(ring);
                for shard in shards {
                    ring.led.remove(shard);
                    ring.leaderless.remove(shard);
                }
            }
            _ => one.peer.away = Some(error.clone()),
        });
    }

    /// Has those tell who are to.
    fn ask(self: &Arc<Self>, is_to_tell: impl Fn(&Known) -> bool) {
        let mut asked = Vec::new();
        for one in self.known.lock().values_mut().filter(|one| is_to_tell(one)) {
            one.is_asked = true;
            one.asked_at = Some(Instant::now());
            asked.push(one.store.clone());
        }
        for store in asked {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.heard(&store, tell(&*store.api).await) });
        }
    }

    fn heard(&self, store: &NamedStore, heard: Result<Heard, StoreError>) {
        self.update(&store.name, &store.api, |one| {
            one.is_asked = false;
            one.ended = *self.changed.borrow() + 1;
            match heard {
                Ok(heard) => one.peer = Peer { heard: Some(heard), away: None },
                Err(error) => one.peer.away = Some(error),
            }
        });
        self.changed.send_modify(|count| *count += 1);
    }

    /// What is known of the ingesters that there are now, by their names. One that has gone is forgotten: whoever comes under
    /// its name may be another.
    fn known(&self) -> Vec<Known> {
        let (stores, mut known) = (self.stores.now(), self.known.lock());
        let is_there = |name: &Arc<str>, one: &mut Known| {
            stores.iter().any(|store| store.name == *name && Arc::ptr_eq(&store.api, &one.store.api))
        };
        known.retain(is_there);
        for store in &*stores {
            known.entry(Arc::clone(&store.name)).or_insert_with(|| Known::of(store.clone()));
        }
        known.values().cloned().collect()
    }

    fn update(&self, name: &Arc<str>, api: &Arc<dyn StoreApi>, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock();
        if let Some(one) = known.get_mut(name).filter(|one| Arc::ptr_eq(&one.store.api, api)) {
            change(one);
        }
    }
}

/// What an ingester tells.
async fn tell(api: &dyn StoreApi) -> Result<Heard, StoreError> {
    let late = |_| {
        let text = format!("it did not tell its cluster within {} ms", DEADLINE.as_millis());
        StoreError::new(ErrorKind::Unavailable, text)
    };
    let told: Result<RingResponse, _> = timeout(DEADLINE, api.ring(RingRequest {})).await.map_err(late)?;
    match told {
        Ok(told) => {
            let ring = Ring::from_wire(&told)?;
            // A journal from before there were ids cannot be told from another one by its id.
            Ok(if ring.cluster.is_nil() { Heard::NoRing } else { Heard::Ring(Arc::new(ring)) })
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Heard::NoRing),
        Err(error) => Err(error),
    }
}

fn assign(known: &[Known]) -> Assignment {
    let peers: Vec<Peer> = known.iter().map(|one| one.peer.clone()).collect();
    Assignment::of(&peers)
}

impl Heads {
    fn of(known: &[Known], assignment: &Assignment) -> Self {
        let at = |place: &usize| known.get(*place);
        let untold = || StoreError::new(ErrorKind::Unavailable, "it did not tell its cluster");
        let why = |one: &Known| (Arc::clone(&one.store.name), one.peer.away.clone().unwrap_or_else(untold));
        let clusters = assignment.clusters.iter();
        let is_node = |(place, one): &(usize, &Known)| match &one.peer.heard {
            Some(Heard::Ring(ring)) => !ring.stands_alone(),
            Some(Heard::NoRing) => false,
            None => !assignment.missing.contains(place),
        };
        let nodes = known.iter().enumerate().filter(is_node);
        Self {
            nodes: nodes.map(|(_, one)| Arc::clone(&one.store.name)).collect(),
            whole: assignment.whole.iter().filter_map(at).map(|one| one.store.clone()).collect(),
            shards: clusters.map(|(id, cluster)| (*id, cluster.shards.clone())).collect(),
            missing: assignment.missing.iter().filter_map(at).map(why).collect(),
            ingesters: assignment.ingesters,
        }
    }
}

impl Found {
    fn of(wanted: &Shards, known: &[Known], assignment: &Assignment) -> Self {
        let mut this = Self::default();
        for (id, shards) in wanted {
            let Some(cluster) = assignment.clusters.get(id) else {
                this.forgotten.extend(shards);
                continue;
            };
            let mut led: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
            let mut left: BTreeMap<usize, BTreeMap<u32, Leaderless>> = BTreeMap::new();
            for shard in shards {
                if let Some(place) = cluster.leaders.get(shard) {
                    led.entry(*place).or_default().push(*shard);
                    continue;
                }
                this.unclaimed.push(*shard);
                if let Some((leaderless, place)) = cluster.leaderless.get(shard) {
                    left.entry(*place).or_default().insert(*shard, *leaderless);
                }
            }
            let (cluster, stands_alone) = (*id, cluster.is_one_node());
            let led = led.into_iter().filter_map(|(place, shards)| Some((known.get(place)?, shards)));
            let leaders =
                led.map(|(one, shards)| Leader { store: one.store.clone(), cluster, shards, stands_alone });
            this.leaders.extend(leaders);
            let left = left.into_iter().filter_map(|(place, shards)| Some((known.get(place)?, shards)));
            this.leaderless.extend(left.map(|(one, shards)| Follower {
                store: one.store.clone(),
                cluster,
                shards,
            }));
        }
        this
    }
}
