//! Flushed blocks along the windows.

use std::sync::Arc;

use latewood_catalog::BlockEntry;
use latewood_model::{TimeRange, TimestampMs};

use super::job::Budget;
use super::rollups::Rollups;
use super::{Job, JobKind, Policy};

/// The most windows of one job. A block that spans more, of one series with a sample in each decade say, is left as it is.
const MAX_WINDOWS: usize = 4_096;

/// Jobs for blocks without a window whose times are all in windows that are over.
pub(super) fn plan(
    flushed: &[Arc<BlockEntry>],
    closed_by: TimestampMs,
    policy: &Policy,
    rollups: &Rollups<'_>,
) -> Vec<Job> {
    let mut ready: Vec<_> =
        flushed.iter().filter(|block| is_over(block, closed_by, policy)).cloned().collect();
    ready.sort_by_key(|block| (block.range.start, block.id));
    let (mut jobs, mut open, mut budget) = (Vec::new(), Vec::new(), Budget::default());
    for block in ready {
        if windows([block.range], closed_by, policy, rollups).is_none() {
            continue;
        }
        let ranges = || open.iter().chain([&block]).map(|block: &Arc<BlockEntry>| block.range);
        if windows(ranges(), closed_by, policy, rollups).is_none() || !budget.take(&block, policy, 1) {
            jobs.extend(job(std::mem::take(&mut open), closed_by, policy, rollups));
            budget = Budget::default();
            budget.take(&block, policy, 1);
        }
        open.push(block);
    }
    jobs.extend(job(open, closed_by, policy, rollups));
    jobs
}

/// Whether all times of a block are in windows that are over.
pub(super) fn is_over(block: &BlockEntry, closed_by: TimestampMs, policy: &Policy) -> bool {
    policy.tiers.window(0, block.range.end).end <= closed_by
}

fn job(
    inputs: Vec<Arc<BlockEntry>>,
    closed_by: TimestampMs,
    policy: &Policy,
    rollups: &Rollups<'_>,
) -> Option<Job> {
    let (windows, tier) = windows(inputs.iter().map(|block| block.range), closed_by, policy, rollups)?;
    let (kind, rollups) = (JobKind::Align, None);
    (!inputs.is_empty()).then_some(Job { kind, inputs, windows, tier, rollups, deduplicates: false })
}

/// The longest windows that are over and hold some of the ranges, which ascend by their starts, and the highest tier
/// among them; none when they are too many.
fn windows(
    ranges: impl IntoIterator<Item = TimeRange>,
    closed_by: TimestampMs,
    policy: &Policy,
    rollups: &Rollups<'_>,
) -> Option<(Vec<TimeRange>, usize)> {
    let (mut windows, mut highest) = (Vec::<TimeRange>::new(), 0);
    for range in ranges {
        let known = windows.last().map_or(i64::MIN, |last| last.end.saturating_add(1));
        let mut at = range.start.max(known);
        while at <= range.end {
            if windows.len() >= MAX_WINDOWS {
                return None;
            }
            let (tier, window) = longest(at, closed_by, policy, rollups)?;
            highest = highest.max(tier);
            windows.push(window);
            at = window.end.checked_add(1)?;
        }
    }
    Some((windows, highest))
}

/// The longest window that is over and holds a time. One whose samples have gone in part is not made any more: what would
/// be cut along it could be joined with nothing, and be in no rollup.
fn longest(
    at: TimestampMs,
    closed_by: TimestampMs,
    policy: &Policy,
    rollups: &Rollups<'_>,
) -> Option<(usize, TimeRange)> {
    let shortest = policy.tiers.of_rollups().unwrap_or_default();
    let mut tiers = policy.tiers.count();
    loop {
        let (tier, window) = policy.tiers.longest_closed(at, closed_by, tiers)?;
        if tier <= shortest || !rollups.any_outlives_samples(window) {
            return Some((tier, window));
        }
        tiers = tier;
    }
}
