//! At which resolution a selection is read for which steps: a pure function of times.
//!
//! A step can be read from windows of a length that fits: its time less the offset, and its range, are multiples of the
//! length. Of those that fit the coarsest that the source offers is taken; where what is finer is gone, the finest there
//! is, even if it does not fit.

use std::ops::Range;

use latewood_model::{Resolution, RollupWindows, TimeRange};

use crate::Resolutions;
use crate::exec::{Env, Grid};
use crate::functions::STARTED;
use crate::functions::rollups::RollupFunction;
use crate::plan::Scan;

/// The finest windows: a stale marker is told of within one, and so the lookback must not be longer.
const MAX_EXACT_LOOKBACK_MS: i64 = 300_000;

/// Steps that are read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Run {
    /// Which steps.
    pub(in crate::exec) steps: Range<usize>,
    /// From what.
    pub(in crate::exec) resolution: Resolution,
    /// Whether windows of that length fit.
    pub(in crate::exec) is_exact: bool,
}

/// What is read at each step of a grid: the time before it, moved by offset and `@`.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec) struct Reads<'a> {
    pub(in crate::exec) grid: Grid,
    pub(in crate::exec) scan: &'a Scan,
    /// The range's length; for an instant selector the lookback.
    pub(in crate::exec) depth_ms: i64,
    pub(in crate::exec) is_instant: bool,
    /// What is made of ranges, if rollups know it; an instant selector needs none.
    pub(in crate::exec) function: Option<RollupFunction>,
}

impl Reads<'_> {
    /// The time that a step looks back from.
    pub(in crate::exec) fn end(&self, step: usize) -> i64 {
        self.scan.at.unwrap_or_else(|| self.grid.time(step)).saturating_sub(self.scan.offset_ms)
    }

    /// All times that are read.
    fn range(&self) -> TimeRange {
        self.of_step(0).union(self.of_step(self.grid.len() - 1))
    }

    fn of_step(&self, step: usize) -> TimeRange {
        let end = self.end(step);
        TimeRange::new(end.saturating_sub(self.depth_ms).saturating_add(1), end)
    }

    /// The first steps that read any of these times, and no more of them; there may be none.
    fn changes(&self, times: TimeRange) -> [usize; 2] {
        if self.scan.at.is_some() {
            return [0, 0];
        }
        let from = |end: i64| self.grid.first_from(end.saturating_add(self.scan.offset_ms));
        [from(times.start), from(times.end.saturating_add(self.depth_ms))]
    }

    /// Whether rollups can give what samples would, if their windows fit.
    fn are_known(&self, env: &Env) -> bool {
        let reads_starts = self.scan.function.as_deref().is_some_and(|name| STARTED.contains(&name));
        let knows_times = !(env.use_start_timestamps && reads_starts) && self.scan.extension.is_none();
        knows_times && (self.is_instant || self.function.is_some())
    }

    /// Whether windows of a resolution fit all steps.
    fn fit(&self, windows: RollupWindows) -> bool {
        let moves = if self.scan.at.is_some() || self.grid.len() == 1 { 0 } else { self.grid.step() };
        let depth = if self.is_instant { 0 } else { self.depth_ms };
        let is_short = !self.is_instant || self.depth_ms <= MAX_EXACT_LOOKBACK_MS;
        is_short && [self.end(0), moves, depth].into_iter().all(|time| windows.is_end(time))
    }

    /// Whether windows of a resolution are not much longer than what is read at a step, or between two.
    fn are_worth(&self, windows: RollupWindows) -> bool {
        let length = if self.is_instant { self.grid.step() } else { self.depth_ms };
        windows.millis() <= length
    }

    /// The coarsest resolution that is offered and fits; raw if none does.
    fn wanted(&self, offered: &Resolutions) -> Resolution {
        let up_to = Resolution::ALL.into_iter().rev().filter(|resolution| *resolution <= offered.coarsest);
        let windows = up_to.filter_map(|resolution| Some((resolution, RollupWindows::of(resolution)?)));
        let exact = windows.clone().find(|(_, windows)| self.fit(*windows));
        let close =
            || windows.clone().find(|(_, windows)| offered.may_be_inexact && self.are_worth(*windows));
        exact.or_else(close).map_or(Resolution::Raw, |(resolution, _)| resolution)
    }
}

/// The runs of a selection. One of raw samples where rollups have no part in it.
pub(in crate::exec) fn runs(env: &Env, reads: &Reads<'_>) -> Vec<Run> {
    let steps = reads.grid.len();
    let all = |resolution, is_exact| vec![Run { steps: 0..steps, resolution, is_exact }];
    if !reads.are_known(env) {
        return all(Resolution::Raw, true);
    }
    runs_of(reads, &env.source.resolutions(&reads.scan.matchers, reads.range()))
}

fn runs_of(reads: &Reads<'_>, offered: &Resolutions) -> Vec<Run> {
    let wanted = reads.wanted(offered);
    let is_exact = |resolution, read| {
        RollupWindows::of(resolution).is_none_or(|windows| reads.fit(windows) && !offered.differ_in(read))
    };
    let gone = offered.gone.iter().map(|(gone, _)| gone);
    let mut changes: Vec<usize> =
        gone.chain(&offered.differing).flat_map(|times| reads.changes(*times)).collect();
    changes.push(0);
    changes.sort_unstable();
    changes.dedup();
    let ends = changes.iter().skip(1).copied().chain([reads.grid.len()]);
    let mut runs: Vec<Run> = Vec::new();
    for (first, end) in changes.iter().copied().zip(ends).filter(|(first, end)| first < end) {
        let read = reads.of_step(first);
        let resolution = wanted.max(offered.finest(read));
        let is_exact = is_exact(resolution, read);
        match runs.last_mut() {
            Some(run) if (run.resolution, run.is_exact) == (resolution, is_exact) => run.steps.end = end,
            _ => runs.push(Run { steps: first..end, resolution, is_exact }),
        }
    }
    runs
}
