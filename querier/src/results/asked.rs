//! A range query as the cache sees it.

use latewood_model::dedup::LOOKBACK_MS;
use latewood_model::{Resolution, TimeRange, TimestampMs};
use latewood_promql::print::format;
use latewood_promql::{Footprint, with_room};

use super::config::ResultsCacheConfig;
use super::key::ResultKey;
use super::run::RangeCall;
use super::sources::Surroundings;
use super::steps::StepGrid;
use crate::resolutions::SourceResolution;

/// A range query whose results may be kept.
pub(super) struct Asked {
    pub(super) key: ResultKey,
    pub(super) grid: StepGrid,
    /// From the first to the last.
    pub(super) steps: TimeRange,
    /// Steps after this are not worth keeping.
    pub(super) keep_until: TimestampMs,
    footprint: Footprint,
}

impl Asked {
    /// None of one whose results are not to be kept.
    pub(super) fn of(config: &ResultsCacheConfig, call: &RangeCall<'_>, now: TimestampMs) -> Option<Self> {
        let query = call.query;
        let is_reported = query.report.samples_per_step || query.report.analysis;
        // Which steps are approximate depends on the whole range.
        let is_exact = matches!(
            call.options.resolution,
            SourceResolution::Auto | SourceResolution::UpTo(Resolution::Raw)
        );
        if !config.cache_results || is_reported || !is_exact {
            return None;
        }
        let step_ms = i64::try_from(query.step.as_millis()).ok()?;
        let grid = StepGrid::new(step_ms, query.start, query.end)?;
        let phase_ms = query.start.rem_euclid(step_ms);
        if phase_ms != 0 && !config.cache_unaligned_requests {
            return None;
        }
        let footprint = call.engine.footprint(query)?;
        let lookback = query.lookback.unwrap_or(call.engine.config().lookback);
        let replica_labels = call.options.replica_labels.names().to_vec();
        // Which replica's sample stands is decided by those before it.
        let more_ms = if replica_labels.is_empty() { 0 } else { LOOKBACK_MS };
        let windows_ms = more_for_windows(call, &footprint);
        let freshness_ms = i64::try_from(config.max_cache_freshness_seconds).ok()?.checked_mul(1_000)?;
        Some(Self {
            key: ResultKey {
                tenant: call.source.pinned.tenant.clone(),
                expression: with_room(query.expr.levels(), || format(&query.expr)).ok()?,
                step_ms,
                phase_ms,
                lookback_ms: i64::try_from(lookback.as_millis()).ok()?,
                replica_labels,
                resolution: call.options.resolution,
            },
            grid,
            steps: grid.run(query.start, query.end),
            keep_until: now.saturating_sub(freshness_ms),
            footprint: footprint.reaching_back(more_ms + windows_ms),
        })
    }

    /// The times of the samples that steps depend on.
    pub(super) fn reads(&self, steps: TimeRange) -> Vec<TimeRange> {
        self.footprint.of_steps(steps.start, steps.end).collect()
    }

    /// Whether nobody holds a sample that matters to these steps and is in no block.
    pub(super) fn is_settled(&self, steps: TimeRange, around: &Surroundings<'_>) -> bool {
        around.is_settled(self.footprint.of_steps(steps.start, steps.end))
    }

    /// What of a run within one extent is worth keeping, and may be kept: its first steps, if any.
    pub(super) fn keepable(&self, run: TimeRange, around: &Surroundings<'_>) -> TimeRange {
        let keeps = |run: TimeRange| run.end <= self.keep_until && self.is_settled(run, around);
        self.grid.longest(run, keeps)
    }
}

/// How much earlier what matters to a step begins where windows are read that do not fit its range.
fn more_for_windows(call: &RangeCall<'_>, footprint: &Footprint) -> i64 {
    let read = footprint.of_steps(call.query.start, call.query.end);
    let gone = read.flat_map(|read| call.source.pinned.held.gone(read));
    let coarsest = gone.map(|(_, resolution)| resolution).max().unwrap_or_default();
    2 * coarsest.millis().unwrap_or(0)
}
