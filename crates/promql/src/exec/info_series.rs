//! The info series of the targets of a vector, and which of them counts at each step: of those of one metric and one
//! target the one with the newest sample.

use std::collections::{BTreeSet, HashMap};

use latewood_model::{Labels, MatchOp, Matcher, SeriesSamples, is_stale};

use super::tile::{Tile, is_present};
use super::{Env, Grid, SeriesFeed};
use crate::plan::Scan;
use crate::{QueryError, Reservation};

/// The labels that say which target a series is of, in order. Prometheus has them fixed, too.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// Stands for no series.
const NONE: u32 = u32::MAX;

/// See the module.
pub(super) struct InfoSeries {
    series: Vec<Labels>,
    /// By the identifying labels.
    targets: HashMap<Labels, Vec<InfoMetric>>,
    held: Reservation,
}

/// The series of one info metric of one target.
pub(super) struct InfoMetric {
    name: String,
    /// For each step a series and the time of its sample.
    newest: Vec<(u32, i64)>,
}

impl InfoMetric {
    /// The number of the series that counts at a step, or one that no series has.
    pub(super) fn newest(&self, step: usize) -> u32 {
        self.newest.get(step).map_or(NONE, |newest| newest.0)
    }
}

impl InfoSeries {
    /// Reads the series of the rows marked as targets; none if no such row has an identifying label.
    pub(super) fn read(
        env: &Env,
        grid: Grid,
        scan: &Scan,
        rows: &Tile,
        targets: &[bool],
    ) -> Result<Self, QueryError> {
        let mut read = Self { series: Vec::new(), targets: HashMap::new(), held: env.control.reserve(0)? };
        let identifying = matchers_of(rows, targets);
        if identifying.is_empty() {
            return Ok(read);
        }
        let mut scan = scan.clone();
        scan.matchers.extend(identifying);
        let is_asked: Vec<bool> =
            (0..grid.len()).map(|step| rows.rows().any(|row| is_present(row.values[step]))).collect();
        let mut feed = SeriesFeed::new(env, &scan, grid, None);
        while let Some(series) = feed.next()? {
            read.add(env, grid, &scan, &series, &is_asked)?;
        }
        Ok(read)
    }

    /// The info metrics of a series' target.
    pub(super) fn of_target(&self, labels: &Labels) -> &[InfoMetric] {
        self.targets.get(&labels.keep(&IDENTIFYING)).map_or(&[], Vec::as_slice)
    }

    /// The labels of a series, by its number.
    pub(super) fn labels(&self, number: u32) -> Option<&Labels> {
        self.series.get(number as usize)
    }

    fn add(
        &mut self,
        env: &Env,
        grid: Grid,
        scan: &Scan,
        series: &SeriesSamples,
        is_asked: &[bool],
    ) -> Result<(), QueryError> {
        let number = u32::try_from(self.series.len()).unwrap_or(NONE);
        let key = series.labels.keep(&IDENTIFYING);
        self.held.grow((series.labels.heap_size() + key.heap_size() + 128) as u64)?;
        let name = series.labels.metric_name().unwrap_or_default();
        let metrics = self.targets.entry(key).or_default();
        let found = metrics.iter().position(|metric| metric.name == name).unwrap_or(metrics.len());
        if found == metrics.len() {
            self.held.grow((grid.len() * size_of::<(u32, i64)>() + name.len()) as u64)?;
            metrics.push(InfoMetric { name: name.to_owned(), newest: vec![(NONE, 0); grid.len()] });
        }
        let mut samples = SampleTimes::new(series, env.lookback_ms);
        for (step, newest) in metrics[found].newest.iter_mut().enumerate() {
            let time = scan.at.unwrap_or_else(|| grid.time(step)).saturating_sub(scan.offset_ms);
            let Some(sampled) = samples.newest_at(time)? else { continue };
            env.counts.add_one_step(step, 1);
            match *newest {
                (NONE, _) => *newest = (number, sampled),
                (_, other) if other < sampled => *newest = (number, sampled),
                (existing, other) if other == sampled && is_asked[step] => {
                    let existing = self.series.get(existing as usize).cloned().unwrap_or_default();
                    return Err(conflict(&existing, &series.labels, sampled));
                }
                _ => {}
            }
        }
        self.series.push(series.labels.clone());
        Ok(())
    }
}

fn conflict(existing: &Labels, new: &Labels, time: i64) -> QueryError {
    QueryError::execution(format!(
        "found duplicate series for info metric: existing {existing} @ {time}, new {new} @ {time}"
    ))
}

/// Matchers for the values that identifying labels have in these rows.
fn matchers_of(rows: &Tile, targets: &[bool]) -> Vec<Matcher> {
    let values_of = |name: &&str| -> BTreeSet<String> {
        let labels = rows.rows().zip(targets).filter(|(_, is_target)| **is_target).map(|(row, _)| row.labels);
        labels.filter_map(|labels| labels.get(name)).map(regex::escape).collect()
    };
    let matcher_of = |name: &str| {
        let values: Vec<String> = values_of(&name).into_iter().collect();
        // Too many values for an expression: then all targets are read.
        let matcher = Matcher::new(MatchOp::Regex, name, &values.join("|"))
            .or_else(|_| Matcher::new(MatchOp::NotEqual, name, ""));
        (!values.is_empty()).then_some(matcher.ok()).flatten()
    };
    IDENTIFYING.into_iter().filter_map(matcher_of).collect()
}

/// Looks up the times of a series' samples, for times that do not descend.
struct SampleTimes<'a> {
    series: &'a SeriesSamples,
    lookback_ms: i64,
    floats: usize,
    histograms: usize,
}

impl<'a> SampleTimes<'a> {
    fn new(series: &'a SeriesSamples, lookback_ms: i64) -> Self {
        Self { series, lookback_ms, floats: 0, histograms: 0 }
    }

    /// The time of the newest sample in `(time - lookback, time]`, unless it is a stale marker.
    fn newest_at(&mut self, time: i64) -> Result<Option<i64>, QueryError> {
        let series = self.series;
        let passed = series.timestamps.iter().skip(self.floats);
        self.floats += passed.take_while(|sampled| **sampled <= time).count();
        let passed = series.histograms.iter().skip(self.histograms);
        self.histograms += passed.take_while(|sample| sample.timestamp <= time).count();
        let float = self
            .floats
            .checked_sub(1)
            .and_then(|last| Some((*series.timestamps.get(last)?, *series.values.get(last)?)));
        let histogram = self.histograms.checked_sub(1).and_then(|last| series.histograms.get(last));
        let is_near = |sampled: i64| sampled > time.saturating_sub(self.lookback_ms);
        match (float, histogram) {
            (float, Some(sample)) if float.is_none_or(|float| float.0 < sample.timestamp) => {
                if !is_near(sample.timestamp) || sample.histogram.is_stale() {
                    return Ok(None);
                }
                let labels = &series.labels;
                Err(QueryError::execution(format!(
                    "this should be an info metric, with float samples: {labels}"
                )))
            }
            (Some((sampled, value)), _) => Ok((is_near(sampled) && !is_stale(value)).then_some(sampled)),
            (None, _) => Ok(None),
        }
    }
}
