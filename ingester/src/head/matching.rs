//! Matchers over a series table: each matcher looks at each distinct label value at most once.

use latewood_model::{METRIC_NAME, MatchOp, Matcher};

use super::table::SeriesTable;

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

    /// The metrics that pass, in the order of their names.
    pub(super) fn metrics(&self, table: &SeriesTable) -> Vec<u32> {
        let exact = self.names.iter().find(|matcher| matcher.op() == MatchOp::Equal);
        let candidates = match exact {
            Some(matcher) => table.metric_by_name(matcher.value()).into_iter().collect(),
            None => (0..table.metric_count() as u32).collect::<Vec<_>>(),
        };
        let passes = |&metric: &u32| {
            let name = table.metric_name(metric);
            self.names.iter().all(|matcher| matcher.matches(name))
        };
        let mut metrics: Vec<u32> = candidates.into_iter().filter(passes).collect();
        metrics.sort_unstable_by(|&a, &b| table.metric_name(a).cmp(table.metric_name(b)));
        metrics
    }

    /// Whether a series of a metric that passed passes too.
    pub(super) fn passes(&mut self, table: &SeriesTable, series: u32) -> bool {
        let pairs = table.pairs_of(series);
        self.others.iter_mut().all(|memo| memo.passes(table, pairs))
    }

    /// Whether every series passes.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.others.is_empty()
    }
}
