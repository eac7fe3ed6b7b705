//! Aggregations that make one series of a group. Tiles are folded in as they come; what is held is
//! groups × steps, and let go of tile by tile.

use std::collections::HashMap;

use super::cells::Cells;
use super::fold::Cell;
use super::fold_histograms::{Handling, HistogramCell};
use super::groups::{GroupRows, Groups};
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
    groups: Groups,
    /// Whether rows may have the names of metrics that they should have lost.
    ignores_names: bool,
    cells: Cells<C>,
    /// The groups whose results are to come.
    left: GroupRows,
    /// By the number of the cell.
    histograms: HashMap<usize, HistogramCell>,
    op: AggregateOp,
    param: Option<Scalar>,
    checks_quantile: bool,
    held: Reservation,
}

impl<C: Cell> FoldOperator<C> {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, node: &AggregateNode) -> Self {
        let ignores_names = windows::drops_names(&node.input, env);
        Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(input),
            groups: Groups::new(node, ignores_names),
            ignores_names,
            cells: Cells::new(grid.len()),
            left: Vec::new().into_iter().zip(Vec::new()),
            histograms: HashMap::new(),
            op: node.op,
            param: node.param.as_ref().map(|param| Scalar::new(env, grid, param)),
            checks_quantile: node.op == AggregateOp::Quantile,
            held: Reservation::new(&env.control),
        }
    }

    fn fold(&mut self, tile: &Tile) -> Result<(), QueryError> {
        for row in tile.rows() {
            let (group, new) = self.groups.find(row.labels);
            if self.env.delays_names {
                self.groups.note_mark(group, row);
            }
            if new {
                self.held.grow(self.cells.bytes_of_one().saturating_add(row.labels.heap_size() as u64))?;
                self.cells.add();
            }
            if C::BYTES_PER_VALUE > 0 {
                self.held.grow(row.values.len() as u64 * C::BYTES_PER_VALUE)?;
            }
            if row.has_histograms() {
                self.fold_mixed(group, row)?;
                continue;
            }
            for (cell, &value) in self.cells.of(group).iter_mut().zip(row.values) {
                if is_present(value) {
                    take(cell, value);
                }
            }
        }
        Ok(())
    }

    /// Folds in a row that has histograms.
    fn fold_mixed(&mut self, group: usize, row: Row<'_>) -> Result<(), QueryError> {
        let cells = self.cells.of(group);
        for (step, &value) in row.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
            let number = group * self.steps + step;
            let histogram = row.histogram(step);
            if let Some(histogram) = histogram.filter(|_| C::HISTOGRAMS != Handling::Counted) {
                if C::HISTOGRAMS == Handling::Ignored {
                    self.env.add(&Notice::IgnoredInAggregation(self.op.as_str()));
                    continue;
                }
                let after_floats = cells.get(step).is_some_and(|cell| !cell.is_empty());
                match self.histograms.get_mut(&number) {
                    Some(cell) => {
                        let before = cell.size();
                        let name = row.labels.metric_name().filter(|_| !self.ignores_names);
                        cell.add(&self.env, histogram, name);
                        self.held.grow(cell.size().saturating_sub(before))?;
                    }
                    None => {
                        let cell = HistogramCell::new(C::HISTOGRAMS, after_floats, histogram);
                        self.held.grow(cell.size())?;
                        self.histograms.insert(number, cell);
                    }
                }
                continue;
            }
            if self.histograms.get(&number).is_some_and(HistogramCell::is_incompatible) {
                continue;
            }
            cells.get_mut(step).into_iter().for_each(|cell| take(cell, value));
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

    /// The results of the next groups, whose cells these are.
    fn emit(&mut self, cells: &mut [C]) -> Result<Tile, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        let mut pace = Pace::new(&self.env.control);
        for (cells, (labels, (_, drops_name))) in cells.chunks_mut(self.steps).zip(&mut self.left) {
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
            tile.set_drops_name(tile.len() - 1, drops_name);
        }
        Ok(tile)
    }

    /// Puts the histograms into a tile whose first row is of this group.
    fn emit_histograms(&mut self, tile: &mut Tile, first: usize) -> Result<(), QueryError> {
        let rows = if self.histograms.is_empty() { 0 } else { tile.len() };
        for row in 0..rows {
            for step in 0..self.steps {
                let number = (first + row) * self.steps + step;
                let Some(cell) = self.histograms.remove(&number) else { continue };
                let with_floats = is_present(tile.row(row).values[step]);
                let result = cell.finish(&self.env, with_floats).map(SampleValue::from);
                tile.set(row, step, result)?;
            }
        }
        Ok(())
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
        if let Some(mut input) = self.input.take() {
            self.warn_of_quantiles()?;
            while let Some(tile) = input.next()? {
                self.env.control.check()?;
                self.fold(&tile)?;
            }
            self.left = self.groups.take_rows();
        }
        while let Some((first, mut page)) = self.cells.take_page() {
            let mut tile = self.emit(&mut page)?;
            self.held.shrink(size_of_val(page.as_slice()) as u64);
            drop(page);
            self.emit_histograms(&mut tile, first)?;
            tile.drop_empty_rows();
            if !tile.is_empty() {
                return Ok(Some(tile));
            }
        }
        self.held.shrink(u64::MAX);
        Ok(None)
    }
}
