//! What a reader of the blocks answers that follows [`Segment::of`], and what the replicas' samples make by themselves.

use std::collections::BTreeMap;

use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::{Deduplicator, LOOKBACK_MS, ReplicaLabels, Segment, Stock};
use latewood_model::{Labels, SeriesSamples, TimeRange, TimestampMs};

use crate::world::{Answers, World, series_within, tell};

/// The one series of the replicas in a range, made of what is stored.
pub async fn read(world: &World, range: TimeRange) -> Answers {
    let (view, labels) = (world.view().await, ReplicaLabels::new(&world.config.replica_labels));
    let mut answers = Answers::new();
    for segment in Segment::of(range, windows(&view, &labels)) {
        let is_of_stock = |block: &BlockEntry| match segment.stock {
            Stock::Replicas if block.tail => windows(&view, &labels).contains(&block.window.unwrap()),
            Stock::Replicas => !is_deduplicated(block, &labels),
            Stock::Deduplicated => !block.tail,
        };
        let stored = world.stored(&view, is_of_stock).await;
        for series in elected(&stored, &labels, segment.wide(), segment.range.start) {
            tell(&mut answers, &series);
        }
    }
    answers
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

/// The windows of the raw blocks that are deduplicated.
pub fn windows(view: &View, labels: &ReplicaLabels) -> Vec<TimeRange> {
    let raw = view.overlapping(latewood_model::Resolution::Raw, TimeRange::ALL);
    raw.filter(|block| is_deduplicated(block, labels)).map(|block| block.window.unwrap()).collect()
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
