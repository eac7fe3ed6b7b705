//! A series' samples on their way into parts, window by window.

use std::sync::Arc;

use latewood_model::{HistogramSample, SeriesSamples, TimeRange, TimestampMs};

use super::BlockWriter;
use super::histograms::HistogramRun;
use super::runs::runs;
use super::samples::SampleRun;
use super::scrapes::Placed;
use crate::BlockError;
use crate::decimal::route;
use crate::span::{Kind, Role, Span, SpanStarts};

impl BlockWriter {
    pub(super) fn push_floats(
        &mut self,
        id: i32,
        metric: Option<&str>,
        series: &SeriesSamples,
    ) -> Result<(), BlockError> {
        if series.timestamps.is_empty() {
            return Ok(());
        }
        let placed = self.scrapes.place(&series.timestamps)?;
        let starts = starts_of(series);
        for (window, rows) in self.shop.cut.windows(&series.timestamps) {
            let (times, values) = (series.timestamps.get(rows.clone()), series.values.get(rows.clone()));
            let (Some(range), Some(values)) = (times.and_then(range_of), values) else { continue };
            let placed = placed.slice(rows.clone());
            let starts = starts.get(rows).unwrap_or_default();
            let routed = route(values);
            let (number, part) = self.samples.open(&self.shop, window)?;
            let row_start = part.rows();
            let run = SampleRun { id, metric, placed: &placed, routed: &routed, starts };
            part.push(metric.unwrap_or(""), range, values.len(), &run)?;
            self.counts.0 += values.len() as u64;
            self.range = self.range.union(range);
            self.spans.push(Span {
                series: id as u32,
                part: number,
                row_start,
                row_count: values.len() as u64,
                kind: Kind::Float,
                first_scrape: placed.first,
                last_scrape: placed.last,
                scale: routed.scale,
                has_vf: routed.has_doubles,
                range,
                starts: SpanStarts::of(starts.iter().copied()),
                shape: None,
                rollup: None,
            })?;
        }
        Ok(())
    }

    pub(super) fn push_histograms(
        &mut self,
        id: i32,
        metric: Option<&str>,
        histograms: &[HistogramSample],
    ) -> Result<(), BlockError> {
        if histograms.is_empty() {
            return Ok(());
        }
        let times: Arc<[TimestampMs]> = histograms.iter().map(|sample| sample.timestamp).collect();
        let placed = self.scrapes.place(&times)?;
        for (window, rows) in self.shop.cut.windows(&times) {
            let histograms = histograms.get(rows.clone()).unwrap_or_default();
            self.push_runs(id, metric, (histograms, None), window, &placed.slice(rows))?;
        }
        Ok(())
    }

    /// The runs of histograms of one window of the block, which are samples or something to their windows.
    pub(super) fn push_runs(
        &mut self,
        id: i32,
        metric: Option<&str>,
        (histograms, role): (&[HistogramSample], Option<Role>),
        window: TimestampMs,
        placed: &Placed,
    ) -> Result<(), BlockError> {
        let mut done = 0;
        for run in runs(histograms) {
            let samples = done..done + run.samples.len();
            done = samples.end;
            let (Some(first), Some(last)) = (run.samples.first(), run.samples.last()) else { continue };
            let range = TimeRange::new(first.timestamp, last.timestamp);
            let kind = role.map_or(Some(run.kind), |role| run.kind.in_role(role));
            let problem = "a window of it has a histogram that none can have";
            let kind = kind.ok_or_else(|| BlockError::Order { labels: self.last_labels(), problem })?;
            let placed = placed.slice(samples);
            let (number, part) = self.histograms.open(&self.shop, window)?;
            let (row_start, row_count) = (part.rows(), run.rows());
            let rows = HistogramRun { id, placed: &placed, run: &run };
            part.push(metric.unwrap_or(""), range, row_count, &rows)?;
            self.counts.1 += run.samples.len() as u64;
            self.range = self.range.union(range);
            self.spans.push(Span {
                series: id as u32,
                part: number,
                row_start,
                row_count: row_count as u64,
                kind,
                first_scrape: placed.first,
                last_scrape: placed.last,
                scale: None,
                has_vf: run.has_doubles(),
                range,
                starts: run.starts(),
                shape: Some(Arc::new(run.shape)),
                rollup: None,
            })?;
        }
        Ok(())
    }
}

/// The start timestamps of a series' floats, one each; nothing if none has one.
fn starts_of(series: &SeriesSamples) -> Vec<TimestampMs> {
    if series.starts.is_empty() {
        return Vec::new();
    }
    let mut starts = series.starts.cursor();
    series.timestamps.iter().map(|&at| starts.at(at)).collect()
}

/// From the first to the last of ascending times; none of none.
fn range_of(times: &[TimestampMs]) -> Option<TimeRange> {
    let ends = times.first().zip(times.last());
    ends.map(|(&start, &end)| TimeRange::new(start, end))
}
