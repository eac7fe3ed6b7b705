//! Aggregations that make one series of a group. Tiles are folded in as they come; what is held is
//! groups × steps.

use std::collections::HashMap;

use super::fold::Cell;
use super::fold_histograms::{Handling, HistogramCell};
use super::groups::Groups;
use super::pace::Pace;
use super::row::Row;
use super::scalar::Scalar;
use super::tile::{Tile, computed, is_present};
use super::{BoxOperator, Env, Grid, Operator, windows};
use crate::ast::AggregateOp;
use crate::plan::AggregateNode;
use crate::{Notice, QueryError, Reservation, SampleValue};

/// See the module.
pub(super) struct FoldOperator<C> {
    env: Env,
    steps: usize,
    input: Option<BoxOperator>,
    groups: Option<Groups>,
    /// Whether rows may have the names of metrics that they should have lost.
    ignores_names: bool,
    cells: Vec<C>,
    /// By the number of the cell.
    histograms: HashMap<usize, HistogramCell>,
    op: AggregateOp,
    param: Option<Scalar>,
    checks_quantile: bool,
    held: Option<Reservation>,
}

impl<C: Cell> FoldOperator<C> {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, node: &AggregateNode) -> Self {
        let ignores_names = windows::drops_names(&node.input, env);
        Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(input),
            groups: Some(Groups::new(node, ignores_names)),
            ignores_names,
            cells: Vec::new(),
            histograms: HashMap::new(),
            op: node.op,
            param: node.param.as_ref().map(|param| Scalar::new(env, grid, param)),
            checks_quantile: node.op == AggregateOp::Quantile,
            held: None,
        }
    }

    fn fold(&mut self, groups: &mut Groups, tile: &Tile, held: &mut Reservation) -> Result<(), QueryError> {
        let cell_bytes = (self.steps as u64).saturating_mul(size_of::<C>() as u64);
        for row in tile.rows() {
            let (group, new) = groups.find(row.labels);
            if self.env.delays_names {
                groups.note_mark(group, row);
            }
            if new {
                held.grow(cell_bytes.saturating_add(row.labels.heap_size() as u64))?;
                self.cells.resize(self.cells.len() + self.steps, C::EMPTY);
            }
            if C::BYTES_PER_VALUE > 0 {
                held.grow(row.values.len() as u64 * C::BYTES_PER_VALUE)?;
            }
            let start = group * self.steps;
            if row.has_histograms() {
                self.fold_mixed(start, row, held)?;
                continue;
            }
            let cells = self.cells.get_mut(start..start + self.steps).unwrap_or_default();
            for (cell, &value) in cells.iter_mut().zip(row.values) {
                if is_present(value) {
                    take(cell, value);
                }
            }
        }
        Ok(())
    }

    /// Folds in a row that has histograms.
    fn fold_mixed(&mut self, start: usize, row: Row<'_>, held: &mut Reservation) -> Result<(), QueryError> {
        for (step, &value) in row.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
            let number = start + step;
            let histogram = row.histogram(step);
            if let Some(histogram) = histogram.filter(|_| C::HISTOGRAMS != Handling::Counted) {
                if C::HISTOGRAMS == Handling::Ignored {
                    self.env.add(&Notice::IgnoredInAggregation(self.op.as_str()));
                    continue;
                }
                let after_floats = self.cells.get(number).is_some_and(|cell| !cell.is_empty());
                match self.histograms.get_mut(&number) {
                    Some(cell) => {
                        let before = cell.size();
                        let name = row.labels.metric_name().filter(|_| !self.ignores_names);
                        cell.add(&self.env, histogram, name);
                        held.grow(cell.size().saturating_sub(before))?;
                    }
                    None => {
                        let cell = HistogramCell::new(C::HISTOGRAMS, after_floats, histogram);
                        held.grow(cell.size())?;
                        self.histograms.insert(number, cell);
                    }
                }
                continue;
            }
            if self.histograms.get(&number).is_some_and(HistogramCell::is_incompatible) {
                continue;
            }
            self.cells.get_mut(number).into_iter().for_each(|cell| take(cell, value));
        }
        Ok(())
    }

    fn warn_of_quantiles(&mut self) -> Result<(), QueryError> {
        let (Some(param), true) = (&mut self.param, self.checks_quantile) else {
            return Ok(());
        };
        let values = param.values()?;
        let mut worst = [None::<f64>; 3];
        for phi in (0..self.steps).map(|step| values.at(step)) {
            if phi.is_nan() {
                worst[0] = Some(phi);
            } else if phi > 1.0 {
                worst[1] = Some(worst[1].map_or(phi, |most| most.max(phi)));
            } else if phi < 0.0 {
                worst[2] = Some(worst[2].map_or(phi, |least| least.min(phi)));
            }
        }
        let texts = worst.into_iter().flatten().filter_map(crate::functions::invalid_quantile);
        texts.for_each(|text| self.env.warn_at(text, self.env.place));
        Ok(())
    }

    fn emit(&mut self, groups: Groups) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        let marks = groups.marks();
        let mut pace = Pace::new(&self.env.control);
        let cells = self.cells.chunks_mut(self.steps);
        for (group, (labels, cells)) in groups.into_labels().into_iter().zip(cells).enumerate() {
            pace.did(8)?;
            let row = tile.push(labels)?;
            let mut filled = 0;
            for (step, (cell, value)) in cells.iter_mut().zip(row).enumerate() {
                if !cell.is_empty() {
                    pace.did(cell.work())?;
                    let param = match &mut self.param {
                        Some(param) => param.values()?.at(step),
                        None => 0.0,
                    };
                    *value = computed(cell.result(param));
                    filled += 1;
                }
            }
            tile.count_samples(filled)?;
            let mixed_steps = if self.histograms.is_empty() { 0 } else { self.steps };
            for step in 0..mixed_steps {
                let Some(cell) = self.histograms.remove(&(group * self.steps + step)) else { continue };
                let with_floats = is_present(tile.row(group).values[step]);
                let result = cell.finish(&self.env, with_floats).map(SampleValue::from);
                tile.set(group, step, result)?;
            }
        }
        marks.enumerate().for_each(|(group, drops_name)| tile.set_drops_name(group, drops_name));
        tile.drop_empty_rows();
        Ok(tile.non_empty())
    }
}

/// Takes a value in.
fn take<C: Cell>(cell: &mut C, value: f64) {
    if cell.is_empty() {
        *cell = C::first(value);
    } else {
        cell.add(value);
    }
}

impl<C: Cell> Operator for FoldOperator<C> {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let (Some(mut input), Some(mut groups)) = (self.input.take(), self.groups.take()) else {
            return Ok(None);
        };
        self.warn_of_quantiles()?;
        let mut held = self.env.control.reserve(0)?;
        while let Some(tile) = input.next()? {
            self.env.control.check()?;
            self.fold(&mut groups, &tile, &mut held)?;
        }
        self.held = Some(held);
        let result = self.emit(groups);
        (self.cells, self.held) = (Vec::new(), None);
        result
    }
}
