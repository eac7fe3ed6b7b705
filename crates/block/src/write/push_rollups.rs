//! A series' windows on their way into parts.

use std::ops::Range;
use std::sync::Arc;

use latewood_model::{
    HistogramRollup, HistogramSample, MetricMetadata, NativeHistogram, RollupWindows, SeriesRollups,
    TimeRange, TimestampMs,
};

use super::BlockWriter;
use super::rollup_check::problem_of;
use super::rollup_values::RoutedRollups;
use super::rollups::{PlacedWindows, RollupRun};
use crate::BlockError;
use crate::span::{Kind, Role, RollupSpan, Span, SpanStarts};

impl BlockWriter {
    /// Appends a series with its windows, which are those of the block's resolution. Series come as in
    /// [`BlockWriter::push`]; all columns must be there.
    ///
    /// # Errors
    /// As [`BlockWriter::push`]; [`BlockError::Order`] too for windows that no samples could give.
    pub fn push_rollups(
        &mut self,
        series: &SeriesRollups,
        metadata: Option<&MetricMetadata>,
    ) -> Result<(), BlockError> {
        let refuse = |problem| Err(BlockError::Order { labels: series.labels.to_string(), problem });
        let Some(windows) = RollupWindows::of(self.resolution()) else {
            return refuse("a block of samples takes no windows");
        };
        if let Some(problem) = problem_of(series, windows) {
            return refuse(problem);
        }
        let histograms = times(&series.histograms, |window| window.end);
        self.check(&series.labels, &[&series.floats.ends, &histograms])?;
        if series.is_empty() {
            return Ok(());
        }
        let id = self.add(&series.labels, metadata)?;
        self.push_float_windows(id, series)?;
        self.push_histogram_windows(id, series, &histograms)
    }

    fn push_float_windows(&mut self, id: i32, series: &SeriesRollups) -> Result<(), BlockError> {
        let floats = &series.floats;
        if floats.is_empty() {
            return Ok(());
        }
        let placed = self.place([&floats.ends, &floats.first_at, &floats.last_at])?;
        for (window, rows) in self.shop.cut.windows(&floats.ends) {
            let routed = RoutedRollups::of(floats, &rows);
            let run = RollupRun {
                id,
                metric: series.labels.metric_name(),
                placed: &placed.slice(&rows),
                counts: floats.counts.get(rows.clone()).unwrap_or_default(),
                stale: floats.stale.get(rows.clone()).unwrap_or_default(),
                routed: &routed,
            };
            self.push_run(&run, Kind::FloatRollup, &floats.ends, rows, window)?;
        }
        Ok(())
    }

    fn push_histogram_windows(
        &mut self,
        id: i32,
        series: &SeriesRollups,
        ends: &Arc<[TimestampMs]>,
    ) -> Result<(), BlockError> {
        if ends.is_empty() {
            return Ok(());
        }
        let histograms = &series.histograms;
        let (first_at, last_at) =
            (times(histograms, |one| one.first_at), times(histograms, |one| one.last_at));
        let placed = self.place([ends, &first_at, &last_at])?;
        let metric = series.labels.metric_name();
        for (window, rows) in self.shop.cut.windows(ends) {
            let histograms = histograms.get(rows.clone()).unwrap_or_default();
            let stale: Vec<bool> = histograms.iter().map(|one| one.is_stale).collect();
            let counts: Vec<u64> = histograms.iter().map(|one| one.count).collect();
            let routed = RoutedRollups::none(rows.len(), stale.contains(&true));
            let placed = placed.slice(&rows);
            let run =
                RollupRun { id, metric, placed: &placed, counts: &counts, stale: &stale, routed: &routed };
            self.push_run(&run, Kind::HistogramRollup, ends, rows, window)?;
            for role in Role::ALL {
                let (which, samples) = in_role(histograms, role);
                if !which.is_empty() {
                    let placed = placed.ends.pick(&which);
                    self.push_runs(id, metric, (&samples, Some(role)), window, &placed)?;
                }
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        [ends, first_at, last_at]: [&Arc<[TimestampMs]>; 3],
    ) -> Result<PlacedWindows, BlockError> {
        Ok(PlacedWindows {
            ends: self.scrapes.place(ends)?,
            first_at: self.scrapes.place(first_at)?,
            last_at: self.scrapes.place(last_at)?,
        })
    }

    /// The rows of one window of the block, and their span.
    fn push_run(
        &mut self,
        run: &RollupRun<'_>,
        kind: Kind,
        ends: &[TimestampMs],
        rows: Range<usize>,
        window: TimestampMs,
    ) -> Result<(), BlockError> {
        let (Some(&first), Some(&last)) = (ends.get(rows.start), ends.get(rows.end - 1)) else {
            return Ok(());
        };
        let range = TimeRange::new(first, last);
        let (number, part) = self.rollups.open(&self.shop, window)?;
        let row_start = part.rows();
        part.push(run.metric.unwrap_or(""), range, rows.len(), run)?;
        self.counts.0 += rows.len() as u64;
        self.range = self.range.union(range);
        let placed = run.placed;
        self.spans.push(Span {
            series: run.id as u32,
            part: number,
            row_start,
            row_count: rows.len() as u64,
            kind,
            first_scrape: placed.ends.first,
            last_scrape: placed.ends.last,
            scale: run.routed.scale,
            has_vf: false,
            range,
            starts: SpanStarts::None,
            shape: None,
            rollup: Some(Arc::new(RollupSpan {
                values: run.routed.held,
                first_at: placed.first_at.range(),
                last_at: placed.last_at.range(),
            })),
        })
    }
}

fn times(windows: &[HistogramRollup], at: fn(&HistogramRollup) -> TimestampMs) -> Arc<[TimestampMs]> {
    windows.iter().map(at).collect()
}

/// The histograms in a role, labelled by the ends of their windows, and which windows have one. A first one that is
/// the last one, too, is left out.
fn in_role(windows: &[HistogramRollup], role: Role) -> (Vec<usize>, Vec<HistogramSample>) {
    let of = |window: &HistogramRollup| match role {
        Role::First => (window.first != window.last).then(|| window.first.clone()),
        Role::Last => Some(window.last.clone()),
        Role::Correction => window.correction.clone().map(NativeHistogram::Float),
        Role::Sum => window.sum.clone().map(NativeHistogram::Float),
    };
    let found = windows.iter().enumerate().filter_map(|(at, window)| Some((at, window.end, of(window)?)));
    found.map(|(at, end, histogram)| (at, HistogramSample::new(end, histogram))).unzip()
}
