//! Which series `limit_ratio` takes: those whose hash stands low or high enough among all hashes. The hash is
//! Prometheus's own, so that both take the same ones.

use latewood_model::Labels;
use xxhash_rust::xxh64::Xxh64;

/// Lengths from here on need four bytes.
const LONG: usize = 255;

/// Where a series stands between 0 and 1.
#[allow(clippy::cast_precision_loss)] // as upstream
pub(super) fn offset(labels: &Labels) -> f64 {
    hash(labels) as f64 / u64::MAX as f64
}

/// Whether a series at this offset is among the given ratio of all; a negative ratio counts from the other end.
pub(super) fn is_within(ratio: f64, offset: f64) -> bool {
    let ratio = ratio.clamp(-1.0, 1.0);
    if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
}

/// The 64 bits of xxHash over names and values in the order of names, each with its length before it.
fn hash(labels: &Labels) -> u64 {
    let mut hasher = Xxh64::new(0);
    for (name, value) in labels.iter() {
        for text in [name, value] {
            let length = text.len();
            match u8::try_from(length) {
                Ok(short) if length < LONG => hasher.update(&[short]),
                _ => {
                    let [low, middle, high, ..] = length.to_le_bytes();
                    hasher.update(&[255, low, middle, high]);
                }
            }
            hasher.update(text.as_bytes());
        }
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 3.5 takes of series with names of all lengths.
    #[test]
    fn the_same_series_are_taken_as_by_prometheus() {
        let taken = |index: &usize| {
            let (value, name) = (format!("v{index}"), format!("{}y", "x".repeat(index * 40)));
            is_within(0.5, offset(&Labels::from_pairs([("a", value.as_str()), ("name", &name)])))
        };
        let found: Vec<usize> = (0..10).filter(taken).collect();
        assert_eq!(found, [0, 1, 2, 3, 6, 9]);
    }

    #[test]
    fn a_negative_ratio_takes_what_the_positive_one_leaves() {
        for (ratio, offset, expected) in
            [(0.3, 0.2, true), (0.3, 0.3, false), (-0.75, 0.25, true), (-0.75, 0.2, false), (7.0, 0.99, true)]
        {
            assert_eq!(is_within(ratio, offset), expected, "{ratio} {offset}");
        }
    }
}
