//! The control group of a node: what the cluster agrees on, and how it is changed.

mod changes;
mod members;

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Shutdown};
use latewood_catalog::ClusterRecord;
use latewood_cluster::{ClusterError, ControlCommand, ControlState, Group, Known, Member, Peer, next_step};
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use self::changes::ChangeError;
use self::members::{away, members};
use super::{AddressBook, Control, Nodes, RemoteControl, RingConfig};

/// The group of the journal that has what the nodes agree on.
pub(crate) const CONTROL_GROUP: u64 = 0;
/// How often a node looks at what is to be done.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one change of the group's members may take before it is begun anew.
const CHANGE_WAIT: Duration = Duration::from_secs(10);
/// For so long those who are members no more hear what has changed, so that they know it.
const LINGER: Duration = Duration::from_secs(2);
/// After so many changes the log is cut.
const CHECKPOINT_EVERY: u64 = 64;

/// Who a node is.
#[derive(Clone, Debug)]
pub(crate) struct Itself {
    /// Its id.
    pub(crate) node: u64,
    /// Where others reach it, and what it shares its fate with.
    pub(crate) member: Member,
}

/// This node's part in what the nodes agree on. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ControlGroup(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    itself: Itself,
    record: ClusterRecord,
    config: RingConfig,
    group: Group<ControlState>,
    known: watch::Receiver<Known>,
    book: Arc<AddressBook>,
    /// The control group where another node leads it.
    remote: RemoteControl,
    clock: Clock,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Whether the node is to be a member: not when it was told to go.
    leaves: bool,
    /// The generation of the view in which it said that it is there, since it started.
    announced: Option<u64>,
    /// The generation of the last checkpoint.
    checkpoint: u64,
    /// The term that this node leads in, and since when.
    led: Option<(u64, Duration)>,
    /// The generation of the view, and since when.
    viewed: Option<(u64, Duration)>,
}

impl ControlGroup {
    pub(crate) fn new(
        itself: Itself,
        record: ClusterRecord,
        config: RingConfig,
        (group, known): (Group<ControlState>, watch::Receiver<Known>),
        book: Arc<AddressBook>,
        clock: Clock,
    ) -> Self {
        let (nodes, cluster) = (Arc::clone(&book) as Arc<dyn Nodes>, record.cluster);
        let remote = RemoteControl { nodes, cluster };
        let progress = Mutex::default();
        Self(Arc::new(Inner { itself, record, config, group, known, book, remote, clock, progress }))
    }

    /// This node's id.
    pub(crate) fn node(&self) -> u64 {
        self.0.itself.node
    }

    /// Whether the view is of a time after this node's start. After a crash a replica may at first know less than it
    /// knew before.
    pub(crate) fn is_fresh(&self) -> bool {
        let announced = self.0.progress.lock().announced;
        announced.is_some_and(|generation| self.view().generation >= generation)
    }

    /// Sees the view change.
    pub(crate) fn changes(&self) -> watch::Receiver<Known> {
        self.0.known.clone()
    }

    /// The group.
    pub(crate) fn group(&self) -> &Group<ControlState> {
        &self.0.group
    }

    /// The addresses of nodes, as peers of a group.
    pub(crate) fn peers(&self, nodes: &[u64]) -> Vec<Peer> {
        let view = self.view();
        let of_founders = |id: u64| self.0.record.founders.iter().find(|founder| founder.node == id);
        let address = |id: u64| match view.members.get(&id) {
            Some(member) => member.address.clone(),
            None => of_founders(id).map(|founder| founder.address.clone()).unwrap_or_default(),
        };
        nodes.iter().map(|&id| Peer { id, address: address(id) }).collect()
    }

    /// Does what is to be done, until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut known = self.changes();
        loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                _ = known.changed() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let turn = async {
                self.0.book.learn_view(&self.view());
                self.cut_log().await?;
                Box::pin(self.lead()).await
            };
            let done = tokio::select! {
                () = shutdown.begun() => return,
                done = turn => done,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a step for the cluster is tried again");
            }
        }
    }

    /// Says that this node is there until it is a member, and again when it is none any more, until the shutdown.
    pub(crate) async fn announce(self, shutdown: Shutdown) {
        let mut known = self.changes();
        loop {
            if self.is_missed() {
                let Itself { node, member } = self.0.itself.clone();
                let join = ControlCommand::Join { node, member };
                let joined = tokio::select! {
                    () = shutdown.begun() => return,
                    joined = Box::pin(self.change_anywhere(&join)) => joined,
                };
                match joined {
                    Ok(generation) => self.0.progress.lock().announced = Some(generation),
                    Err(error) => tracing::warn!(%error, "this node is not a member of its cluster yet"),
                }
            }
            tokio::select! {
                () = shutdown.begun() => return,
                _ = known.changed() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    fn is_missed(&self) -> bool {
        let (view, progress) = (self.view(), self.0.progress.lock());
        // What this node knows may be long ago, until somebody has heard of it.
        let is_member = view.members.contains_key(&self.node());
        !progress.leaves && (progress.announced.is_none() || view.is_founded() && !is_member)
    }

    /// Gives away this node's shards; it may be stopped when it has none.
    ///
    /// # Errors
    /// Those of [`ControlGroup::change_anywhere`].
    pub(crate) async fn leave(&self) -> Result<(), ChangeError> {
        self.0.progress.lock().leaves = true;
        if !self.view().members.contains_key(&self.node()) {
            return Ok(());
        }
        self.change_anywhere(&ControlCommand::Drain { node: self.node() }).await.map(drop)
    }

    /// Takes shards again, after [`ControlGroup::leave`].
    pub(crate) fn stay(&self) {
        let mut progress = self.0.progress.lock();
        (progress.leaves, progress.announced) = (false, None);
    }

    /// Whether it was told to leave.
    pub(crate) fn leaves(&self) -> bool {
        self.0.progress.lock().leaves
    }

    async fn cut_log(&self) -> Result<(), ClusterError> {
        let known = self.0.known.borrow().clone();
        if known.view.generation < self.0.progress.lock().checkpoint + CHECKPOINT_EVERY {
            return Ok(());
        }
        self.0.group.checkpoint(known.position, ControlState::checkpoint(&known.view)).await?;
        self.0.progress.lock().checkpoint = known.view.generation;
        Ok(())
    }

    /// What the leader of the control group does.
    async fn lead(&self) -> Result<(), ClusterError> {
        let Some(term) = self.0.group.leader_term() else { return Ok(()) };
        let view = self.view();
        if !view.is_founded() {
            return self.change(self.founding()).await.map(drop);
        }
        let (led, quiet) = self.since(term, view.generation);
        let status = self.0.group.status();
        let limit = Duration::from_secs(self.0.config.forget_after_seconds);
        let away = away(&status.heard, led, limit);
        if let Some((voters, learners)) = members(&view, &status, &away, quiet >= LINGER) {
            let (voters, learners) = (self.peers(&voters), self.peers(&learners));
            let changing = self.0.group.change_members(&voters, &learners);
            return tokio::time::timeout(CHANGE_WAIT, changing).await.unwrap_or_else(|_| {
                tracing::warn!("who is to vote in the control group does not catch up");
                Ok(())
            });
        }
        match next_step(&view, &away) {
            Some(step) => {
                tracing::info!(?step, "the cluster changes");
                self.change(step).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// For how long this node has led in a term, and for how long the view has been of a generation.
    fn since(&self, term: u64, generation: u64) -> (Duration, Duration) {
        let (now, mut progress) = (self.0.clock.elapsed(), self.0.progress.lock());
        let since = |seen: &mut Option<(u64, Duration)>, number: u64| {
            let (_, at) = seen.filter(|(seen, _)| *seen == number).unwrap_or((number, now));
            *seen = Some((number, at));
            now.saturating_sub(at)
        };
        (since(&mut progress.led, term), since(&mut progress.viewed, generation))
    }

    fn founding(&self) -> ControlCommand {
        let record = &self.0.record;
        let founders = record.founders.iter();
        ControlCommand::Found {
            cluster: record.cluster,
            replication_factor: record.replication_factor,
            shards: record.shards.clone(),
            members: founders
                .map(|founder| (founder.node, Member::new(&founder.address, &founder.zone)))
                .collect(),
        }
    }
}
