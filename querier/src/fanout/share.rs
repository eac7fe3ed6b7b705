//! What of a selection is read at once, and of which blocks.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::TimeRange;
use latewood_model::dedup::{ReplicaLabels, Segment, Stock};

use super::targets;
use crate::resolutions::{Held, touch};

/// Segments that are read each by itself. More are read together, those of a stock at once, so that a range that is cut
/// into very many opens two cursors: what lies between them is then read in part, and each series is cut and put
/// together piece by piece.
const MAX_APART: usize = 6;

/// Segments of a selection that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Of which blocks.
    pub(super) stock: Stock,
    /// Ascending; at least one.
    pub(super) segments: Vec<Segment>,
}

/// Which times are read, and of which blocks.
#[derive(Clone, Debug)]
pub(super) struct Reads<'a> {
    /// Ascending. What is between them may come as well.
    pub(super) times: Vec<TimeRange>,
    /// By which labels the replicas differ that are to be seen, beside each other; of none, all blocks but tails are read.
    pub(super) replicas: Option<&'a ReplicaLabels>,
    /// Of what is not of one series without these labels, the times that are read instead.
    pub(super) late: Option<(&'a ReplicaLabels, Vec<TimeRange>)>,
}

impl Share {
    /// All of a range, its replicas as they are.
    pub(super) fn whole(range: TimeRange) -> Self {
        let only = Segment { range, since: range.start, stock: Stock::Deduplicated };
        Self { stock: only.stock, segments: vec![only] }
    }

    /// The shares of a range that is cut into segments.
    pub(super) fn of(range: TimeRange, segments: Vec<Segment>) -> Vec<Self> {
        match segments.len() {
            0 => vec![Self::whole(range)],
            1..=MAX_APART => {
                let alone = |one: Segment| Self { stock: one.stock, segments: vec![one] };
                segments.into_iter().map(alone).collect()
            }
            _ => {
                let (kept, merged) = segments.into_iter().partition(|one| one.stock == Stock::Replicas);
                let both = [(Stock::Deduplicated, merged), (Stock::Replicas, kept)];
                let both = both.into_iter().map(|(stock, segments)| Self { stock, segments });
                both.filter(|share| !share.segments.is_empty()).collect()
            }
        }
    }

    /// The times that are answered.
    pub(super) fn reads<'a>(&self, labels: &'a ReplicaLabels) -> Reads<'a> {
        self.reading(labels, |one| one.range)
    }

    /// The same, and of what came late for them all times that say what is answered: it is little, and tells whether it
    /// matters.
    pub(super) fn reads_at_first<'a>(&self, labels: &'a ReplicaLabels) -> Reads<'a> {
        let reads = self.reads(labels);
        let wide: Vec<TimeRange> = self.segments.iter().map(Segment::wide).collect();
        let is_more = self.stock == Stock::Deduplicated && wide != reads.times;
        Reads { late: is_more.then_some((labels, wide)), ..reads }
    }

    /// All times that say what is answered.
    pub(super) fn wide_reads<'a>(&self, labels: &'a ReplicaLabels) -> Reads<'a> {
        self.reading(labels, Segment::wide)
    }

    fn reading<'a>(&self, labels: &'a ReplicaLabels, times: impl Fn(&Segment) -> TimeRange) -> Reads<'a> {
        let replicas = (self.stock == Stock::Replicas).then_some(labels);
        Reads { times: self.segments.iter().map(times).collect(), replicas, late: None }
    }

    /// Whether there is but one segment.
    pub(super) fn is_single(&self) -> bool {
        self.segments.len() == 1
    }
}

impl Reads<'_> {
    /// All blocks but tails.
    pub(super) fn of(range: TimeRange) -> Self {
        Self { times: vec![range], replicas: None, late: None }
    }

    /// The blocks that are asked, with the range that each is asked for. Ingesters are asked for the first range.
    pub(super) fn questions(&self, view: &View, held: &Held) -> Vec<(TimeRange, Vec<Ulid>)> {
        if let Some(labels) = self.replicas {
            // Replicas are nowhere where samples are gone.
            return vec![(span(&self.times), held.of_replicas(view, labels, &self.times))];
        }
        let (late, rest) = match &self.late {
            None => (None, targets::raw(view, &self.times).map(|block| block.id).collect()),
            Some((labels, times)) => {
                let is_read = |block: &&Arc<BlockEntry>| touch(&self.times, block.range);
                let (of_one, late): (Vec<_>, Vec<_>) =
                    targets::raw(view, times).partition(|block| held.has_lost(block, labels));
                let late = late.into_iter().map(|block| block.id).collect();
                let of_one = of_one.into_iter().filter(is_read).map(|block| block.id);
                (Some((span(times), late)), of_one.collect())
            }
        };
        let gone = held.gone(span(&self.times)).into_iter();
        let gone = gone.map(|(gone, resolution)| (gone, targets::rollups(view, resolution, gone).collect()));
        late.into_iter().chain([(span(&self.times), rest)]).chain(gone).collect()
    }
}

/// From the first time to the last. An empty range stays as it was asked for.
fn span(times: &[TimeRange]) -> TimeRange {
    let first = times.first().copied().unwrap_or(TimeRange::EMPTY);
    times.iter().skip(1).fold(first, |all, times| all.union(*times))
}
