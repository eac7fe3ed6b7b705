//! The one rule that decides between samples of one series at one time.
//!
//! Head, querier and compactor all merge with it. It is commutative, associative and idempotent, so
//! that retries, overlaps and late copies never matter.

use crate::{Sample, is_stale};

/// The value that stands when two were written for one series and time: a sample beats a stale marker,
/// else the one with the greater bits.
#[must_use]
pub fn preferred(a: f64, b: f64) -> f64 {
    match (is_stale(a), is_stale(b)) {
        (true, _) => b,
        (_, true) => a,
        _ if a.to_bits() >= b.to_bits() => a,
        _ => b,
    }
}

/// Merges two runs of samples, each ascending in time with each time once, into `out`.
pub fn merge_into(a: &[Sample], b: &[Sample], out: &mut Vec<Sample>) {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    out.reserve(a.len().max(b.len()));
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.timestamp == y.timestamp => {
                out.push(Sample { timestamp: x.timestamp, value: preferred(x.value, y.value) });
                a.next();
                b.next();
            }
            (Some(x), Some(y)) if x.timestamp > y.timestamp => out.extend(b.next()),
            (Some(_), _) => out.extend(a.next()),
            (None, Some(_)) => out.extend(b.next()),
            (None, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stale_nan;

    #[test]
    fn a_sample_beats_a_stale_marker_and_greater_bits_beat_lesser() {
        let nan = f64::from_bits(0x7ff8_0000_0000_0001);
        for (a, b, wins) in
            [(1.0, stale_nan(), 1.0), (1.0, 2.0, 2.0), (-1.0, 1.0, -1.0), (nan, 1.0, nan), (0.0, -0.0, -0.0)]
        {
            assert_eq!(preferred(a, b).to_bits(), f64::to_bits(wins));
            assert_eq!(preferred(b, a).to_bits(), f64::to_bits(wins));
        }
    }

    #[test]
    fn merging_keeps_each_time_once() {
        let run = |samples: &[(i64, f64)]| -> Vec<Sample> {
            samples.iter().map(|&(timestamp, value)| Sample { timestamp, value }).collect()
        };
        let mut out = Vec::new();
        merge_into(&run(&[(1, 1.0), (3, 3.0)]), &run(&[(2, 2.0), (3, 4.0), (5, 5.0)]), &mut out);
        assert_eq!(out, run(&[(1, 1.0), (2, 2.0), (3, 4.0), (5, 5.0)]));
    }
}
