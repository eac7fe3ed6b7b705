//! What a reader of the blocks answers that follows [`Segment::of`], and what the replicas' samples make by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::{Deduplicator, LOOKBACK_MS, ReplicaLabels, Segment, Stock};
use latewood_model::{Labels, Resolution, SeriesSamples, TimeRange, TimestampMs};

use crate::world::{Answers, World, series_within, settle, tell};

/// The blocks of a view, read.
pub struct Reader {
    blocks: Vec<(Arc<BlockEntry>, Vec<SeriesSamples>)>,
    labels: ReplicaLabels,
    windows: Vec<TimeRange>,
}

impl Reader {
    pub async fn open(world: &World) -> Self {
        let (view, labels) = (world.view().await, ReplicaLabels::new(&world.config.replica_labels));
        let mut blocks = Vec::new();
        for block in view.blocks.values().filter(|block| block.resolution == Resolution::Raw) {
            blocks.push((Arc::clone(block), world.left_of(&view, block).await));
        }
        Self::of(&view, labels, blocks)
    }

    /// Of the raw blocks of a view, with what each has.
    pub fn of(
        view: &View,
        labels: ReplicaLabels,
        blocks: Vec<(Arc<BlockEntry>, Vec<SeriesSamples>)>,
    ) -> Self {
        Self { blocks, windows: windows(view, &labels), labels }
    }

    /// From the first sample of any block to the last.
    pub fn span(&self) -> TimeRange {
        let ranges = self.blocks.iter().map(|(block, _)| block.range);
        ranges.reduce(TimeRange::union).unwrap_or(TimeRange::EMPTY)
    }

    /// The one series of the replicas in a range.
    pub fn read(&self, range: TimeRange) -> Answers {
        let mut answers = Answers::new();
        for segment in Segment::of(range, self.windows.iter().copied()) {
            let mut stored = Answers::new();
            for (_, series) in self.blocks.iter().filter(|(block, _)| self.is_of(segment.stock, block)) {
                series.iter().for_each(|one| tell(&mut stored, one));
            }
            settle(&mut stored);
            for series in elected(&stored, &self.labels, segment.wide(), segment.range.start) {
                tell(&mut answers, &series);
            }
        }
        answers
    }

    fn is_of(&self, stock: Stock, block: &BlockEntry) -> bool {
        match stock {
            Stock::Replicas if block.tail => self.windows.contains(&block.window.unwrap()),
            Stock::Replicas => !is_deduplicated(block, &self.labels),
            Stock::Deduplicated => !block.tail,
        }
    }
}

/// The one series of the replicas in a range, made of all that they wrote.
pub fn of_replicas(written: &Answers, labels: &ReplicaLabels, range: TimeRange) -> Answers {
    let mut answers = Answers::new();
    let wide = TimeRange::new(range.start.saturating_sub(LOOKBACK_MS), range.end);
    elected(written, labels, wide, range.start).iter().for_each(|series| tell(&mut answers, series));
    answers
}

pub fn is_deduplicated(block: &BlockEntry, labels: &ReplicaLabels) -> bool {
    block.deduplicated && !block.tail && block.replica_labels == labels.names()
}

/// The windows of the raw blocks that are deduplicated, ascending.
pub fn windows(view: &View, labels: &ReplicaLabels) -> Vec<TimeRange> {
    let raw = view.overlapping(Resolution::Raw, TimeRange::ALL);
    let own = raw.filter(|block| is_deduplicated(block, labels)).map(|block| block.window.unwrap());
    let mut windows: Vec<TimeRange> = own.collect();
    windows.sort_by_key(|window| (window.start, window.end));
    windows
}

fn elected(
    stored: &Answers,
    labels: &ReplicaLabels,
    wide: TimeRange,
    from: TimestampMs,
) -> Vec<SeriesSamples> {
    let mut groups: BTreeMap<Labels, Vec<SeriesSamples>> = BTreeMap::new();
    for series in stored.values().map(|series| series_within(series, wide)) {
        if !series.is_empty() {
            groups.entry(labels.strip(&series.labels)).or_default().push(series);
        }
    }
    let mut deduplicator = Deduplicator::new(from);
    let one = |(stripped, mut members): (Labels, Vec<SeriesSamples>)| {
        members.sort_by(|a, b| labels.rank(&a.labels, &b.labels));
        deduplicator.merge(stripped, members)
    };
    groups.into_iter().map(one).filter(|series| !series.is_empty()).collect()
}
