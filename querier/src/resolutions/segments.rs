//! How a range of samples is cut where compaction has made one series of HA replicas, and where samples are gone.

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::{LOOKBACK_MS, ReplicaLabels, Segment, Stock};
use latewood_model::{Resolution, TimeRange};

use super::AskedSeries;
use super::Held;
use super::held::{inclusive, window, within};

impl Held {
    /// The segments of a range, ascending, for who asks for series without these labels. Where samples are gone is one by
    /// itself, and nothing there counts behind it: one sample a window is no replica that others yield to.
    pub(crate) fn segments(&self, range: TimeRange, labels: &ReplicaLabels) -> Vec<Segment> {
        let windows: Vec<TimeRange> = match self.deduplicated.without(labels) {
            Some(windows) if !range.is_empty() && range.end < i64::MAX => {
                windows.overlapping(range.start..range.end + 1).map(inclusive).collect()
            }
            Some(windows) => windows.iter().map(inclusive).collect(),
            None => Vec::new(),
        };
        let kept = |start: i64, end: i64, floor: i64| {
            let segments = Segment::of(TimeRange::new(start, end), windows.iter().copied());
            segments.into_iter().map(move |one| Segment { since: one.since.max(floor), ..one })
        };
        let near = TimeRange::new(range.start.saturating_sub(LOOKBACK_MS), range.end);
        let (mut segments, mut at, mut floor) = (Vec::new(), range.start, i64::MIN);
        for gone in within(&self.gone, near).iter().map(inclusive) {
            segments.extend(kept(at, gone.start.saturating_sub(1), floor));
            let gone = TimeRange::new(at.max(gone.start), gone.end);
            if !gone.is_empty() {
                segments.push(Segment { range: gone, since: gone.start, stock: Stock::Deduplicated });
            }
            floor = gone.end.saturating_add(1);
            at = at.max(floor);
        }
        segments.extend(kept(at, range.end, floor));
        segments
    }

    /// The blocks that tell of replicas at any of these times, which ascend: those that compaction has not made series
    /// without these labels of, and the tails of those that it has.
    pub(crate) fn of_replicas(&self, view: &View, labels: &ReplicaLabels, times: &[TimeRange]) -> Vec<Ulid> {
        let windows = self.deduplicated.without(labels);
        let raw = view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
        let tells = raw.filter(|block| match windows {
            _ if !touch(times, block.range) => false,
            Some(windows) if block.tail => windows.contains(&window(block).end),
            None if block.tail => false,
            _ => !self.has_lost(block, labels),
        });
        tells.map(|block| block.id).collect()
    }

    /// Whether compaction has made series without these labels of a block's replicas.
    pub(crate) fn has_lost(&self, block: &BlockEntry, labels: &ReplicaLabels) -> bool {
        block.deduplicated && self.lost_by(block) == *labels
    }

    /// The labels that samples of a range do not have any more, and that the asker wants to have or chooses by.
    pub(crate) fn lost(&self, range: TimeRange, asked: AskedSeries<'_>) -> Vec<String> {
        let here = self.deduplicated.iter().filter(|(_, times)| !within(times, range).is_empty());
        let names = here.flat_map(|(labels, _)| labels.names());
        let mut names: Vec<String> = names.filter(|name| asked.need(name)).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Whether any of these times, which ascend, is in a range.
pub(crate) fn touch(times: &[TimeRange], range: TimeRange) -> bool {
    let first = times.partition_point(|times| times.end < range.start);
    times.get(first).is_some_and(|times| times.overlaps(range))
}
