//! Samples of one series in the order that shards expect.

use latewood_model::{
    HistogramSample, Sample, TimestampMs, preferred, preferred_histogram, preferred_started,
};

/// Sorts by time and lets the tie rule decide between equal times; returns how many times there are. `starts` are the
/// samples' start timestamps, or nothing.
pub(crate) fn settle(samples: &mut [Sample], starts: &mut [TimestampMs]) -> usize {
    if !starts.is_empty() {
        return settle_started(samples, starts);
    }
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

/// The same for samples with as many start timestamps.
fn settle_started(samples: &mut [Sample], starts: &mut [TimestampMs]) -> usize {
    let mut pairs: Vec<(Sample, TimestampMs)> = samples.iter().copied().zip(starts.iter().copied()).collect();
    pairs.sort_by_key(|(sample, _)| sample.timestamp);
    pairs.dedup_by(|(later, later_start), (kept, start)| {
        let same = later.timestamp == kept.timestamp;
        if same {
            (kept.value, *start) = preferred_started((kept.value, *start), (later.value, *later_start));
        }
        same
    });
    for ((sample, start), &pair) in samples.iter_mut().zip(starts).zip(&pairs) {
        (*sample, *start) = pair;
    }
    pairs.len()
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
            Some(last) => settled.push(preferred_histogram(last, sample)),
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
        let sample = |timestamp, count| {
            let histogram = IntegerHistogram { count, ..IntegerHistogram::default() };
            HistogramSample::new(timestamp, histogram.into())
        };
        let stale = HistogramSample::new(2, NativeHistogram::stale());
        let mut all = vec![sample(9, 9), sample(3, 1), stale, sample(2, 5), sample(3, 4)];
        settle_histograms(&mut all, 1);
        assert_eq!(all, [sample(9, 9), sample(2, 5), sample(3, 4)]);
    }

    #[test]
    fn times_ascend_once_each_and_the_tie_rule_decides() {
        let sample = |timestamp, value| Sample { timestamp, value };
        let stale = latewood_model::stale_nan();
        let mut samples = [sample(3, 1.0), sample(1, 7.0), sample(3, 2.0), sample(2, stale), sample(2, 5.0)];
        let kept = settle(&mut samples, &mut []);
        assert_eq!(samples[..kept], [sample(1, 7.0), sample(2, 5.0), sample(3, 2.0)]);
        assert_eq!(settle(&mut [], &mut []), 0);
    }

    #[test]
    fn starts_go_with_their_samples() {
        let sample = |timestamp, value| Sample { timestamp, value };
        let mut samples = [sample(3, 1.0), sample(1, 7.0), sample(3, 1.0), sample(2, 4.0), sample(2, 5.0)];
        let mut starts = [0, 11, 33, 22, 0];
        let kept = settle(&mut samples, &mut starts);
        assert_eq!(samples[..kept], [sample(1, 7.0), sample(2, 5.0), sample(3, 1.0)]);
        assert_eq!(starts[..kept], [11, 0, 33]);
    }
}
