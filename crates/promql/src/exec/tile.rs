//! Rows of values, a row to a series, a column to a step.

use latewood_model::{Labels, is_stale, stale_nan};

use crate::{Control, QueryError, Reservation};

/// Values that a tile holds before it is passed on: half a megabyte.
const VALUES_PER_TILE: usize = 65_536;

/// Rows that a tile holds at most before it is passed on.
const ROWS_PER_TILE: usize = 1_024;

/// What stands where a series has no value. Selectors never yield stale markers, and arithmetic on NaNs
/// sets their quiet bit, which the marker lacks; so it is free to say this.
pub(crate) fn absent() -> f64 {
    stale_nan()
}

/// Whether there is a value.
pub(crate) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

/// A computed value that is not taken for an absent one, whatever NaN it is.
pub(crate) fn computed(value: f64) -> f64 {
    if is_stale(value) { f64::NAN } else { value }
}

/// A batch of series × steps. Its memory is booked with the query.
#[derive(Debug)]
pub(crate) struct Tile {
    steps: usize,
    labels: Vec<Labels>,
    values: Vec<f64>,
    held: Reservation,
}

impl Tile {
    /// No rows yet.
    pub(crate) fn new(control: &Control, steps: usize) -> Result<Self, QueryError> {
        Ok(Self { steps, labels: Vec::new(), values: Vec::new(), held: control.reserve(0)? })
    }

    /// Whether it should be passed on.
    pub(crate) fn is_full(&self) -> bool {
        self.labels.len() >= ROWS_PER_TILE || self.values.len() >= VALUES_PER_TILE
    }

    /// How many steps.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Adds a row without values and gives it out.
    pub(crate) fn push(&mut self, labels: Labels) -> Result<&mut [f64], QueryError> {
        let bytes = self.steps.saturating_mul(8).saturating_add(labels.heap_size() + 16);
        self.held.grow(bytes as u64)?;
        self.labels.push(labels);
        let start = self.values.len();
        self.values.resize(start + self.steps, absent());
        Ok(self.values.get_mut(start..).unwrap_or_default())
    }

    /// Adds a row.
    pub(crate) fn push_row(&mut self, labels: Labels, row: &[f64]) -> Result<(), QueryError> {
        self.push(labels)?.copy_from_slice(row);
        Ok(())
    }

    /// Takes the last row away again.
    pub(crate) fn pop(&mut self) {
        self.labels.pop();
        self.values.truncate(self.labels.len() * self.steps);
    }

    /// Books samples as held.
    pub(crate) fn count_samples(&mut self, samples: usize) -> Result<(), QueryError> {
        self.held.grow_samples(samples as u64)
    }

    /// A row's labels.
    pub(crate) fn labels(&self, row: usize) -> &Labels {
        &self.labels[row]
    }

    /// A row's values.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..(row + 1) * self.steps]
    }

    /// A row's labels and values, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> (&mut Labels, &mut [f64]) {
        let values = &mut self.values[row * self.steps..(row + 1) * self.steps];
        (&mut self.labels[row], values)
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Labels, &[f64])> {
        self.labels.iter().zip(self.values.chunks_exact(self.steps.max(1)))
    }

    /// Drops rows without values.
    pub(crate) fn drop_empty_rows(&mut self) {
        let mut kept = 0;
        for row in 0..self.labels.len() {
            if !has_values(self.row(row)) {
                continue;
            }
            if kept != row {
                self.labels.swap(kept, row);
                self.values.copy_within(row * self.steps..(row + 1) * self.steps, kept * self.steps);
            }
            kept += 1;
        }
        self.labels.truncate(kept);
        self.values.truncate(kept * self.steps);
    }

    /// The tile, unless it has no rows.
    pub(crate) fn non_empty(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }

    /// The same rows in another order; `order` names each once.
    pub(crate) fn reordered(&self, control: &Control, order: &[usize]) -> Result<Self, QueryError> {
        let mut tile = Self::new(control, self.steps)?;
        for &row in order {
            tile.push_row(self.labels(row).clone(), self.row(row))?;
        }
        Ok(tile)
    }
}

/// Whether a row has any value.
pub(crate) fn has_values(row: &[f64]) -> bool {
    row.iter().any(|&value| is_present(value))
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;

    use super::*;
    use crate::QueryLimits;

    #[test]
    fn rows_without_values_go_and_memory_is_booked() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let mut tile = Tile::new(&control, 2).unwrap();
        for (name, row) in [("a", [absent(); 2]), ("b", [1.0, absent()]), ("c", [2.0, f64::NAN])] {
            tile.push_row(Labels::from_pairs([("x", name)]), &row).unwrap();
        }
        assert!(control.bytes() > 48);
        tile.drop_empty_rows();
        let names: Vec<_> = tile.rows().map(|(labels, row)| (labels.to_string(), row[0])).collect();
        assert_eq!(names, [(r#"{x="b"}"#.to_owned(), 1.0), (r#"{x="c"}"#.to_owned(), 2.0)]);
        drop(tile);
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn a_window_that_no_memory_could_hold_is_refused() {
        let limits = QueryLimits { max_bytes: 1 << 20, ..QueryLimits::NONE };
        let control = Control::new(Clock::manual(0).0, limits);
        let mut tile = Tile::new(&control, usize::MAX / 2).unwrap();
        assert!(matches!(tile.push(Labels::empty()), Err(QueryError::TooMuchMemory { .. })));
    }
}
