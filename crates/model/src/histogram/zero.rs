//! Zero buckets of different breadth.

use std::cmp::Ordering;

use super::kahan::Term;
use super::total::Cell;
use super::upper_bound;

/// The zero count with a larger threshold, and the threshold: it is moved up to the end of a populated
/// bucket that it would cut. `sides` are the positive and the negative buckets.
pub(super) fn zero_for_threshold(
    zero: Term,
    schema: i32,
    [positive, negative]: &[Vec<Cell>; 2],
    mut threshold: f64,
) -> (Term, f64) {
    let mut total = zero;
    loop {
        // The compensation is kept when the sum starts anew, as upstream has it.
        total.sum = zero.sum;
        threshold = swallow(&mut total, schema, positive, threshold);
        let reached = swallow(&mut total, schema, negative, threshold);
        if reached.partial_cmp(&threshold) != Some(Ordering::Greater) {
            return (total, threshold);
        }
        threshold = reached;
    }
}

/// Adds the buckets that begin below the threshold; the end of the last one if the threshold cuts it.
fn swallow(total: &mut Term, schema: i32, side: &[Cell], threshold: f64) -> f64 {
    for cell in side {
        if upper_bound(cell.index.saturating_sub(1), schema, &[]) >= threshold {
            break;
        }
        total.merge(cell.term);
        let upper = upper_bound(cell.index, schema, &[]);
        if upper > threshold {
            return if cell.term.sum == 0.0 { threshold } else { upper };
        }
    }
    threshold
}
