//! Rows of values, a row to a series, a column to a step.
//!
//! Values are floats. Where a series has a native histogram, the float is a mark and the histogram stands beside
//! the row; tiles without any have nothing beside them. What is beside a row counts only where the mark is.

use latewood_model::{Labels, is_stale, stale_nan};

use super::pace::Pace;
use super::row::{Histograms, Row, RowMut, is_histogram};
use crate::{Control, QueryError, Reservation, SampleValue};

/// Values that a tile holds before it is passed on: half a megabyte.
const VALUES_PER_TILE: usize = 65_536;

/// Rows that a tile holds at most before it is passed on.
const ROWS_PER_TILE: usize = 1_024;

/// What stands where a series has no value. Selectors never yield stale markers, and arithmetic on NaNs
/// sets their quiet bit, which the marker lacks; so it is free to say this.
pub(crate) const fn absent() -> f64 {
    stale_nan()
}

/// Whether there is a value.
pub(crate) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

/// A value that is not taken for an absent one or a histogram, whatever NaN it is.
pub(crate) fn computed(value: f64) -> f64 {
    if is_stale(value) || is_histogram(value) { f64::NAN } else { value }
}

/// A batch of series × steps. Its memory is booked with the query.
#[derive(Debug)]
pub(crate) struct Tile {
    steps: usize,
    labels: Vec<Labels>,
    values: Vec<f64>,
    /// What stands beside the rows; shorter than these, or empty, where the last ones have nothing.
    histograms: Vec<Option<Histograms>>,
    /// Which rows lose their metric's name at the end of the query; shorter where the last ones do not.
    drops_name: Vec<bool>,
    held: Reservation,
}

impl Tile {
    /// No rows yet.
    pub(crate) fn new(control: &Control, steps: usize) -> Result<Self, QueryError> {
        Ok(Self {
            steps,
            labels: Vec::new(),
            values: Vec::new(),
            histograms: Vec::new(),
            drops_name: Vec::new(),
            held: control.reserve(0)?,
        })
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

    /// Adds a row under other labels.
    pub(crate) fn push_row(&mut self, labels: Labels, row: Row<'_>) -> Result<(), QueryError> {
        self.push(labels)?.copy_from_slice(row.values);
        self.set_drops_name(self.labels.len() - 1, row.drops_name);
        if let Some(histograms) = row.histograms {
            let number = self.labels.len() - 1;
            self.held.grow(histograms.booked())?;
            self.histograms.resize(number, None);
            self.histograms.push(Some(histograms.clone()));
        }
        Ok(())
    }

    /// Sets an element; an absent one if there is no value.
    pub(crate) fn set(
        &mut self,
        row: usize,
        step: usize,
        value: Option<SampleValue>,
    ) -> Result<(), QueryError> {
        let mut target = self.row_mut(row);
        target.set(step, value);
        let grown = target.take_grown();
        self.held.grow(grown)
    }

    /// Books what was put beside rows by [`RowMut::set`].
    pub(crate) fn book(&mut self, grown: u64) -> Result<(), QueryError> {
        self.held.grow(grown)
    }

    /// Says whether a row loses its metric's name at the end of the query.
    pub(crate) fn set_drops_name(&mut self, row: usize, drops_name: bool) {
        if drops_name && self.drops_name.len() <= row {
            self.drops_name.resize(row + 1, false);
        }
        if let Some(mark) = self.drops_name.get_mut(row) {
            *mark = drops_name;
        }
    }

    /// Takes the last row away again.
    pub(crate) fn pop(&mut self) {
        self.labels.pop();
        self.values.truncate(self.labels.len() * self.steps);
        self.histograms.truncate(self.labels.len());
        self.drops_name.truncate(self.labels.len());
    }

    /// Books samples as held.
    pub(crate) fn count_samples(&mut self, samples: usize) -> Result<(), QueryError> {
        self.held.grow_samples(samples as u64)
    }

    /// A row's labels.
    pub(crate) fn labels(&self, row: usize) -> &Labels {
        &self.labels[row]
    }

    /// A row.
    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        Row {
            labels: &self.labels[row],
            values: &self.values[row * self.steps..(row + 1) * self.steps],
            histograms: self.histograms.get(row).and_then(Option::as_ref),
            drops_name: self.drops_name.get(row).is_some_and(|drops_name| *drops_name),
        }
    }

    /// A row, to be changed.
    pub(crate) fn row_mut(&mut self, row: usize) -> RowMut<'_> {
        if self.histograms.len() <= row {
            self.histograms.resize(row + 1, None);
        }
        if self.drops_name.len() <= row {
            self.drops_name.resize(row + 1, false);
        }
        RowMut::new(
            &mut self.labels[row],
            &mut self.values[row * self.steps..(row + 1) * self.steps],
            &mut self.histograms[row],
            &mut self.drops_name[row],
        )
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.labels.len()).map(|row| self.row(row))
    }

    /// Drops rows without values.
    pub(crate) fn drop_empty_rows(&mut self) {
        let mut kept = 0;
        for row in 0..self.labels.len() {
            if !has_values(self.row(row).values) {
                continue;
            }
            if kept != row {
                self.labels.swap(kept, row);
                self.values.copy_within(row * self.steps..(row + 1) * self.steps, kept * self.steps);
                if row < self.histograms.len() {
                    self.histograms.swap(kept, row);
                }
                if row < self.drops_name.len() {
                    self.drops_name.swap(kept, row);
                }
            }
            kept += 1;
        }
        self.labels.truncate(kept);
        self.values.truncate(kept * self.steps);
        self.histograms.truncate(kept);
        self.drops_name.truncate(kept);
    }

    /// Bytes and samples that are booked for it.
    pub(crate) fn booked(&self) -> [u64; 2] {
        self.held.booked()
    }

    /// The tile, unless it has no rows.
    pub(crate) fn non_empty(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }

    /// The rows that `order` names, in its order.
    pub(crate) fn reordered(&self, control: &Control, order: &[usize]) -> Result<Self, QueryError> {
        let mut tile = Self::new(control, self.steps)?;
        let mut pace = Pace::new(control);
        for &row in order {
            pace.did(8 + self.steps / 8)?;
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
    use std::sync::Arc;

    use latewood_base::Clock;
    use latewood_model::FloatHistogram;

    use super::*;
    use crate::QueryLimits;

    #[test]
    fn rows_without_values_go_and_memory_is_booked() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let mut tile = Tile::new(&control, 2).unwrap();
        for (name, row) in [("a", [absent(); 2]), ("b", [1.0, absent()]), ("c", [2.0, f64::NAN])] {
            tile.push(Labels::from_pairs([("x", name)])).unwrap().copy_from_slice(&row);
        }
        assert!(control.bytes() > 48);
        tile.drop_empty_rows();
        let names: Vec<_> = tile.rows().map(|row| (row.labels.to_string(), row.values[0])).collect();
        assert_eq!(names, [(r#"{x="b"}"#.to_owned(), 1.0), (r#"{x="c"}"#.to_owned(), 2.0)]);
        drop(tile);
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn histograms_stay_beside_their_rows() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let mut tile = Tile::new(&control, 2).unwrap();
        for name in ["a", "b", "c"] {
            tile.push(Labels::from_pairs([("x", name)])).unwrap();
        }
        let histogram = Arc::new(FloatHistogram { count: 7.0, ..FloatHistogram::default() });
        tile.set(2, 1, Some(SampleValue::Histogram(histogram))).unwrap();
        tile.drop_empty_rows();
        assert_eq!(tile.len(), 1);
        let mut copy = Tile::new(&control, 2).unwrap();
        copy.push(Labels::empty()).unwrap()[0] = 1.0;
        copy.push_row(Labels::empty(), tile.row(0)).unwrap();
        assert_eq!(copy.row(1).histogram(1).map(|histogram| histogram.count), Some(7.0));
        assert_eq!((copy.row(1).get(0), copy.row(0).get(0)), (None, Some(SampleValue::Float(1.0))));
        assert!(copy.row(0).histogram(0).is_none());
    }

    #[test]
    fn a_window_that_no_memory_could_hold_is_refused() {
        let limits = QueryLimits { max_bytes: 1 << 20, ..QueryLimits::NONE };
        let control = Control::new(Clock::manual(0).0, limits);
        let mut tile = Tile::new(&control, usize::MAX / 2).unwrap();
        assert!(matches!(tile.push(Labels::empty()), Err(QueryError::TooMuchMemory { .. })));
    }
}
