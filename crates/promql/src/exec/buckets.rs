//! Functions of classic histograms: buckets are series that differ in `le`; they are gathered whole, then
//! each histogram is computed step by step.

use std::collections::HashMap;

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::merge::Merger;
use super::scalar::Scalars;
use super::tile::{Tile, absent, computed, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::QueryError;
use crate::ast::Span;
use crate::functions::buckets::{self, Bucket};
use crate::functions::invalid_quantile;
use crate::plan::{BucketCall, Node};

/// See the module.
pub(super) struct BucketOperator {
    env: Env,
    steps: usize,
    input: Option<BoxOperator>,
    function: Function,
    params: Scalars,
    /// Where the parameters stand.
    places: Vec<Span>,
}

enum Function {
    Quantile,
    Fraction,
    Quantiles(String),
}

/// The buckets of one histogram: bounds and the numbers of their rows.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, usize)>,
}

impl BucketOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, call: &BucketCall, places: &[Span]) -> Self {
        let (function, params): (Function, Vec<Node>) = match call {
            BucketCall::Quantile(phi) => (Function::Quantile, vec![phi.clone()]),
            BucketCall::Fraction(lower, upper) => (Function::Fraction, vec![lower.clone(), upper.clone()]),
            BucketCall::Quantiles(label, phis) => (Function::Quantiles(label.clone()), phis.clone()),
        };
        Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(input),
            function,
            params: Scalars::new(env, grid, &params),
            places: places.to_vec(),
        }
    }

    /// Gathers all rows and sorts them into histograms, in the order in which these first came.
    fn gather(&self, input: &mut BoxOperator) -> Result<(Tile, Vec<Histogram>), QueryError> {
        let mut rows = Tile::new(&self.env.control, self.steps)?;
        let (mut index, mut histograms) = (HashMap::<Labels, usize>::new(), Vec::<Histogram>::new());
        while let Some(tile) = input.next()? {
            for (labels, row) in tile.rows() {
                let le = labels.get("le").unwrap_or_default();
                let Some(upper) = buckets::parse_le(le) else {
                    let text = buckets::bad_bucket_label(le);
                    self.env.warn_at(with_metric(text, labels), self.env.place);
                    continue;
                };
                let key = labels.without(&["le"]);
                let found = *index.entry(key.clone()).or_insert_with(|| {
                    histograms.push(Histogram { labels: key, buckets: Vec::new() });
                    histograms.len() - 1
                });
                histograms[found].buckets.push((upper, rows.len()));
                rows.push_row(labels.clone(), row)?;
            }
        }
        Ok((rows, histograms))
    }

    /// The result of a histogram at a step for the parameter `which`.
    fn compute(
        &mut self,
        name: &str,
        step: usize,
        which: usize,
        buckets: &mut Vec<Bucket>,
    ) -> Result<f64, QueryError> {
        let params = self.params.at(step)?;
        let param = |index: usize| params.get(index).copied().unwrap_or(f64::NAN);
        if matches!(self.function, Function::Fraction) {
            return Ok(buckets::bucket_fraction(param(0), param(1), buckets));
        }
        let quantile = buckets::bucket_quantile(param(which), buckets);
        if quantile.forced.is_some() {
            let text = for_metric(buckets::FORCED_MONOTONICITY.to_owned(), name);
            self.env.annotations.lock().info_at(text, self.env.place);
        }
        Ok(quantile.value)
    }

    /// Warns of quantiles outside [0, 1], whether or not there is anything to take them of.
    fn warn_of_quantiles(&mut self) -> Result<(), QueryError> {
        if matches!(self.function, Function::Fraction) {
            return Ok(());
        }
        for step in 0..self.steps {
            let params = self.params.at(step)?.iter().zip(&self.places);
            let texts = params.filter_map(|(&phi, &place)| Some((invalid_quantile(phi)?, place)));
            texts.for_each(|(text, place)| self.env.warn_at(text, place));
        }
        Ok(())
    }

    fn result_labels(&mut self, labels: &Labels, which: usize) -> Result<Labels, QueryError> {
        let labels = super::matching::drop_reserved(labels);
        let Function::Quantiles(label) = &self.function else {
            return Ok(labels);
        };
        let phi = self.params.at(0)?.get(which).copied().unwrap_or(f64::NAN);
        let mut builder = LabelsBuilder::from(&labels);
        builder.set(label, &open_metrics(phi));
        Ok(builder.build())
    }

    fn evaluate(&mut self, rows: &Tile, histograms: &[Histogram]) -> Result<Tile, QueryError> {
        let mut merger = Merger::new(&self.env.control, self.steps, false)?;
        let _held = self.env.control.reserve(self.steps as u64 * 8)?;
        let mut values = vec![absent(); self.steps];
        for histogram in histograms {
            self.env.control.check()?;
            let name = histogram.labels.metric_name().unwrap_or_default();
            for which in 0..self.results() {
                for (step, value) in values.iter_mut().enumerate() {
                    let present = histogram.buckets.iter().map(|&(upper, row)| (upper, rows.row(row)[step]));
                    let mut buckets: Vec<Bucket> = present
                        .filter(|(_, count)| is_present(*count))
                        .map(|(upper, count)| Bucket { upper, count })
                        .collect();
                    *value = if buckets.is_empty() {
                        absent()
                    } else {
                        computed(self.compute(name, step, which, &mut buckets)?)
                    };
                }
                merger.add(&self.result_labels(&histogram.labels, which)?, &values)?;
            }
        }
        Ok(merger.finish())
    }

    /// How many results a histogram has.
    fn results(&self) -> usize {
        match self.function {
            Function::Quantiles(_) => self.params.len(),
            Function::Quantile | Function::Fraction => 1,
        }
    }
}

/// A number as OpenMetrics writes it: whole numbers with `.0`.
fn open_metrics(value: f64) -> String {
    let text = crate::print::general(value);
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return text + ".0";
    }
    text
}

/// Adds the metric's name to a text, if it has one.
fn with_metric(text: String, labels: &Labels) -> String {
    for_metric(text, labels.get(METRIC_NAME).unwrap_or_default())
}

fn for_metric(text: String, name: &str) -> String {
    if name.is_empty() {
        return text;
    }
    format!("{text} for metric name {}", crate::print::quoted(name))
}

impl Operator for BucketOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        self.warn_of_quantiles()?;
        let (rows, histograms) = self.gather(&mut input)?;
        Ok(self.evaluate(&rows, &histograms)?.non_empty())
    }
}
