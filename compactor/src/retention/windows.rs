//! Which blocks go together: samples of one window.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_catalog::{BlockEntry, View};
use latewood_model::{Resolution, TimeRange, TimestampMs};

/// Raw blocks that go together, with their window, if they have any.
pub(super) type Together<'a> = (Option<TimeRange>, Vec<&'a Arc<BlockEntry>>);

/// The raw blocks of a view by what goes together.
///
/// Windows are those of raw blocks and of the rollups that were made of them. Of two that overlap the longer counts, so
/// that a block waits for others no longer than a window of compaction lasts. A block belongs to the window that it ends
/// in, tails and such as were never aligned, too.
pub(super) fn windows(view: &View) -> impl Iterator<Item = Together<'_>> {
    let disjoint = disjoint(candidates(view));
    let (mut windows, mut alone) = (BTreeMap::<TimestampMs, Together<'_>>::new(), Vec::new());
    for block in view.blocks.values().filter(|block| block.resolution == Resolution::Raw) {
        match holding(&disjoint, block.range.end) {
            Some(window) => {
                windows.entry(window.end).or_insert((Some(window), Vec::new())).1.push(block);
            }
            None => alone.push((None, vec![block])),
        }
    }
    windows.into_values().chain(alone)
}

/// The windows of raw blocks, and of rollups of samples that are there: not of those that were joined when their samples
/// were gone.
fn candidates(view: &View) -> Vec<TimeRange> {
    let raw = || view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
    let ids: HashSet<Ulid> = raw().map(|block| block.id).collect();
    let is_of_samples = |block: &&Arc<BlockEntry>| block.lineage.iter().any(|id| ids.contains(id));
    let rollups = view.blocks.values().filter(|block| block.resolution != Resolution::Raw);
    raw().chain(rollups.filter(is_of_samples)).filter_map(|block| block.window).collect()
}

/// Of windows that overlap the longest, by their ends.
fn disjoint(mut windows: Vec<TimeRange>) -> BTreeMap<TimestampMs, TimeRange> {
    windows.sort_by_key(|window| (window.start.saturating_sub(window.end), window.end));
    let mut disjoint = BTreeMap::new();
    for window in windows {
        let next = disjoint.range(window.start..).next();
        if next.is_none_or(|(_, next): (_, &TimeRange)| next.start > window.end) {
            disjoint.insert(window.end, window);
        }
    }
    disjoint
}

/// The window that holds a time.
fn holding(disjoint: &BTreeMap<TimestampMs, TimeRange>, at: TimestampMs) -> Option<TimeRange> {
    let next = disjoint.range(at..).next();
    next.map(|(_, window)| *window).filter(|window| window.start <= at)
}
