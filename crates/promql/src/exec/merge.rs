//! Rows that turn out to have equal labels, joined where their steps differ.

use std::collections::HashMap;

use latewood_model::Labels;

use super::row::Row;
use super::tile::{Tile, has_values, is_present};
use crate::{Control, QueryError};

/// The error about two elements with the same labels.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::execution("vector cannot contain metrics with the same labelset")
}

/// Whether the first value of a row comes before that of another one.
fn starts_before(row: &[f64], other: &[f64]) -> bool {
    let first = |values: &[f64]| values.iter().position(|value| is_present(*value));
    first(row) < first(other)
}

/// Collects rows in the order in which their labels first came.
pub(super) struct Merger {
    index: HashMap<Labels, usize>,
    tile: Tile,
    strict: bool,
}

impl Merger {
    /// Strict: equal labels are an error even if their steps differ.
    pub(super) fn new(control: &Control, steps: usize, strict: bool) -> Result<Self, QueryError> {
        Ok(Self { index: HashMap::new(), tile: Tile::new(control, steps)?, strict })
    }

    /// Adds a row. Two values at one step are an error.
    pub(super) fn add(&mut self, row: Row<'_>) -> Result<(), QueryError> {
        let labels = row.labels;
        if !has_values(row.values) {
            return Ok(());
        }
        let Some(&index) = self.index.get(labels) else {
            self.index.insert(labels.clone(), self.tile.len());
            return self.tile.push_row(labels.clone(), row);
        };
        if self.strict {
            return Err(same_labelset());
        }
        let mut there = self.tile.row_mut(index);
        if *there.drops_name != row.drops_name && starts_before(row.values, there.values) {
            *there.drops_name = row.drops_name;
        }
        for (step, &new) in row.values.iter().enumerate().filter(|(_, new)| is_present(**new)) {
            if is_present(there.values[step]) {
                return Err(same_labelset());
            }
            if row.has_histograms() {
                there.set(step, row.get(step));
            } else {
                there.values[step] = new;
            }
        }
        let grown = there.take_grown();
        self.tile.book(grown)
    }

    /// Adds all rows of a tile.
    pub(super) fn add_tile(&mut self, tile: &Tile) -> Result<(), QueryError> {
        tile.rows().try_for_each(|row| self.add(row))
    }

    /// All rows of tiles up to the last one; none if there are no rows.
    pub(super) fn of_all(
        mut self,
        mut next: impl FnMut() -> Result<Option<Tile>, QueryError>,
    ) -> Result<Option<Tile>, QueryError> {
        while let Some(tile) = next()? {
            self.add_tile(&tile)?;
        }
        Ok(self.finish().non_empty())
    }

    /// All rows.
    pub(super) fn finish(self) -> Tile {
        self.tile
    }
}
