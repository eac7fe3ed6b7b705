//! The blocks of one window into one.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_catalog::BlockEntry;
use latewood_model::{TimeRange, TimestampMs};

use super::job::Budget;
use super::{Job, JobKind, Policy};

/// The window's large block is written anew at once when what is to be added has this part of its bytes.
const MANY: u64 = 10;

/// Blocks of one window.
struct Group {
    tier: usize,
    window: TimeRange,
    blocks: Vec<Arc<BlockEntry>>,
}

/// Jobs for blocks that have windows, shorter windows first.
pub(super) fn plan(
    aligned: Vec<Arc<BlockEntry>>,
    closed_by: TimestampMs,
    now_ms: TimestampMs,
    policy: &Policy,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    assign(aligned, policy.tiers.count(), closed_by, policy, &mut |group| {
        jobs.extend(job(group, now_ms, policy));
    });
    jobs.sort_by_key(|job| (job.tier, job.windows.first().map(|window| window.end)));
    jobs
}

/// Groups blocks by the longest window that is over and whose blocks are not too large together.
fn assign(
    blocks: Vec<Arc<BlockEntry>>,
    tiers: usize,
    closed_by: TimestampMs,
    policy: &Policy,
    found: &mut impl FnMut(Group),
) {
    let mut groups: BTreeMap<(usize, TimestampMs), Group> = BTreeMap::new();
    for block in blocks {
        let Some((tier, window)) = place(&block, tiers, closed_by, policy) else { continue };
        let group = groups.entry((tier, window.end));
        group.or_insert_with(|| Group { tier, window, blocks: Vec::new() }).blocks.push(block);
    }
    for group in groups.into_values() {
        let bytes = group.blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.bytes));
        if group.tier > 0 && group.blocks.len() > 1 && bytes > policy.max_bytes {
            assign(group.blocks, group.tier, closed_by, policy, found);
        } else {
            found(group);
        }
    }
}

/// The longest window that is over and has all of the block's in it. Windows of other settings may lie across.
fn place(
    block: &BlockEntry,
    tiers: usize,
    closed_by: TimestampMs,
    policy: &Policy,
) -> Option<(usize, TimeRange)> {
    let own = block.window?;
    (1..=tiers).rev().find_map(|tiers| {
        let (tier, window) = policy.tiers.longest_closed(own.end, closed_by, tiers)?;
        (window.start <= own.start).then_some((tier, window))
    })
}

fn job(group: Group, now_ms: TimestampMs, policy: &Policy) -> Option<Job> {
    let Group { tier, window, mut blocks } = group;
    // The window's own block first, the largest if there are several; then what is to be added, in order of time.
    let is_whole = |block: &BlockEntry| block.window == Some(window);
    blocks.sort_by_key(|block| (block.range.start, block.id));
    let whole = blocks.iter().enumerate().filter(|(_, block)| is_whole(block));
    if let Some((at, _)) = whole.max_by_key(|(_, block)| block.bytes) {
        let base = blocks.remove(at);
        if !is_worth_it(&base, &blocks, now_ms, policy) {
            return None;
        }
        blocks.insert(0, base);
    }
    let mut budget = Budget::default();
    blocks.retain(|block| budget.take(block, policy, 2));
    (blocks.len() > 1).then(|| Job { kind: JobKind::Merge, inputs: blocks, windows: vec![window], tier })
}

/// Whether a window's block is to be written anew for what came late.
fn is_worth_it(base: &BlockEntry, late: &[Arc<BlockEntry>], now_ms: TimestampMs, policy: &Policy) -> bool {
    let bytes = late.iter().fold(0u64, |sum, block| sum.saturating_add(block.bytes));
    let has_waited =
        |block: &Arc<BlockEntry>| block.begun_ms().saturating_add(policy.late_delay_ms) <= now_ms;
    bytes.saturating_mul(MANY) >= base.bytes || late.iter().any(has_waited)
}
