//! Samples of one series in the order that shards expect.

use latewood_model::{Sample, preferred};

/// Sorts by time and lets the tie rule decide between equal times; returns how many times there are.
pub(crate) fn settle(samples: &mut [Sample]) -> usize {
    samples.sort_by_key(|sample| sample.timestamp);
    let mut kept = 0_usize;
    for index in 0..samples.len() {
        let Some(&sample) = samples.get(index) else { break };
        match kept.checked_sub(1).and_then(|last| samples.get_mut(last)) {
            Some(last) if last.timestamp == sample.timestamp => {
                last.value = preferred(last.value, sample.value);
            }
            _ => {
                samples.swap(kept, index);
                kept += 1;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_ascend_once_each_and_the_tie_rule_decides() {
        let sample = |timestamp, value| Sample { timestamp, value };
        let stale = latewood_model::stale_nan();
        let mut samples = [sample(3, 1.0), sample(1, 7.0), sample(3, 2.0), sample(2, stale), sample(2, 5.0)];
        let kept = settle(&mut samples);
        assert_eq!(samples[..kept], [sample(1, 7.0), sample(2, 5.0), sample(3, 2.0)]);
        assert_eq!(settle(&mut []), 0);
    }
}
