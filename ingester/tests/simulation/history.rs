//! What happened, and whether it may.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;

/// What a run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub acknowledged: usize,
    pub reads: usize,
    /// How many blocks were committed.
    pub blocks: usize,
    /// A hash of all that happened.
    pub trace: u64,
}

/// What happened in a run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    /// How often each sample was sent.
    sent: BTreeMap<u32, usize>,
    acknowledged: BTreeSet<u32>,
    reads: usize,
    blocks: usize,
    violations: Vec<String>,
    trace: DefaultHasher,
}

impl History {
    /// The numbers of so many new samples.
    pub fn number(&self, count: u64) -> Vec<u32> {
        let mut events = self.0.lock();
        let first = events.sent.last_key_value().map_or(1, |(last, _)| last + 1);
        let numbers: Vec<u32> = (first..).take(usize::try_from(count).unwrap()).collect();
        events.sent.extend(numbers.iter().map(|number| (*number, 0)));
        numbers
    }

    /// A client sends samples, perhaps again.
    pub fn send(&self, numbers: &[u32]) {
        self.note(&numbers);
        let mut events = self.0.lock();
        for number in numbers {
            *events.sent.entry(*number).or_default() += 1;
        }
    }

    /// A client was told that its samples are there.
    pub fn acknowledged(&self, numbers: &[u32]) {
        self.note(&("acknowledged", numbers));
        self.0.lock().acknowledged.extend(numbers);
    }

    /// All samples that were acknowledged until now.
    pub fn all_acknowledged(&self) -> BTreeSet<u32> {
        self.0.lock().acknowledged.clone()
    }

    /// A whole answer: how often each sample was found in head and blocks, where these were acknowledged before.
    pub fn read(&self, who: &str, before: &BTreeSet<u32>, found: &BTreeMap<u32, usize>) {
        self.note(&(who, before.len(), found));
        let mut events = self.0.lock();
        events.reads += 1;
        let missing: Vec<&u32> = before.iter().filter(|number| !found.contains_key(number)).collect();
        // A sample that was sent again may be in two generations: the tie rule makes one of them.
        let sent = |number: &u32| events.sent.get(number).copied().unwrap_or(0);
        let doubled: Vec<_> = found.iter().filter(|(number, count)| **count > sent(number)).collect();
        let mut violations = Vec::new();
        if !missing.is_empty() {
            violations.push(format!("{who} lacks {missing:?}, which were acknowledged"));
        }
        if !doubled.is_empty() {
            violations
                .push(format!("{who} has more often than they were sent, each with its count: {doubled:?}"));
        }
        events.violations.extend(violations);
    }

    /// How many blocks there are in the end.
    pub fn blocks(&self, count: usize) {
        self.note(&count);
        self.0.lock().blocks = count;
    }

    pub fn violation(&self, text: String) {
        self.0.lock().violations.push(text);
    }

    /// Something that must be the same in each run of the seed.
    pub fn note(&self, what: &impl Hash) {
        what.hash(&mut self.0.lock().trace);
    }

    pub fn close(&self) -> Outcome {
        let events = self.0.lock();
        Outcome {
            violations: events.violations.clone(),
            acknowledged: events.acknowledged.len(),
            reads: events.reads,
            blocks: events.blocks,
            trace: events.trace.finish(),
        }
    }
}
