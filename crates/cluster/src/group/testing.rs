//! A state that remembers all, and nodes that a test takes apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::{Clock, Rng};
use latewood_wal::testing::MemoryFiles;
use latewood_wal::{Journal, WalConfig};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use super::Group;
use crate::{Command, DecodeError, GroupId, Peer, Position, ReplicatedState, Transport, TransportError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) Arc<str>);

impl Command for Word {
    fn encode(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_bytes())
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| DecodeError(error.to_string()))?;
        Ok(Self(text.into()))
    }
}

/// What was restored, and all that was applied since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) restored: Option<(Vec<u8>, Position)>,
    pub(super) applied: Vec<(Position, Word)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sentence(pub(super) Arc<Mutex<Words>>);

impl ReplicatedState for Sentence {
    type Command = Word;
    type Response = usize;

    fn apply(&mut self, position: Position, command: &Word) -> usize {
        let mut words = self.0.lock();
        words.applied.push((position, command.clone()));
        words.applied.len()
    }

    fn restore(&mut self, checkpoint: &[u8], position: Position) {
        *self.0.lock() = Words { restored: Some((checkpoint.to_vec(), position)), applied: Vec::new() };
    }
}

pub(super) fn journal(files: &MemoryFiles) -> Journal {
    let config = WalConfig { segment_bytes: 4096, ..WalConfig::default() };
    let clock = Clock::manual(0).0;
    let opened = Journal::open_on(files.mount(), config, &Rng::seeded(1), &clock, &mut Registry::default());
    opened.unwrap().0
}

pub(super) fn word(text: &str) -> Word {
    Word(text.into())
}

/// A way between nodes that loses what a test says.
#[derive(Clone, Debug, Default)]
pub(super) struct Wires(Arc<Mutex<Wiring>>);

#[derive(Debug, Default)]
struct Wiring {
    groups: BTreeMap<u64, Group<Sentence>>,
    /// Ordered pairs of nodes between which nothing passes.
    cut: BTreeSet<(u64, u64)>,
    /// One of so many requests, and one of so many answers, is lost; 0 loses none.
    one_lost_of: u64,
    asked: u64,
}

/// The way from one node to the others.
#[derive(Clone, Debug)]
pub(super) struct From(pub(super) u64, pub(super) Wires);

impl Wires {
    /// Puts a node's group in reach of the others.
    pub(super) fn connect(&self, node: u64, group: Group<Sentence>) {
        self.0.lock().groups.insert(node, group);
    }

    /// Takes a node away.
    pub(super) fn disconnect(&self, node: u64) {
        self.0.lock().groups.remove(&node);
    }

    /// Lets nothing pass between these nodes and the others.
    pub(super) fn part(&self, one_side: &[u64], other_side: &[u64]) {
        let both = one_side.iter().flat_map(|a| other_side.iter().flat_map(move |b| [(*a, *b), (*b, *a)]));
        self.0.lock().cut.extend(both);
    }

    /// Lets everything pass again.
    pub(super) fn heal(&self) {
        self.0.lock().cut.clear();
    }

    /// Loses one of so many requests and answers.
    pub(super) fn lose_one_of(&self, number: u64) {
        self.0.lock().one_lost_of = number;
    }

    /// The group there, unless it is out of reach from `from`.
    fn reach(&self, from: u64, to: u64) -> Option<Group<Sentence>> {
        let mut wiring = self.0.lock();
        wiring.asked += 1;
        let is_lost = wiring.one_lost_of > 0 && wiring.asked.is_multiple_of(wiring.one_lost_of);
        let passes = !is_lost && !wiring.cut.contains(&(from, to));
        passes.then(|| wiring.groups.get(&to).cloned()).flatten()
    }
}

#[async_trait]
impl Transport for From {
    async fn ask(&self, peer: &Peer, _: GroupId, request: Bytes) -> Result<Bytes, TransportError> {
        let Self(from, wires) = self;
        let lost = |reason: &str| TransportError::Lost { peer: peer.clone(), reason: reason.to_owned() };
        let group = wires.reach(*from, peer.id).ok_or_else(|| lost("the wire is cut"))?;
        let answer = group.answer(request).await.map_err(|error| lost(&error.to_string()))?;
        wires.reach(*from, peer.id).map(|_| answer).ok_or_else(|| lost("the answer went away"))
    }
}
