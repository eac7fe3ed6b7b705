//! What of a selection is read at once, and of which blocks.

use latewood_model::TimeRange;
use latewood_model::dedup::{ReplicaLabels, Segment, Stock};

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
pub(crate) struct Reads<'a> {
    /// Ascending. What is between them may come as well.
    pub(crate) times: Vec<TimeRange>,
    /// By which labels the replicas differ that are to be seen, beside each other; of none, all blocks but tails are read.
    pub(crate) replicas: Option<&'a ReplicaLabels>,
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

    /// All times that say what is answered.
    pub(super) fn wide_reads<'a>(&self, labels: &'a ReplicaLabels) -> Reads<'a> {
        self.reading(labels, Segment::wide)
    }

    fn reading<'a>(&self, labels: &'a ReplicaLabels, times: impl Fn(&Segment) -> TimeRange) -> Reads<'a> {
        let replicas = (self.stock == Stock::Replicas).then_some(labels);
        Reads { times: self.segments.iter().map(times).collect(), replicas }
    }

    /// Whether there is but one segment.
    pub(super) fn is_single(&self) -> bool {
        self.segments.len() == 1
    }
}

impl Reads<'_> {
    /// All blocks but tails.
    pub(crate) fn of(range: TimeRange) -> Self {
        Self { times: vec![range], replicas: None }
    }

    /// From the first of the times to the last.
    pub(crate) fn range(&self) -> TimeRange {
        let first = self.times.first().copied().unwrap_or(TimeRange::EMPTY);
        // An empty range stays as it was asked for.
        self.times.iter().skip(1).fold(first, |all, times| all.union(*times))
    }
}
