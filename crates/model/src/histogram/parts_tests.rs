//! Wire forms that are histograms, and those that are refused.

use super::*;
use crate::{histogram::CUSTOM_BUCKETS, stale_nan};

fn integer(count: u64, deltas: &[i64], spans: &[(i32, u32)]) -> HistogramParts<'static> {
    HistogramParts {
        schema: 1,
        zero_threshold: 0.001,
        sum: 18.5,
        reset_hint: 2,
        custom_bounds: Cow::default(),
        positive_spans: spans.iter().map(|&(offset, length)| Span { offset, length }).collect(),
        negative_spans: Cow::default(),
        counts: PartCounts::Integer {
            count,
            zero_count: 1,
            positive_deltas: deltas.to_vec().into(),
            negative_deltas: Cow::default(),
        },
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> HistogramParts<'static> {
    HistogramParts {
        schema: CUSTOM_BUCKETS,
        zero_threshold: 0.0,
        custom_bounds: bounds.to_vec().into(),
        positive_spans: vec![Span { offset: 0, length: counts.len() as u32 }].into(),
        counts: PartCounts::Float {
            count: counts.iter().sum(),
            zero_count: 0.0,
            positive_counts: counts.to_vec().into(),
            negative_counts: Cow::default(),
        },
        ..integer(0, &[], &[])
    }
}

#[test]
fn deltas_become_counts_and_return() {
    let parts = integer(8, &[2, 1, -1], &[(-1, 2), (3, 1)]);
    let native = parts.clone().into_native().unwrap();
    let NativeHistogram::Integer(histogram) = &native else { panic!("integer") };
    assert_eq!(histogram.positive.iter().collect::<Vec<_>>(), [(-1, 2), (0, 3), (4, 2)]);
    assert_eq!(HistogramParts::from(&native), parts);
}

#[test]
fn zero_buckets_and_empty_spans_are_one_form() {
    let plain = integer(6, &[2, 1], &[(0, 1), (1, 1)]).into_native().unwrap();
    let spelled = integer(6, &[2, -2, 3, -3], &[(0, 2), (0, 0), (0, 2)]).into_native().unwrap();
    assert_eq!(plain, spelled);
}

#[test]
fn float_counts_and_custom_bounds_return_bit_for_bit() {
    let parts = custom(&[-1.0, 0.5], &[1.5, f64::from_bits(0x7ff8_0000_0000_0007), 3.0]);
    let native = parts.into_native().unwrap();
    assert_eq!(HistogramParts::from(&native).into_native().unwrap(), native);
}

#[test]
fn a_stale_sum_is_all_that_counts() {
    let stale = HistogramParts { sum: stale_nan(), schema: 99, ..integer(7, &[1], &[]) };
    let native = stale.into_native().unwrap();
    assert!(native.is_stale());
    assert_eq!(native, NativeHistogram::stale());
}

#[test]
fn too_fine_schemas_are_brought_down() {
    let fine = HistogramParts { schema: 10, ..integer(8, &[2, 1, -1], &[(1, 3)]) };
    let NativeHistogram::Integer(histogram) = fine.into_native().unwrap() else { panic!("integer") };
    assert_eq!((histogram.schema, histogram.positive.iter().collect::<Vec<_>>()), (8, vec![(1, 7)]));
}

#[test]
fn what_contradicts_itself_is_refused() {
    use HistogramError as E;
    let mismatch =
        |buckets: &str, count: &str| E::CountMismatch { buckets: buckets.into(), count: count.into() };
    let cases = [
        (HistogramParts { schema: -9, ..integer(1, &[], &[]) }, E::Schema(-9)),
        (HistogramParts { schema: 53, ..integer(1, &[], &[]) }, E::Schema(53)),
        (HistogramParts { custom_bounds: vec![1.0].into(), ..integer(1, &[], &[]) }, E::UnexpectedBounds),
        (integer(4, &[1, 1], &[(0, 1)]), E::SpansMismatch { side: "positive", spans: 1, buckets: 2 }),
        (integer(4, &[1, -2], &[(0, 2)]), E::NegativeBucket { side: "positive", number: 2 }),
        (integer(5, &[1, 0], &[(0, 2)]), mismatch("3", "5")),
        (integer(2, &[1, 0], &[(0, 2)]), mismatch("3", "2")),
        (custom(&[1.0, 1.0], &[1.0]), E::BoundsOrder { previous: 1.0, next: 1.0 }),
        (custom(&[1.0, f64::INFINITY], &[1.0]), E::BoundNotFinite),
        (custom(&[1.0], &[1.0, 1.0, 1.0]), E::TooFewBounds { bounds: 1, buckets: 3 }),
        (custom(&[1.0], &[1.0, -1.0]), E::NegativeBucket { side: "positive", number: 2 }),
        (
            HistogramParts { zero_threshold: 1.0, ..custom(&[1.0], &[1.0]) },
            E::NotWithCustomBuckets("a zero threshold"),
        ),
        (integer(1, &[0; MAX_BUCKETS + 1], &[]), E::TooManyBuckets(MAX_BUCKETS + 1)),
    ];
    for (parts, expect) in cases {
        assert_eq!(parts.clone().into_native(), Err(expect), "{parts:?}");
    }
}

#[test]
fn nan_observations_are_in_no_bucket() {
    let parts = HistogramParts { sum: f64::NAN, ..integer(9, &[1, 0], &[(0, 2)]) };
    assert!(parts.into_native().is_ok());
}
