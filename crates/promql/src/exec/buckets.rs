//! Quantiles and fractions of histograms. The buckets of classic ones are series that differ in `le`; all is gathered
//! whole, then each histogram is computed step by step. Where a native histogram has the labels of a classic one,
//! neither has a result.

use std::collections::HashMap;

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::merge::Merger;
use super::row::{Row, is_histogram};
use super::scalar::Scalars;
use super::tile::{Tile, absent, computed, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use latewood_model::FloatHistogram;
use latewood_model::histogram::NanEffect;

use crate::ast::Span;
use crate::functions::buckets::{self, Bucket};
use crate::functions::invalid_quantile;
use crate::plan::{BucketCall, Node};
use crate::{Notice, QueryError};

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

/// The buckets of one classic histogram: bounds and the numbers of their rows.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, usize)>,
    /// The row of the native histogram of the same labels.
    native: Option<usize>,
}

/// All that was selected.
struct Gathered {
    /// Rows of classic buckets.
    rows: Tile,
    /// Rows with native histograms.
    natives: Tile,
    classic: Vec<Histogram>,
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
    fn gather(&self, input: &mut BoxOperator) -> Result<Gathered, QueryError> {
        let mut rows = Tile::new(&self.env.control, self.steps)?;
        let mut natives = Tile::new(&self.env.control, self.steps)?;
        let (mut index, mut histograms) = (HashMap::<Labels, usize>::new(), Vec::<Histogram>::new());
        while let Some(tile) = input.next()? {
            for row in tile.rows() {
                let labels = row.labels;
                if row.has_histograms() {
                    natives.push_row(labels.clone(), row)?;
                }
                if !row.values.iter().any(|value| is_present(*value) && !is_histogram(*value)) {
                    continue;
                }
                let le = labels.get("le").unwrap_or_default();
                let Some(upper) = buckets::parse_le(le) else {
                    let text = buckets::bad_bucket_label(le);
                    self.env.warn_at(with_metric(text, labels), self.env.place);
                    continue;
                };
                let key = labels.without(&["le"]);
                let found = *index.entry(key.clone()).or_insert_with(|| {
                    histograms.push(Histogram { labels: key, buckets: Vec::new(), native: None });
                    histograms.len() - 1
                });
                histograms[found].buckets.push((upper, rows.len()));
                rows.push_row(labels.clone(), row)?;
            }
        }
        for (number, native) in natives.rows().enumerate() {
            if let Some(classic) = index.get(native.labels).and_then(|found| histograms.get_mut(*found)) {
                classic.native = Some(number);
            }
        }
        Ok(Gathered { rows, natives, classic: histograms })
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
        let keeps_name = self.env.delays_names;
        let labels = if keeps_name { labels.clone() } else { super::matching::drop_reserved(labels) };
        let Function::Quantiles(label) = &self.function else {
            return Ok(labels);
        };
        let phi = self.params.at(0)?.get(which).copied().unwrap_or(f64::NAN);
        let mut builder = LabelsBuilder::from(&labels);
        builder.set(label, &open_metrics(phi));
        Ok(builder.build())
    }

    /// The metric's name in annotations about results: as upstream, none where it has been dropped.
    fn result_name<'a>(&self, labels: &'a Labels) -> &'a str {
        labels.metric_name().filter(|_| self.env.delays_names).unwrap_or_default()
    }

    /// The result of a native histogram at a step for the parameter `which`.
    fn compute_native(
        &mut self,
        name: &str,
        step: usize,
        which: usize,
        histogram: &FloatHistogram,
    ) -> Result<f64, QueryError> {
        let params = self.params.at(step)?;
        let param = |index: usize| params.get(index).copied().unwrap_or(f64::NAN);
        if matches!(self.function, Function::Fraction) {
            let (fraction, nans) = histogram.fraction(param(0), param(1));
            if nans {
                self.env.add(&Notice::FractionWithoutNans(name.to_owned()));
            }
            return Ok(fraction);
        }
        let quantile = histogram.quantile(param(which));
        match quantile.nans {
            NanEffect::None => {}
            NanEffect::Result => self.env.add(&Notice::QuantileOfNans(name.to_owned())),
            NanEffect::Skew => self.env.add(&Notice::QuantileSkewed(name.to_owned())),
        }
        Ok(quantile.value)
    }

    fn evaluate_natives(&mut self, gathered: &Gathered, merger: &mut Merger) -> Result<(), QueryError> {
        let mut values = vec![absent(); self.steps];
        let natives = gathered.classic.iter().filter_map(|classic| Some((classic.native?, classic)));
        let beside: HashMap<usize, &Histogram> = natives.collect();
        for (number, native) in gathered.natives.rows().enumerate() {
            self.env.control.check()?;
            let name = native.labels.metric_name().unwrap_or_default();
            let result_name = self.result_name(native.labels);
            let classic = beside.get(&number);
            for which in 0..self.results() {
                for (step, value) in values.iter_mut().enumerate() {
                    let conflict = classic.is_some_and(|classic| classic.has_buckets(&gathered.rows, step));
                    *value = match native.histogram(step) {
                        Some(_) if conflict => {
                            self.env.add(&Notice::MixedClassicNative(name.to_owned()));
                            absent()
                        }
                        Some(histogram) => {
                            computed(self.compute_native(result_name, step, which, histogram)?)
                        }
                        None => absent(),
                    };
                }
                let labels = self.result_labels(native.labels, which)?;
                let drops_name = self.env.delays_names;
                merger.add(Row { drops_name, ..Row::of_floats(&labels, &values) })?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, gathered: &Gathered) -> Result<Tile, QueryError> {
        let Gathered { rows, natives, classic } = gathered;
        let mut merger = Merger::new(&self.env.control, self.steps, false)?;
        let _held = self.env.control.reserve(self.steps as u64 * 8)?;
        self.evaluate_natives(gathered, &mut merger)?;
        let mut values = vec![absent(); self.steps];
        for histogram in classic {
            self.env.control.check()?;
            let name = self.result_name(&histogram.labels);
            for which in 0..self.results() {
                for (step, value) in values.iter_mut().enumerate() {
                    let conflict =
                        histogram.native.is_some_and(|native| natives.row(native).histogram(step).is_some());
                    let mut buckets: Vec<Bucket> = histogram.at(rows, step).collect();
                    *value = if buckets.is_empty() || conflict {
                        absent()
                    } else {
                        computed(self.compute(name, step, which, &mut buckets)?)
                    };
                }
                let labels = self.result_labels(&histogram.labels, which)?;
                let drops_name = self.env.delays_names;
                merger.add(Row { drops_name, ..Row::of_floats(&labels, &values) })?;
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

impl Histogram {
    /// The buckets at a step.
    fn at<'a>(&'a self, rows: &'a Tile, step: usize) -> impl Iterator<Item = Bucket> + 'a {
        let all =
            self.buckets.iter().map(move |&(upper, row)| Bucket { upper, count: rows.row(row).values[step] });
        all.filter(|bucket| is_present(bucket.count) && !is_histogram(bucket.count))
    }

    fn has_buckets(&self, rows: &Tile, step: usize) -> bool {
        self.at(rows, step).next().is_some()
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
        let gathered = self.gather(&mut input)?;
        Ok(self.evaluate(&gathered)?.non_empty())
    }
}
