//! What happened, and whether it may.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use latewood_cluster::Position;
use parking_lot::Mutex;

/// What happened in a run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    /// What stands at each index of the log, as the first replica that applied it had it.
    log: BTreeMap<u64, (u64, u64)>,
    acknowledged: BTreeSet<u64>,
    reads: usize,
    violations: Vec<String>,
    trace: DefaultHasher,
}

impl History {
    /// A replica applied a number.
    pub fn applied(&self, node: u64, at: Position, number: u64) {
        self.note(&(node, at.term, at.index, number));
        let mut events = self.0.lock();
        let there = *events.log.entry(at.index).or_insert((at.term, number));
        if there != (at.term, number) {
            let text = format!(
                "node {node} has {number} at {at}, where another had {} of term {}",
                there.1, there.0
            );
            events.violations.push(text);
        }
    }

    /// A client was told that its number is there.
    pub fn acknowledged(&self, number: u64, at: Position) {
        self.note(&(number, at.term, at.index));
        self.0.lock().acknowledged.insert(number);
    }

    /// All numbers that were acknowledged until now.
    pub fn all_acknowledged(&self) -> BTreeSet<u64> {
        self.0.lock().acknowledged.clone()
    }

    /// A replica said that it has all that was acknowledged before it was asked.
    pub fn read(&self, node: u64, before: &BTreeSet<u64>, numbers: &[(Position, u64)]) {
        self.note(&(node, numbers.len()));
        self.0.lock().reads += 1;
        self.check_has_all(&format!("a read at node {node}"), before, numbers);
    }

    /// What a replica has holds all of these numbers.
    pub fn check_has_all(&self, who: &str, all: &BTreeSet<u64>, numbers: &[(Position, u64)]) {
        let there: BTreeSet<u64> = numbers.iter().map(|(_, number)| *number).collect();
        let missing: Vec<&u64> = all.difference(&there).collect();
        if !missing.is_empty() {
            self.violation(format!("{who} lacks {missing:?}, which were acknowledged"));
        }
    }

    pub fn violation(&self, text: String) {
        self.0.lock().violations.push(text);
    }

    /// Something that must be the same in each run of the seed.
    pub fn note(&self, what: &impl Hash) {
        what.hash(&mut self.0.lock().trace);
    }

    /// Violations, how much was acknowledged and read, and a hash of all that happened.
    pub fn close(&self) -> (Vec<String>, usize, usize, u64) {
        let events = self.0.lock();
        (events.violations.clone(), events.acknowledged.len(), events.reads, events.trace.finish())
    }
}
