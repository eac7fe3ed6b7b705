//! Which steps of a query come from what is kept, and which are evaluated: a pure function.

use latewood_model::TimeRange;

use super::asked::Asked;
use super::entry::{Entry, Held};
use super::notes::Notes;
use super::sources::Surroundings;

/// The most stretches that are evaluated each by itself where nothing else asks for it: every one is a round of all
/// stores, and reads again what lies before its first step.
const MAX_GAPS: usize = 8;
/// The most extents that are evaluated one by one.
const MAX_EXTENTS: usize = 96;

/// A run of steps and where its results come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is kept, with its annotations.
    Kept(TimeRange, Notes),
    /// To be evaluated.
    Missing(TimeRange),
}

/// All steps of a query.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In order; not empty.
    pub(super) parts: Vec<Part>,
    /// How many kept runs cannot be used because their data have changed.
    pub(super) outdated: u64,
}

impl Plan {
    pub(super) fn new(asked: &Asked, entry: &Entry, text: &str, around: &Surroundings<'_>) -> Self {
        let met = entry.held.iter().filter(|held| !asked.grid.common(held.steps, asked.steps).is_empty());
        let (current, outdated): (Vec<&Held>, Vec<&Held>) =
            met.partition(|held| is_current(asked, held, around));
        let same_text = *entry.text == *text;
        let usable = |held: &Held| {
            let common = asked.grid.common(held.steps, asked.steps);
            let usable = asked.grid.longest(common, |run| asked.is_settled(run, around));
            // Nobody knows which of its steps the annotations are of.
            let is_told = held.notes.is_empty() || (usable == held.steps && same_text);
            (!usable.is_empty() && is_told).then(|| (usable, held.notes.clone()))
        };
        let mut kept: Vec<(TimeRange, Notes)> = current.into_iter().filter_map(usable).collect();
        let mut gaps = asked.grid.gaps(asked.steps, kept.iter().map(|kept| kept.0));
        if let [first, .., last] = gaps.as_slice()
            && gaps.len() > MAX_GAPS
        {
            let all = first.union(*last);
            kept.retain(|kept| !kept.0.overlaps(all));
            gaps = vec![all];
        }
        if entry.is_annotated {
            gaps = one_by_one(asked, gaps, around);
        }
        let kept = kept.into_iter().map(|(steps, notes)| Part::Kept(steps, notes));
        let mut parts: Vec<Part> = kept.chain(gaps.into_iter().map(Part::Missing)).collect();
        parts.sort_by_key(|part| part.steps().start);
        Self { parts, outdated: outdated.len() as u64 }
    }
}

impl Part {
    pub(super) fn steps(&self) -> TimeRange {
        match self {
            Self::Kept(steps, _) | Self::Missing(steps) => *steps,
        }
    }
}

/// Whether a kept run is of the data that the view has.
pub(super) fn is_current(asked: &Asked, held: &Held, around: &Surroundings<'_>) -> bool {
    around.sources_of(&asked.reads(held.steps)) == held.sources
}

/// Cuts runs so that the annotations of each are those of steps that can be kept together.
fn one_by_one(asked: &Asked, runs: Vec<TimeRange>, around: &Surroundings<'_>) -> Vec<TimeRange> {
    let grid = asked.grid;
    let by_extent: Vec<TimeRange> = runs.iter().flat_map(|run| grid.by_extent(*run)).collect();
    if by_extent.len() > MAX_EXTENTS {
        return runs;
    }
    let cut = by_extent.into_iter().flat_map(|run| {
        let keepable = asked.keepable(run, around);
        let rest = if keepable.is_empty() { run } else { grid.run(grid.after(keepable.end), run.end) };
        [keepable, rest]
    });
    // What cannot be kept need not be cut.
    let mut pieces: Vec<(TimeRange, bool)> = Vec::new();
    for (number, piece) in cut.enumerate().filter(|(_, piece)| !piece.is_empty()) {
        let is_kept = number % 2 == 0;
        match pieces.last_mut() {
            Some((last, false)) if !is_kept && grid.after(last.end) == piece.start => last.end = piece.end,
            _ => pieces.push((piece, is_kept)),
        }
    }
    pieces.into_iter().map(|piece| piece.0).collect()
}
