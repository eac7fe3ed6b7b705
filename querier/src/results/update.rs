//! What is kept of a query after it was answered: what was evaluated, and of what was kept before what is current.

use latewood_model::TimeRange;
use latewood_promql::{Control, MatrixSeries, QueryError};

use super::asked::Asked;
use super::entry::{Entry, Held, within};
use super::notes::Notes;
use super::plan::is_current;
use super::sources::Surroundings;

/// Steps that were evaluated together, and their annotations.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) steps: TimeRange,
    pub(super) notes: Notes,
}

/// An answer to be kept beside what is kept.
pub(super) struct Update<'a> {
    pub(super) asked: &'a Asked,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) entry: &'a Entry,
    pub(super) text: &'a str,
}

/// What an entry is to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    held: Vec<Held>,
    is_annotated: bool,
}

impl Update<'_> {
    /// What the next entry is to have, at most so many steps; none if it would have nothing new.
    pub(super) fn plan(&self, fresh: &[Fresh], max_steps: u64) -> Option<Next> {
        let (mut new, mut is_annotated) = (Vec::new(), self.entry.is_annotated);
        for Fresh { steps, notes } in fresh {
            let parts: Vec<TimeRange> = self.asked.grid.by_extent(*steps).collect();
            for part in &parts {
                let keepable = self.asked.keepable(*part, self.around);
                // Annotations are those of all steps, and are kept with all of them or not at all.
                let is_told = notes.is_empty() || (parts.len() == 1 && keepable == *steps);
                is_annotated |= !is_told && !keepable.is_empty();
                if is_told && !keepable.is_empty() {
                    new.push((keepable, notes.clone()));
                }
            }
        }
        if new.is_empty() && is_annotated == self.entry.is_annotated {
            return None;
        }
        Some(Next { held: self.beside_old(new, max_steps), is_annotated })
    }

    /// New runs and the old ones that are current, joined where one follows the other in an extent.
    fn beside_old(&self, new: Vec<(TimeRange, Notes)>, max_steps: u64) -> Vec<Held> {
        let covers = |run: &TimeRange, part: &TimeRange| run.start <= part.start && part.end <= run.end;
        let same_text = *self.entry.text == *self.text;
        let old = self.entry.held.iter().filter(|held| {
            let is_told = held.notes.is_empty() || same_text;
            let hidden = new.iter().any(|(run, _)| run.overlaps(held.steps) && !covers(&held.steps, run));
            let is_current = is_current(self.asked, held, self.around);
            is_told && !hidden && is_current && self.asked.is_settled(held.steps, self.around)
        });
        let mut runs: Vec<(TimeRange, Notes)> = old.map(|held| (held.steps, held.notes.clone())).collect();
        let is_there = |run: &TimeRange| runs.iter().any(|(old, _)| covers(old, run));
        let new: Vec<_> = new.into_iter().filter(|(run, _)| !is_there(run)).collect();
        runs.extend(new);
        runs.sort_by_key(|(run, _)| run.start);
        let runs = self.joined(runs);
        let mut over: u64 = runs.iter().map(|(run, _)| self.asked.grid.count(*run)).sum();
        // The earliest go until the rest is few enough.
        let rest = runs.into_iter().skip_while(|(run, _)| {
            let is_over = over > max_steps;
            over -= self.asked.grid.count(*run);
            is_over
        });
        let held = rest.map(|(steps, notes)| {
            let sources = self.around.sources_of(&self.asked.reads(steps));
            Held { steps, sources, notes }
        });
        held.collect()
    }

    fn joined(&self, runs: Vec<(TimeRange, Notes)>) -> Vec<(TimeRange, Notes)> {
        let grid = self.asked.grid;
        let mut joined: Vec<(TimeRange, Notes)> = Vec::new();
        for (run, notes) in runs {
            if let Some((last, said)) = joined.last_mut()
                && grid.after(last.end) == run.start
                && grid.extent_of(last.start) == grid.extent_of(run.start)
                // What has annotations is used as a whole or not at all.
                && notes.is_empty() == said.is_empty()
                && let Some(all) = Notes::union([&*said, &notes].into_iter())
                // With a distance above the lookback there are times between that neither reads.
                && self.asked.is_settled(last.union(run), self.around)
            {
                (last.end, *said) = (run.end, all);
                continue;
            }
            joined.push((run, notes));
        }
        joined
    }

    /// The entry, from the answer and from what was kept; none if it has more bytes than it may, or than the query may
    /// hold until the cache has it.
    ///
    /// # Errors
    /// When the query is to end.
    pub(super) fn fill(
        &self,
        next: Next,
        answer: &[MatrixSeries],
        max_bytes: u64,
        control: &Control,
    ) -> Result<Option<Entry>, QueryError> {
        let Next { held, is_annotated } = next;
        let mut old = self.entry.series.iter().peekable();
        let mut new = answer.iter().peekable();
        let (mut series, mut bytes, mut booked) = (Vec::new(), 0, control.reserve(0)?);
        while let Some(labels) = old.peek().into_iter().chain(new.peek()).map(|series| &series.labels).min() {
            control.check()?;
            let old = old.next_if(|series| series.labels == *labels);
            let new = new.next_if(|series| series.labels == *labels);
            let one = self.kept_of(old, new, &held);
            if !(one.points.is_empty() && one.histograms.is_empty()) {
                let more = (one.size() + one.labels.heap_size()) as u64;
                bytes += more;
                if bytes > max_bytes || booked.grow(more).is_err() {
                    return Ok(None);
                }
                series.push(one);
            }
        }
        series.shrink_to_fit();
        Ok(Some(Entry { series, held, text: self.text.into(), is_annotated }))
    }

    /// The samples of a series that are kept: of the query's steps from the answer, of others from what was kept.
    fn kept_of(&self, old: Option<&MatrixSeries>, new: Option<&MatrixSeries>, held: &[Held]) -> MatrixSeries {
        let labels = new.or(old).map(|series| series.labels.clone()).unwrap_or_default();
        let mut kept = MatrixSeries { labels, ..MatrixSeries::default() };
        let asked = self.asked.steps;
        for run in held.iter().map(|held| held.steps) {
            let before = TimeRange::new(run.start, run.end.min(asked.start.saturating_sub(1)));
            let after = TimeRange::new(run.start.max(asked.end.saturating_add(1)), run.end);
            let during = self.asked.grid.common(run, asked);
            for (series, steps) in [(old, before), (new, during), (old, after)] {
                if let Some(series) = series.filter(|_| !steps.is_empty()) {
                    kept.points.extend_from_slice(within(&series.points, |point| point.timestamp, steps));
                    let histograms = within(&series.histograms, |point| point.timestamp, steps);
                    kept.histograms.extend_from_slice(histograms);
                }
            }
        }
        kept.points.shrink_to_fit();
        kept.histograms.shrink_to_fit();
        kept
    }
}
