//! Operators that look at one row after another: element-wise functions, operators with a scalar, label
//! rewriting. They change tiles in place and stream, unless rows may come to have equal labels.

use latewood_model::{Labels, METRIC_NAME};

use super::arithmetic::{compare, element_binary};
use super::histograms::{Operand, binary};
use super::merge::Merger;
use super::pace::Pace;
use super::row::{RowMut, is_histogram};
use super::scalar::{Scalar, Scalars};
use super::tile::{Tile, computed, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::ast::BinaryOp;
use crate::functions::ElementKernel;
use crate::functions::histograms::MomentKernel;
use crate::plan::Relabel;
use crate::{CallContext, QueryError, SampleValue};

/// What becomes of a row: its values are changed in place, its new labels returned.
pub(super) trait RowFunction: Send {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError>;
}

/// Applies a [`RowFunction`] to every row.
pub(super) struct Map<F> {
    env: Env,
    input: Option<BoxOperator>,
    steps: usize,
    merges: bool,
    function: F,
}

impl<F: RowFunction> Map<F> {
    /// `merges` says that rows may come to have equal labels.
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, merges: bool, function: F) -> Self {
        Self { env: env.clone(), input: Some(input), steps: grid.len(), merges, function }
    }

    fn apply(&mut self, tile: &mut Tile) -> Result<(), QueryError> {
        for row in 0..tile.len() {
            self.env.control.check()?;
            let mut row = tile.row_mut(row);
            let labels = self.function.apply(&self.env, &mut row)?;
            let longer = labels.heap_size().saturating_sub(row.labels.heap_size());
            *row.labels = labels;
            let grown = row.take_grown();
            tile.book(grown + longer as u64)?;
        }
        Ok(())
    }

    fn merge_all(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let mut merger = Merger::new(&self.env.control, self.steps, false)?;
        while let Some(mut tile) = input.next()? {
            self.apply(&mut tile)?;
            merger.add_tile(&tile)?;
        }
        Ok(merger.finish().non_empty())
    }
}

impl<F: RowFunction> Operator for Map<F> {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        if self.merges {
            return self.merge_all();
        }
        loop {
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            let Some(mut tile) = input.next()? else {
                return Ok(None);
            };
            self.apply(&mut tile)?;
            tile.drop_empty_rows();
            if !tile.is_empty() {
                return Ok(Some(tile));
            }
        }
    }
}

/// An element-wise function.
pub(super) struct Element {
    pub(super) grid: Grid,
    pub(super) kernel: ElementKernel,
    /// What it makes of a histogram; without it histograms have no result.
    pub(super) moment: Option<MomentKernel>,
    pub(super) params: Scalars,
    pub(super) context: CallContext,
}

impl RowFunction for Element {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        self.context.set_metric_name(row.labels.metric_name());
        let mut pace = Pace::new(&env.control);
        for (step, value) in row.values.iter_mut().enumerate() {
            pace.did(1)?;
            if is_present(*value) && !is_histogram(*value) {
                let params = self.params.at(step)?;
                let result = (self.kernel)(*value, self.grid.time(step), params, &mut self.context);
                *value = result.map_or_else(super::tile::absent, computed);
            }
        }
        row.map_histograms(|_, histogram| self.moment.map(|moment| SampleValue::Float(moment(histogram))));
        env.settle(&mut self.context)?;
        if self.moment.is_some() && !env.delays_names {
            // As upstream: of the labels that say what the metric is, type and unit stay.
            return Ok(row.labels.without(&[METRIC_NAME]));
        }
        Ok(env.without_name(row))
    }
}

/// The step's time in seconds for each element.
pub(super) struct StepTimes(pub(super) Grid);

impl RowFunction for StepTimes {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        for (step, value) in row.values.iter_mut().enumerate() {
            if is_present(*value) {
                *value = self.0.time(step) as f64 / 1000.0;
            }
        }
        Ok(env.without_name(row))
    }
}

/// Unary minus.
pub(super) struct Negate;

impl RowFunction for Negate {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        for value in row.values.iter_mut().filter(|value| is_present(**value) && !is_histogram(**value)) {
            *value = computed(-*value);
        }
        row.map_histograms(|_, histogram| {
            let mut negated = latewood_model::FloatHistogram::clone(histogram);
            negated.multiply(-1.0);
            Some(negated.into())
        });
        Ok(env.without_name(row))
    }
}

/// A binary operator with a scalar.
pub(super) struct WithScalar {
    pub(super) op: BinaryOp,
    pub(super) return_bool: bool,
    pub(super) scalar: Scalar,
    pub(super) scalar_left: bool,
}

impl RowFunction for WithScalar {
    fn apply(&mut self, env: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        let (op, return_bool, scalar_left) = (self.op, self.return_bool, self.scalar_left);
        let scalar = self.scalar.values()?;
        let mut pace = Pace::new(&env.control);
        for (step, value) in row.values.iter_mut().enumerate() {
            pace.did(1)?;
            if !is_present(*value) || is_histogram(*value) {
                continue;
            }
            let (element, other) = (*value, scalar.at(step));
            let (left, right) = if scalar_left { (other, element) } else { (element, other) };
            if op.is_trim() {
                let _no_result = binary(env, op, Operand::Float(left), Operand::Float(right));
                *value = super::tile::absent();
                continue;
            }
            *value = match compare(op, left, right) {
                Some(holds) if return_bool => f64::from(u8::from(holds)),
                Some(true) => element,
                Some(false) => super::tile::absent(),
                None => element_binary(op, left, right).unwrap_or(f64::NAN),
            };
        }
        row.map_histograms(|step, histogram| {
            let (element, other) = (Operand::Histogram(histogram), Operand::Float(scalar.at(step)));
            let (left, right) = if scalar_left { (other, element) } else { (element, other) };
            binary(env, op, left, right).ok().flatten()
        });
        if op.changes_meaning() || return_bool {
            return Ok(env.without_name(row));
        }
        Ok(row.labels.clone())
    }
}

impl RowFunction for Relabel {
    fn apply(&mut self, _: &Env, row: &mut RowMut<'_>) -> Result<Labels, QueryError> {
        let rewritten = match self {
            Self::Replace(replace) => replace.apply(row.labels)?,
            Self::Join(join) => Some(join.apply(row.labels)?),
        };
        let Some(labels) = rewritten else { return Ok(row.labels.clone()) };
        if self.target() == METRIC_NAME {
            // A name that was asked for is no leftover.
            *row.drops_name = false;
        }
        Ok(labels)
    }
}
