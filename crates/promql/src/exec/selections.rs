//! The selections of a query: one that stands in it several times is read once.
//!
//! Whoever is ahead leaves what it reads for those behind. Where that would be too much, those that have not begun read
//! for themselves.

use std::collections::VecDeque;
use std::sync::Arc;

use latewood_model::SeriesSamples;
use parking_lot::Mutex;

use super::Env;
use crate::{QueryError, Reservation, Select, SeriesCursor, SourceError};

/// Bytes of series that may wait for readers who have not begun; an eighth of what the query may hold, if that is less.
const MAX_WAITING: u64 = 16 << 20;

/// The selections of a query's operators.
#[derive(Default)]
pub(crate) struct Selections(Mutex<Vec<Arc<Mutex<Shared>>>>);

/// A selection that operators read.
struct Shared {
    select: Select,
    cursor: Cursor,
    /// What some reader has yet to take, and how many batches came before.
    waiting: VecDeque<Waiting>,
    passed: usize,
    /// The number of the next batch of each reader; `None` if it reads no more, or for itself.
    readers: Vec<Option<usize>>,
}

#[derive(Default)]
struct Waiting {
    series: Vec<SeriesSamples>,
    held: Option<Reservation>,
}

impl Waiting {
    fn bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.booked()[0])
    }
}

enum Cursor {
    Unopened,
    Open(Box<dyn SeriesCursor>),
    Ended,
}

impl Selections {
    /// A reader of a selection: together with others, if they have not begun.
    pub(super) fn reader(&self, select: Select) -> SelectionReader {
        let mut all = self.0.lock();
        for shared in all.iter() {
            let mut open = shared.lock();
            if matches!(open.cursor, Cursor::Unopened) && open.join(&select) {
                open.readers.push(Some(0));
                let (shared, number) = (Arc::clone(shared), open.readers.len() - 1);
                return SelectionReader { select, shared, number, own: Cursor::Unopened };
            }
        }
        let shared = Shared {
            select: select.clone(),
            cursor: Cursor::Unopened,
            waiting: VecDeque::new(),
            passed: 0,
            readers: vec![Some(0)],
        };
        let shared = Arc::new(Mutex::new(shared));
        all.push(Arc::clone(&shared));
        SelectionReader { select, shared, number: 0, own: Cursor::Unopened }
    }
}

impl Shared {
    /// Whether a selection reads the same; what it is for is forgotten where that differs, so that all get raw samples.
    fn join(&mut self, other: &Select) -> bool {
        let ours = &mut self.select;
        let are_within =
            |a: &Select, b: &Select| a.matchers.iter().all(|matcher| b.matchers.contains(matcher));
        let is_same = are_within(ours, other)
            && are_within(other, ours)
            && (ours.range, ours.step_ms, ours.starts) == (other.range, other.step_ms, other.starts)
            && (ours.window_ms, ours.newest_only) == (other.window_ms, other.newest_only);
        if is_same && ours.function != other.function {
            ours.function = None;
        }
        is_same
    }

    /// The next batch of a reader whose next batch has this number.
    fn next(
        &mut self,
        env: &Env,
        number: usize,
        next: usize,
    ) -> Result<Option<Vec<SeriesSamples>>, QueryError> {
        if let Some(waiting) = next.checked_sub(self.passed).and_then(|place| self.waiting.get(place)) {
            let series = waiting.series.clone();
            self.advance(number, next + 1);
            return Ok(Some(series));
        }
        let Some(batch) = self.cursor.next(env, &self.select)? else { return Ok(None) };
        let waiting = self.keep(env, number, &batch)?;
        self.waiting.push_back(waiting);
        self.advance(number, next + 1);
        Ok(Some(batch))
    }

    /// What the other readers will take of a batch: nothing where there are none. Where memory is short, those that have not
    /// begun will read for themselves.
    fn keep(&mut self, env: &Env, reader: usize, batch: &[SeriesSamples]) -> Result<Waiting, QueryError> {
        if !self.is_awaited(reader) {
            return Ok(Waiting::default());
        }
        let bytes = |series: &SeriesSamples| {
            (size_of::<SeriesSamples>() + series.weight() * 16 + series.labels.heap_size()) as u64
        };
        let bytes: u64 = batch.iter().map(bytes).sum();
        let waiting: u64 = self.waiting.iter().map(Waiting::bytes).sum();
        let mut held = env.control.reserve(bytes);
        let most = MAX_WAITING.min(env.control.account().limits.max_bytes / 8);
        if held.is_err() || waiting.saturating_add(bytes) > most {
            let others = self.readers.iter_mut().enumerate().filter(|(other, _)| *other != reader);
            others.filter(|(_, next)| **next == Some(0)).for_each(|(_, next)| *next = None);
            if !self.is_awaited(reader) {
                return Ok(Waiting::default());
            }
            held = held.or_else(|_| env.control.reserve(bytes));
        }
        Ok(Waiting { series: batch.to_vec(), held: Some(held?) })
    }

    /// Whether others than a reader still take batches.
    fn is_awaited(&self, reader: usize) -> bool {
        self.readers.iter().enumerate().any(|(other, next)| other != reader && next.is_some())
    }

    /// Takes note of a reader's next batch, and lets go of what nobody waits for.
    fn advance(&mut self, number: usize, next: impl Into<Option<usize>>) {
        if let Some(reader) = self.readers.get_mut(number) {
            *reader = next.into();
        }
        let wanted = self.readers.iter().flatten().min().copied();
        while wanted.is_none_or(|wanted| self.passed < wanted) && self.waiting.pop_front().is_some() {
            self.passed += 1;
        }
    }
}

impl Cursor {
    /// The next batch from the query's source. Opens the selection, and counts what is read.
    fn next(&mut self, env: &Env, select: &Select) -> Result<Option<Vec<SeriesSamples>>, QueryError> {
        if matches!(self, Self::Unopened) {
            let opened = env.source.select(select);
            *self = Self::Open(opened.or_else(|error| failed(env, error))?);
        }
        let Self::Open(cursor) = self else { return Ok(None) };
        env.control.rest();
        let batch = cursor.next_batch();
        let Some(batch) = batch.or_else(|error| failed(env, error))? else {
            let mut annotations = env.annotations.lock();
            cursor.warnings().into_iter().for_each(|text| annotations.warn(text));
            *self = Self::Ended;
            return Ok(None);
        };
        let samples: usize = batch.iter().map(|series| series.values.len() + series.histograms.len()).sum();
        env.control.count_read(batch.len() as u64, samples as u64);
        Ok(Some(batch))
    }
}

/// A source that gave up because the query ended is not to blame.
pub(super) fn failed<T>(env: &Env, error: SourceError) -> Result<T, QueryError> {
    env.control.check()?;
    Err(error.into())
}

/// Reads a selection. Opens it at the first pull.
pub(super) struct SelectionReader {
    select: Select,
    shared: Arc<Mutex<Shared>>,
    number: usize,
    /// For what the others did not wait for.
    own: Cursor,
}

impl SelectionReader {
    /// What is selected.
    pub(super) fn select(&self) -> &Select {
        &self.select
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self, env: &Env) -> Result<Option<Vec<SeriesSamples>>, QueryError> {
        let mut shared = self.shared.lock();
        match shared.readers.get(self.number).copied().flatten() {
            Some(next) => shared.next(env, self.number, next),
            None => {
                drop(shared);
                self.own.next(env, &self.select)
            }
        }
    }
}

impl Drop for SelectionReader {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.advance(self.number, None);
        if shared.readers.iter().all(Option::is_none) {
            shared.cursor = Cursor::Ended;
        }
    }
}
