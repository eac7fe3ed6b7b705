//! The `sort` family: the order of an instant query's elements. Range queries are ordered by labels anyway.

use latewood_model::Labels;

use super::row::is_histogram;
use super::tile::Tile;
use super::{BoxOperator, Env, Grid, Operator, merge::Merger, sort_by};
use crate::QueryError;
use crate::functions::ordering;
use crate::plan::SortOrder;

/// See the module.
pub(super) struct SortOperator {
    env: Env,
    steps: usize,
    input: BoxOperator,
    order: SortOrder,
    done: bool,
}

impl SortOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, order: &SortOrder) -> Self {
        Self { env: env.clone(), steps: grid.len(), input, order: order.clone(), done: false }
    }

    fn sorted(&self, tile: &Tile) -> Result<Tile, QueryError> {
        let control = &self.env.control;
        let value = |row: usize| tile.row(row).values.first().copied().unwrap_or(f64::NAN);
        let mut order: Vec<usize> = (0..tile.len()).collect();
        if matches!(self.order, SortOrder::Value(_)) {
            // Histograms have no order by value, and no place in one.
            order.retain(|row| !is_histogram(value(*row)));
        }
        let labels = |row: usize| -> &Labels { tile.labels(row) };
        match &self.order {
            SortOrder::Value(false) => {
                sort_by(control, &mut order, |&a, &b| ordering::ascending(value(a), value(b)))?;
            }
            SortOrder::Value(true) => {
                sort_by(control, &mut order, |&a, &b| ordering::descending(value(a), value(b)))?;
            }
            SortOrder::Labels(names, descending) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                sort_by(control, &mut order, |&a, &b| {
                    let by = ordering::by_labels(labels(a), labels(b), &names);
                    if *descending { by.reverse() } else { by }
                })?;
            }
        }
        tile.reordered(control, &order)
    }

    /// The next tile as it comes, without histograms where these have no place.
    fn floats_only(&mut self) -> Result<Option<Tile>, QueryError> {
        while let Some(mut tile) = self.input.next()? {
            if matches!(self.order, SortOrder::Value(_)) {
                (0..tile.len()).for_each(|row| tile.row_mut(row).map_histograms(|_, _| None));
                tile.drop_empty_rows();
            }
            if !tile.is_empty() {
                return Ok(Some(tile));
            }
        }
        Ok(None)
    }
}

impl Operator for SortOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        if self.steps > 1 {
            self.env.warn("sort is ineffective for range queries since results are always ordered by labels");
            return self.floats_only();
        }
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let mut all = Merger::new(&self.env.control, self.steps, true)?;
        while let Some(tile) = self.input.next()? {
            all.add_tile(&tile)?;
        }
        self.sorted(&all.finish()).map(Tile::non_empty)
    }
}
