//! Of what the windows of one resolution are made.

use latewood_model::{Resolution, RollupWindows, TimeRange};

use super::held::{Times, common, inclusive, insert, touched, within};
use super::{AskedSeries, Held};

/// Gaps in what rollups have that are each looked at; more are one.
const MAX_GAPS: usize = 8;

/// Times and from what they are read. Whole windows of the resolution asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) times: TimeRange,
    pub(crate) resolution: Resolution,
}

impl Held {
    /// From what windows are made that end in a range: the coarsest that has all samples, those in `heads` included, of the
    /// series that are asked for, and is not longer. Where samples are gone, what is left.
    pub(crate) fn pieces(
        &self,
        (ends, resolution): (TimeRange, Resolution),
        asked: AskedSeries<'_>,
        heads: &[TimeRange],
    ) -> Vec<Piece> {
        let Some(windows) = RollupWindows::of(resolution) else { return Vec::new() };
        let mut left = within(&whole(windows, ends), TimeRange::ALL);
        let mut pieces = Vec::new();
        let mut take = |left: &mut Times, there: &Times, resolution| {
            for times in common(left, there) {
                pieces.push(Piece { times: inclusive(&times), resolution });
                left.remove(times);
            }
        };
        let up_to = self.rollups.iter().rev().filter(|rollups| rollups.resolution <= resolution);
        for rollups in up_to.clone() {
            let mut there = inner(windows, &rollups.by_labels.of(asked));
            let behind = outer(windows, rollups.behind.iter().map(inclusive), heads);
            let mut behind = within(&behind, ends_to_times(windows, ends));
            if behind.len() > MAX_GAPS {
                let all = behind.first().zip(behind.last()).map(|(first, last)| first.start..last.end);
                behind.extend(all);
            }
            behind.iter().for_each(|times| there.remove(times.clone()));
            take(&mut left, &there, rollups.resolution);
        }
        // Late samples of what is gone are of no use without the others.
        let gone = outer(windows, self.gone.iter().map(inclusive), &[]);
        for rollups in up_to {
            let there: Times = common(&inner(windows, &rollups.there), &gone).into_iter().collect();
            take(&mut left, &there, rollups.resolution);
        }
        gone.iter().for_each(|times| left.remove(times.clone()));
        pieces
            .extend(left.iter().map(|times| Piece { times: inclusive(times), resolution: Resolution::Raw }));
        pieces.sort_unstable_by_key(|piece| piece.times.start);
        pieces
    }
}

/// The times of the windows that end in a range.
fn ends_to_times(windows: RollupWindows, ends: TimeRange) -> TimeRange {
    let first = windows.end_of(ends.start).saturating_sub(windows.millis()).saturating_add(1);
    let last = ends.end.saturating_sub(ends.end.rem_euclid(windows.millis()));
    TimeRange::new(first, last)
}

fn whole(windows: RollupWindows, ends: TimeRange) -> Times {
    let mut times = Times::new();
    insert(&mut times, ends_to_times(windows, ends));
    times
}

/// The windows that lie in times as a whole.
fn inner(windows: RollupWindows, times: &Times) -> Times {
    let mut inner = Times::new();
    for times in times.iter().map(inclusive) {
        // A window starts behind a multiple of its length.
        let start = windows.end_of(times.start.saturating_sub(1)).saturating_add(1);
        let end = times.end.saturating_sub(times.end.rem_euclid(windows.millis()));
        insert(&mut inner, TimeRange::new(start, end));
    }
    inner
}

/// The windows that times touch, or times that samples with ingesters touch.
fn outer(windows: RollupWindows, times: impl Iterator<Item = TimeRange>, heads: &[TimeRange]) -> Times {
    let mut outer = Times::new();
    for times in times.chain(heads.iter().copied().map(touched)).filter(|times| !times.is_empty()) {
        let start = windows.end_of(times.start).saturating_sub(windows.millis()).saturating_add(1);
        insert(&mut outer, TimeRange::new(start, windows.end_of(times.end)));
    }
    outer
}
