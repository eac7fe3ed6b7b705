//! Samples of one series in the order that shards expect.

use latewood_model::{HistogramSample, Sample, preferred, preferred_histogram};

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

/// The same for the histograms from `first` on; those that lost are taken out.
pub(crate) fn settle_histograms(histograms: &mut Vec<HistogramSample>, first: usize) {
    let tail = histograms.get_mut(first..).unwrap_or_default();
    if tail.is_sorted_by(|a, b| a.timestamp < b.timestamp) {
        return;
    }
    tail.sort_by_key(|sample| sample.timestamp);
    let mut settled: Vec<HistogramSample> = Vec::with_capacity(tail.len());
    for sample in histograms.drain(first..) {
        match settled.pop_if(|last| last.timestamp == sample.timestamp) {
            Some(last) => settled.push(HistogramSample {
                histogram: preferred_histogram(last.histogram, sample.histogram),
                ..sample
            }),
            None => settled.push(sample),
        }
    }
    histograms.append(&mut settled);
}

#[cfg(test)]
mod tests {
    use latewood_model::NativeHistogram;
    use latewood_model::histogram::IntegerHistogram;

    use super::*;

    #[test]
    fn histograms_ascend_once_each_and_what_was_there_before_stays() {
        let sample = |timestamp, count| HistogramSample {
            timestamp,
            histogram: IntegerHistogram { count, ..IntegerHistogram::default() }.into(),
        };
        let stale = HistogramSample { timestamp: 2, histogram: NativeHistogram::stale() };
        let mut all = vec![sample(9, 9), sample(3, 1), stale, sample(2, 5), sample(3, 4)];
        settle_histograms(&mut all, 1);
        assert_eq!(all, [sample(9, 9), sample(2, 5), sample(3, 4)]);
    }

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
