//! Matchers over a series table: each matcher looks at each distinct label value at most once.

use latewood_model::{METRIC_NAME, MatchOp, Matcher};
use parking_lot::RwLock;

use super::table::SeriesTable;

/// Names looked at under one hold of the lock.
const HOLD: u32 = 256;

/// What a matcher says of a label pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    /// Not looked at yet.
    #[default]
    Open,
    /// Another label.
    Other,
    /// The label, and its value passes.
    Pass,
    /// The label, and its value does not pass.
    Fail,
}

/// A matcher with its verdicts on the pairs it has seen.
#[derive(Debug)]
struct Memo {
    matcher: Matcher,
    matches_empty: bool,
    verdicts: Vec<Verdict>,
}

impl Memo {
    fn new(matcher: Matcher) -> Self {
        let matches_empty = matcher.matches_empty();
        Self { matcher, matches_empty, verdicts: Vec::new() }
    }

    fn verdict(&mut self, table: &SeriesTable, pair: u32) -> Verdict {
        let index = pair as usize;
        if let Some(&known) = self.verdicts.get(index)
            && known != Verdict::Open
        {
            return known;
        }
        let (name, value) = table.pair_text(pair);
        let verdict = match name == self.matcher.name() {
            false => Verdict::Other,
            true if self.matcher.matches(value) => Verdict::Pass,
            true => Verdict::Fail,
        };
        if self.verdicts.len() <= index {
            self.verdicts.resize(table.pairs.len(), Verdict::Open);
        }
        if let Some(place) = self.verdicts.get_mut(index) {
            *place = verdict;
        }
        verdict
    }

    fn passes(&mut self, table: &SeriesTable, pairs: &[u32]) -> bool {
        for &pair in pairs {
            match self.verdict(table, pair) {
                Verdict::Pass => return true,
                Verdict::Fail => return false,
                Verdict::Open | Verdict::Other => {}
            }
        }
        self.matches_empty
    }
}

/// All matchers of a selection. Those on the metric's name choose metrics, the others series.
#[derive(Debug)]
pub(super) struct Matching {
    names: Vec<Matcher>,
    others: Vec<Memo>,
}

impl Matching {
    /// Prepares matchers.
    pub(super) fn new(matchers: &[Matcher]) -> Self {
        let (names, others): (Vec<_>, Vec<_>) =
            matchers.iter().cloned().partition(|matcher| matcher.name() == METRIC_NAME);
        Self { names, others: others.into_iter().map(Memo::new).collect() }
    }

    /// The metrics that pass, in the order of their names. The lock is held for short whiles: a writer does
    /// not wait for regular expressions over all names, nor for their sorting.
    pub(super) fn metrics(&self, table: &RwLock<SeriesTable>) -> Vec<u32> {
        let exact = self.names.iter().find(|matcher| matcher.op() == MatchOp::Equal);
        let candidates = {
            let table = table.read();
            match exact {
                Some(matcher) => table.metric_by_name(matcher.value()).map_or(0..0, |one| one..one + 1),
                None => 0..table.metric_count() as u32,
            }
        };
        let mut passing: Vec<(String, u32)> = Vec::new();
        for start in candidates.clone().step_by(HOLD as usize) {
            let table = table.read();
            for metric in start..candidates.end.min(start.saturating_add(HOLD)) {
                let name = table.metric_name(metric);
                if self.names.iter().all(|matcher| matcher.matches(name)) {
                    passing.push((name.to_owned(), metric));
                }
            }
        }
        passing.sort_unstable();
        passing.into_iter().map(|(_, metric)| metric).collect()
    }

    /// Whether a series of a metric that passed passes too.
    pub(super) fn passes(&mut self, table: &SeriesTable, series: u32) -> bool {
        if self.others.is_empty() {
            return true;
        }
        let pairs = table.pairs_of(series);
        self.others.iter_mut().all(|memo| memo.passes(table, pairs))
    }

    /// The matchers that choose series.
    pub(super) fn others(&self) -> impl Iterator<Item = &Matcher> {
        self.others.iter().map(|memo| &memo.matcher)
    }

    /// Whether every series of a metric that passed passes too.
    pub(super) fn asks_names_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether every series passes.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.others.is_empty()
    }
}
