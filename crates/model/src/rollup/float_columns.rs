//! Windows of floats taken out of columns and put together again. A column that is empty stays empty.

use std::ops::Range;
use std::sync::Arc;

use super::FloatRollups;
use crate::{JoinedTimes, TimestampMs};

type Times = Arc<[TimestampMs]>;

impl FloatRollups {
    /// The windows that lie in a range of their numbers.
    #[must_use]
    pub fn slice(&self, windows: Range<usize>) -> Self {
        if windows == (0..self.len()) {
            return self.clone();
        }
        fn cut<T: Copy>(column: &[T], windows: &Range<usize>) -> Vec<T> {
            column.get(windows.clone()).unwrap_or_default().to_vec()
        }
        let times = |column: &Times| -> Times { column.get(windows.clone()).unwrap_or_default().into() };
        let floats = |column: &[f64]| cut(column, &windows);
        Self {
            ends: times(&self.ends),
            counts: cut(&self.counts, &windows),
            sums: floats(&self.sums),
            mins: floats(&self.mins),
            maxs: floats(&self.maxs),
            firsts: floats(&self.firsts),
            lasts: floats(&self.lasts),
            first_at: times(&self.first_at),
            last_at: times(&self.last_at),
            corrections: floats(&self.corrections),
            stale: cut(&self.stale, &windows),
        }
    }

    /// The windows whose ends are wanted.
    #[must_use]
    pub fn filtered(self, wanted: impl Fn(TimestampMs) -> bool) -> Self {
        if self.ends.iter().all(|&end| wanted(end)) {
            return self;
        }
        let numbered = self.ends.iter().enumerate();
        let picks: Vec<Pick> =
            numbered.filter(|(_, end)| wanted(**end)).map(|(window, _)| (0, window)).collect();
        Self::picked(&[&self], &picks)
    }

    /// Appends windows that follow these; times that were shared still are as long as `joined` remembers them.
    pub(super) fn append(&mut self, later: Self, joined: &mut JoinedTimes) {
        if self.is_empty() {
            *self = later;
            return;
        }
        let (before, more) = (self.len(), later.len());
        fn extend<T>(column: &mut Vec<T>, mut later: Vec<T>, lengths: (usize, usize)) {
            // What only one of the two was asked for is a column of neither.
            match (column.len(), later.len()) == lengths {
                true => column.append(&mut later),
                false => column.clear(),
            }
        }
        let mut times = |column: &mut Times, later: &Times| {
            let is_whole = (column.len(), later.len()) == (before, more);
            *column = if is_whole { joined.join(column, later) } else { Arc::default() };
        };
        times(&mut self.ends, &later.ends);
        times(&mut self.first_at, &later.first_at);
        times(&mut self.last_at, &later.last_at);
        let lengths = (before, more);
        extend(&mut self.counts, later.counts, lengths);
        extend(&mut self.sums, later.sums, lengths);
        extend(&mut self.mins, later.mins, lengths);
        extend(&mut self.maxs, later.maxs, lengths);
        extend(&mut self.firsts, later.firsts, lengths);
        extend(&mut self.lasts, later.lasts, lengths);
        extend(&mut self.corrections, later.corrections, lengths);
        extend(&mut self.stale, later.stale, lengths);
    }

    /// Windows of several runs, in the order in which they are picked.
    pub(super) fn picked(runs: &[&Self], picks: &[Pick]) -> Self {
        let (of, times) = (Picked { runs, picks }, |column: fn(&Self) -> &[TimestampMs]| -> Times {
            Picked { runs, picks }.of(column).into()
        });
        Self {
            ends: times(|run| &run.ends),
            counts: of.of(|run| &run.counts),
            sums: of.of(|run| &run.sums),
            mins: of.of(|run| &run.mins),
            maxs: of.of(|run| &run.maxs),
            firsts: of.of(|run| &run.firsts),
            lasts: of.of(|run| &run.lasts),
            first_at: times(|run| &run.first_at),
            last_at: times(|run| &run.last_at),
            corrections: of.of(|run| &run.corrections),
            stale: of.of(|run| &run.stale),
        }
    }
}

/// A run's number, and that of a window in it.
pub(super) type Pick = (usize, usize);

struct Picked<'a> {
    runs: &'a [&'a FloatRollups],
    picks: &'a [Pick],
}

impl Picked<'_> {
    /// A column; nothing where one of the runs does not have it.
    fn of<T: Copy>(&self, column: fn(&FloatRollups) -> &[T]) -> Vec<T> {
        let at = |&(run, window): &Pick| column(self.runs.get(run)?).get(window).copied();
        self.picks.iter().map(at).collect::<Option<_>>().unwrap_or_default()
    }
}
