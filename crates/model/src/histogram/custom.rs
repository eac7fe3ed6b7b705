//! Custom bounds that differ.

use super::kahan::Term;
use super::total::Cell;

/// The bounds that both have.
pub(super) fn intersection(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut rest = b.iter().copied().peekable();
    let mut common = Vec::with_capacity(a.len().min(b.len()));
    for &bound in a {
        while rest.next_if(|other| *other < bound).is_some() {}
        common.extend(rest.next_if(|other| *other == bound));
    }
    common
}

/// Adds buckets to those of coarser bounds, which are among their own; `target` has one more than there
/// are of these.
pub(super) fn roll_up(cells: &[Cell], bounds: &[f64], coarser: &[f64], target: &mut [Term]) {
    let mut position = 0;
    for cell in cells {
        let bound = usize::try_from(cell.index).ok().and_then(|index| bounds.get(index));
        position = match bound {
            Some(bound) => position + coarser.iter().skip(position).take_while(|to| *to < bound).count(),
            None => coarser.len(),
        };
        if let Some(term) = target.get_mut(position) {
            term.merge(cell.term);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_common_bounds_remain() {
        assert_eq!(intersection(&[1.0, 2.0, 3.0], &[0.5, 2.0, 3.0, 4.0]), [2.0, 3.0]);
        assert_eq!(intersection(&[1.0], &[]), [0.0; 0]);
    }
}
