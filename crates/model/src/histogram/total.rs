//! Sums of histograms, compensated bucket by bucket.

use std::sync::Arc;

use super::custom::{intersection, roll_up};
use super::kahan::Term;
use super::schema::coarser_index;
use super::zero::zero_for_threshold;
use super::{Buckets, FloatHistogram, Histogram, ResetHint, upper_bound};

/// Exponential and custom buckets cannot be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exponential and custom buckets cannot be combined")]
pub struct IncompatibleSchemas;

/// What was evened out on the way to a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// One of the two came after a reset, the other expressly did not.
    pub reset_collision: bool,
    /// Custom bounds differed: the result has those that both have.
    pub bounds: bool,
}

/// A bucket of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) index: i32,
    pub(super) term: Term,
}

/// A running sum. Resolutions, zero buckets and custom bounds are reconciled as histograms come in.
#[derive(Clone, Debug)]
pub struct HistogramTotal {
    schema: i32,
    zero_threshold: f64,
    custom_bounds: Arc<[f64]>,
    reset_hint: ResetHint,
    count: Term,
    sum: Term,
    zero_count: Term,
    positive: Vec<Cell>,
    negative: Vec<Cell>,
}

impl HistogramTotal {
    /// Starts at a histogram.
    #[must_use]
    pub fn new(first: &FloatHistogram) -> Self {
        Self {
            schema: first.schema,
            zero_threshold: first.zero_threshold,
            custom_bounds: Arc::clone(&first.custom_bounds),
            reset_hint: first.reset_hint,
            count: Term::new(first.count),
            sum: Term::new(first.sum),
            zero_count: Term::new(first.zero_count),
            positive: cells(&first.positive, 1.0),
            negative: cells(&first.negative, 1.0),
        }
    }

    /// Adds a histogram.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]; the sum is as it was.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Reconciled, IncompatibleSchemas> {
        self.combine(other, 1.0, true)
    }

    /// Adds a histogram times `sign`. Without compensation, sums come out as plain additions give them.
    pub(super) fn combine(
        &mut self,
        other: &FloatHistogram,
        sign: f64,
        compensated: bool,
    ) -> Result<Reconciled, IncompatibleSchemas> {
        let custom = super::is_custom(self.schema);
        if custom != other.uses_custom_buckets() {
            return Err(IncompatibleSchemas);
        }
        let (reset_hint, reset_collision) = self.reset_hint.combined(other.reset_hint);
        self.reset_hint = reset_hint;
        let mut reconciled = Reconciled { reset_collision, bounds: false };
        self.count.inc(sign * other.count);
        self.sum.inc(sign * other.sum);
        if custom {
            reconciled.bounds = self.combine_custom(other, sign);
        } else {
            let mut zero = self.reconcile_zero(other).map(|count| sign * count);
            if !compensated {
                zero.lost = 0.0;
            }
            self.zero_count.merge(zero);
            self.combine_exponential(other, sign, compensated);
        }
        Ok(reconciled)
    }

    /// Whether the bounds differ.
    fn combine_custom(&mut self, other: &FloatHistogram, sign: f64) -> bool {
        if self.custom_bounds == other.custom_bounds {
            add_cells(&mut self.positive, cells(&other.positive, sign));
            return false;
        }
        let common = intersection(&self.custom_bounds, &other.custom_bounds);
        let mut terms = vec![Term::default(); common.len() + 1];
        roll_up(&self.positive, &self.custom_bounds, &common, &mut terms);
        roll_up(&cells(&other.positive, sign), &other.custom_bounds, &common, &mut terms);
        let cells = terms.into_iter().enumerate().map(|(index, term)| Cell { index: index as i32, term });
        self.positive = cells.filter(|cell| cell.term.sum != 0.0 || cell.term.lost != 0.0).collect();
        self.custom_bounds = common.into();
        true
    }

    fn combine_exponential(&mut self, other: &FloatHistogram, sign: f64, compensated: bool) {
        let schema = self.schema.min(other.schema);
        coarsen(&mut self.positive, self.schema, schema);
        coarsen(&mut self.negative, self.schema, schema);
        self.schema = schema;
        let threshold = self.zero_threshold;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            let mut theirs = cells(theirs, sign);
            coarsen(&mut theirs, other.schema, schema);
            if !compensated {
                theirs.iter_mut().for_each(|cell| cell.term.lost = 0.0);
            }
            // What lies in the zero bucket was counted there.
            let inside = theirs.iter().take_while(|cell| upper_bound(cell.index, schema, &[]) <= threshold);
            let inside = if threshold > 0.0 { inside.count() } else { 0 };
            theirs.drain(..inside);
            add_cells(mine, theirs);
        }
    }

    /// Widens the zero buckets until they agree; the zero count that the other one then has.
    fn reconcile_zero(&mut self, other: &FloatHistogram) -> Term {
        let (mut zero, mut threshold) = (Term::new(other.zero_count), other.zero_threshold);
        while threshold != self.zero_threshold {
            let before = (threshold.to_bits(), self.zero_threshold.to_bits());
            if self.zero_threshold > threshold {
                let theirs = [cells(&other.positive, 1.0), cells(&other.negative, 1.0)];
                let start = Term::new(other.zero_count);
                (zero, threshold) = zero_for_threshold(start, other.schema, &theirs, self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                let mine = [std::mem::take(&mut self.positive), std::mem::take(&mut self.negative)];
                let widened = zero_for_threshold(self.zero_count, self.schema, &mine, threshold);
                (self.zero_count, self.zero_threshold) = widened;
                [self.positive, self.negative] = mine;
                self.trim_into_zero();
            }
            if before == (threshold.to_bits(), self.zero_threshold.to_bits()) {
                break; // A threshold is no number.
            }
        }
        zero
    }

    /// Drops the buckets that the zero bucket covers.
    fn trim_into_zero(&mut self) {
        let (schema, threshold) = (self.schema, self.zero_threshold);
        let outside = |cell: &Cell| upper_bound(cell.index.saturating_sub(1), schema, &[]) >= threshold;
        self.positive.retain(outside);
        self.negative.retain(outside);
    }

    /// Whether anything is infinite.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        let sides = self.positive.iter().chain(&self.negative).map(|cell| cell.term.sum);
        let totals = [self.count.sum, self.sum.sum, self.zero_count.sum];
        totals.into_iter().chain(sides).any(f64::is_infinite)
    }

    /// Bytes held on the heap; what is shared counts in full.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        (self.positive.capacity() + self.negative.capacity()) * size_of::<Cell>()
            + self.custom_bounds.len() * size_of::<f64>()
    }

    /// Applies a function to all numbers, compensations included.
    pub(super) fn scale(&mut self, f: impl Fn(f64) -> f64) {
        for term in [&mut self.count, &mut self.sum, &mut self.zero_count] {
            *term = term.map(&f);
        }
        for cell in self.positive.iter_mut().chain(&mut self.negative) {
            cell.term = cell.term.map(&f);
        }
    }

    /// The sum, with the compensations added.
    #[must_use]
    pub fn finish(&self) -> FloatHistogram {
        self.finish_with(Term::value)
    }

    /// The sum, each number made from its two parts by a function.
    pub(super) fn finish_with(&self, value: impl Fn(Term) -> f64) -> FloatHistogram {
        let side =
            |cells: &[Cell]| Buckets::from_pairs(cells.iter().map(|cell| (cell.index, value(cell.term))));
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_bounds: Arc::clone(&self.custom_bounds),
            reset_hint: self.reset_hint,
            sum: value(self.sum),
            count: value(self.count),
            zero_count: value(self.zero_count),
            positive: side(&self.positive),
            negative: side(&self.negative),
        }
    }
}

/// Buckets times a sign, without compensation.
pub(super) fn cells(buckets: &Buckets<f64>, sign: f64) -> Vec<Cell> {
    buckets.iter().map(|(index, count)| Cell { index, term: Term::new(sign * count) }).collect()
}

/// Merges buckets into those of a coarser schema.
fn coarsen(cells: &mut Vec<Cell>, from: i32, to: i32) {
    if from == to {
        return;
    }
    cells.iter_mut().for_each(|cell| cell.index = coarser_index(cell.index, from, to));
    cells.dedup_by(|next, kept| {
        let same = next.index == kept.index;
        if same {
            kept.term.merge(next.term);
        }
        same
    });
}

/// Adds `theirs` to `mine`, both ascending.
fn add_cells(mine: &mut Vec<Cell>, theirs: Vec<Cell>) {
    if mine.len() == theirs.len() && mine.iter().zip(&theirs).all(|(a, b)| a.index == b.index) {
        mine.iter_mut().zip(theirs).for_each(|(a, b)| a.term.merge(b.term));
        return;
    }
    let mut merged = Vec::with_capacity(mine.len() + theirs.len());
    let mut old = mine.drain(..).peekable();
    for cell in theirs {
        while let Some(before) = old.next_if(|old| old.index < cell.index) {
            merged.push(before);
        }
        match old.next_if(|old| old.index == cell.index) {
            Some(mut both) => {
                both.term.merge(cell.term);
                merged.push(both);
            }
            None => merged.push(cell),
        }
    }
    merged.extend(old);
    *mine = merged;
}
