//! Histograms as text.

use std::fmt::Write;

use latewood_model::FloatHistogram;
use latewood_model::histogram::Bucket;

use super::general;

/// A histogram as `{count:…, sum:…, (lower,upper]:…}`, the populated buckets ascending: the value of a label that
/// `count_values` writes.
#[must_use]
pub fn histogram(histogram: &FloatHistogram) -> String {
    let mut text = format!("{{count:{}, sum:{}", general(histogram.count), general(histogram.sum));
    let negative = histogram.negative_buckets().rev();
    let zero = (histogram.zero_count != 0.0).then(|| histogram.zero_bucket());
    for bucket in negative.chain(zero).chain(histogram.positive_buckets()) {
        write_bucket(&mut text, &bucket);
    }
    text.push('}');
    text
}

fn write_bucket(text: &mut String, bucket: &Bucket) {
    let (open, close) =
        (if bucket.lower_inclusive { '[' } else { '(' }, if bucket.upper_inclusive { ']' } else { ')' });
    let [lower, upper, count] = [bucket.lower, bucket.upper, bucket.count].map(general);
    let _ = write!(text, ", {open}{lower},{upper}{close}:{count}");
}

#[cfg(test)]
mod tests {
    use latewood_model::histogram::{Buckets, Histogram};

    use super::*;

    #[test]
    fn buckets_ascend_and_say_which_ends_they_include() {
        let both = Histogram {
            count: 8.5,
            sum: 1_000_000.0,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive: Buckets::from_pairs([(0, 2.0), (2, 0.5)]),
            negative: Buckets::from_pairs([(1, 2.0), (2, 3.0)]),
            ..Histogram::default()
        };
        assert_eq!(
            histogram(&both),
            "{count:8.5, sum:1e+06, [-4,-2):3, [-2,-1):2, [-0.001,0.001]:1, (0.5,1]:2, (2,4]:0.5}"
        );
    }
}
