//! Rows of values out of windows.

use latewood_model::{FloatRollups, HistogramRollup, Labels, RollupColumns, SeriesRollups, TimestampMs};

use super::feed::RollupFeed;
use super::operator::SeriesRows;
use super::spans::Spans;
use crate::exec::Env;
use crate::exec::counts::size_in_samples;
use crate::exec::pace::Pace;
use crate::exec::row::RowMut;
use crate::functions::rollups::{RollupFunction, RollupSpan};
use crate::plan::Reading;
use crate::{CallContext, QueryError, SampleValue};

/// What a step makes of its windows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Made {
    /// The value of a function, of spans this much longer than theirs.
    Of(RollupFunction, f64),
    /// The newest sample's value or time, if it is younger than this, in milliseconds, and nothing marks it stale.
    Newest(Reading, i64),
}

impl Made {
    /// The figures that it looks at.
    pub(super) fn columns(self) -> RollupColumns {
        match self {
            Self::Of(function, _) => function.columns(),
            Self::Newest(..) => RollupColumns::LAST | RollupColumns::TIMES | RollupColumns::STALE,
        }
    }

    /// Whether it makes sense of counters alone.
    fn is_of_counters(self) -> bool {
        matches!(self, Self::Of(RollupFunction::Rate | RollupFunction::Increase, _))
    }
}

/// The series of a run that is read as windows.
pub(super) struct RollupRows {
    pub(super) env: Env,
    pub(super) feed: RollupFeed,
    pub(super) spans: Spans,
    pub(super) made: Made,
    pub(super) context: CallContext,
    /// What is said once it is read.
    pub(super) warning: Option<String>,
}

impl RollupRows {
    /// What the windows of a step give.
    fn value(
        &mut self,
        step: usize,
        floats: &FloatRollups,
        rows: (usize, usize),
        histograms: &[HistogramRollup],
    ) -> Option<SampleValue> {
        match self.made {
            Made::Of(function, scale) => {
                let (start, end) = (self.spans.start(step), self.spans.end(step));
                let span = RollupSpan { floats, rows, histograms, start, end, scale };
                function.value(&span, &mut self.context)
            }
            Made::Newest(reading, lookback_ms) => {
                let oldest = self.spans.end(step).saturating_sub(lookback_ms);
                newest(floats, rows, histograms, oldest, reading)
            }
        }
    }
}

/// The newest sample, unless it is stale or not younger than `oldest`.
fn newest(
    floats: &FloatRollups,
    rows: (usize, usize),
    histograms: &[HistogramRollup],
    oldest: TimestampMs,
    reading: Reading,
) -> Option<SampleValue> {
    let row = rows.1.checked_sub(1).filter(|row| *row >= rows.0);
    let float = row.and_then(|row| Some((*floats.last_at.get(row)?, *floats.stale.get(row)?)));
    let histogram = histograms.last().map(|window| (window.last_at, window.is_stale));
    let (at, is_stale) = float.max(histogram)?;
    if is_stale || at <= oldest {
        return None;
    }
    match reading {
        Reading::Time => Some(SampleValue::Float(at as f64 / 1000.0)),
        Reading::Start => None,
        Reading::Value if histogram.is_some_and(|histogram| histogram.0 == at) => {
            histograms.last().map(|window| SampleValue::Histogram(window.last.to_float()))
        }
        Reading::Value => row.and_then(|row| floats.lasts.get(row)).map(|value| SampleValue::Float(*value)),
    }
}

/// As how many samples a value's windows count.
fn counted(rows: (usize, usize), histograms: &[HistogramRollup]) -> u64 {
    let histograms = histograms.iter().map(|window| size_in_samples(&window.last.to_float()));
    (rows.1 - rows.0) as u64 + histograms.sum::<u64>()
}

impl SeriesRows for RollupRows {
    fn peek(&mut self) -> Result<Option<&Labels>, QueryError> {
        // Also where windows say nothing: samples might have.
        self.warning.take().into_iter().for_each(|text| self.env.warn(&text));
        self.feed.peek()
    }

    fn fill(&mut self, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        let Some(SeriesRollups { labels, floats, histograms }) = self.feed.take() else { return Ok(0) };
        self.context.set_metric_name(labels.metric_name());
        let bounds = self.spans.of(&floats.ends)?;
        let ends: Vec<TimestampMs> = histograms.iter().map(|window| window.end).collect();
        let beside = (!ends.is_empty()).then(|| self.spans.find(&ends)).transpose()?;
        let control = self.env.control.clone();
        let (mut pace, mut filled, mut with_floats, mut evaluated) = (Pace::new(&control), 0, false, 0);
        for (step, &rows) in bounds.iter().enumerate() {
            let beside = beside.as_ref().and_then(|bounds| bounds.get(step)).copied().unwrap_or((0, 0));
            let histograms = histograms.get(beside.0..beside.1).unwrap_or_default();
            pace.did(1 + (rows.1 - rows.0) + 16 * histograms.len())?;
            if rows.0 == rows.1 && histograms.is_empty() {
                continue;
            }
            with_floats |= rows.0 < rows.1;
            let counted = counted(rows, histograms);
            evaluated += counted;
            if self.env.counts.wants_steps() {
                self.env.counts.add_at(step, counted);
            }
            if let Some(value) = self.value(step, &floats, rows, histograms) {
                row.set(step, Some(value));
                filled += 1;
            }
        }
        self.env.counts.add(evaluated);
        self.env.settle(&mut self.context)?;
        if filled > 0 && with_floats && self.made.is_of_counters() {
            self.env.doubt_counter(&labels);
        }
        Ok(filled)
    }
}
