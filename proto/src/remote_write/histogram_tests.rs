//! Histograms come back field by field, however their lists were cut.

use std::borrow::Cow;

use latewood_model::histogram::{HistogramParts, PartCounts, Span as BucketSpan};
use latewood_model::{TimestampMs, stale_nan};
use proptest::prelude::*;

use super::encode::{EncoderV1, EncoderV2, put_bytes};
use super::*;

const LIMIT: usize = 10_000;

type Timed = (TimestampMs, HistogramParts<'static>);

fn list<T: Clone + std::fmt::Debug + 'static>(
    item: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Cow<'static, [T]>> {
    prop::collection::vec(item, 0..6).prop_map(Cow::Owned)
}

fn counts() -> impl Strategy<Value = PartCounts<'static>> {
    let integer = (any::<u64>(), any::<u64>(), list(any::<i64>()), list(any::<i64>())).prop_map(
        |(count, zero_count, positive_deltas, negative_deltas)| PartCounts::Integer {
            count,
            zero_count,
            positive_deltas,
            negative_deltas,
        },
    );
    let float = (any::<f64>(), any::<f64>(), list(any::<f64>()), list(any::<f64>())).prop_map(
        |(count, zero_count, positive_counts, negative_counts)| PartCounts::Float {
            count,
            zero_count,
            positive_counts,
            negative_counts,
        },
    );
    prop_oneof![integer, float]
}

fn histogram() -> impl Strategy<Value = Timed> {
    let spans = || {
        let span = (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| BucketSpan { offset, length });
        list(span)
    };
    let scalars = (any::<i64>(), any::<i32>(), any::<f64>(), any::<f64>(), 0..4_i32);
    (scalars, list(any::<f64>()), spans(), spans(), counts()).prop_map(
        |(scalars, custom_bounds, positive_spans, negative_spans, counts)| {
            let (timestamp, schema, zero_threshold, sum, reset_hint) = scalars;
            let parts = HistogramParts {
                schema,
                zero_threshold,
                sum,
                reset_hint,
                custom_bounds,
                positive_spans,
                negative_spans,
                counts,
            };
            (timestamp, parts)
        },
    )
}

fn read_back(columns: &Columns) -> Vec<Vec<(TimestampMs, HistogramParts<'_>)>> {
    let of = |series: &SeriesSpan| {
        let rows = series.histograms.of(&columns.histograms.rows).iter();
        rows.map(|row| (row.timestamp, columns.histograms.parts(row))).collect()
    };
    columns.series.iter().map(of).collect()
}

proptest! {
    #[test]
    fn histograms_come_back(series in prop::collection::vec(prop::collection::vec(histogram(), 0..4), 0..4)) {
        let (mut v1, mut v2) = (EncoderV1::new(), EncoderV2::new());
        for histograms in &series {
            v1.histograms([("__name__", "h")], histograms);
            v2.histograms([("__name__", "h")], histograms);
        }
        let mut columns = Columns::default();
        decode_v1(&v1.finish(), LIMIT, &mut columns).unwrap();
        prop_assert_eq!(read_back(&columns), series.clone());
        decode_v2(&v2.finish(), LIMIT, &mut columns).unwrap();
        prop_assert_eq!(read_back(&columns), series);
    }
}

/// Decodes one histogram message.
fn decode_one(message: &[u8], limit: usize) -> Result<Columns, DecodeError> {
    let mut series = Vec::new();
    put_bytes(&mut series, 4, message);
    let mut body = Vec::new();
    put_bytes(&mut body, 1, &series);
    let mut columns = Columns::default();
    decode_v1(&body, limit, &mut columns).map(|()| columns)
}

#[test]
fn lists_may_come_in_pieces_and_mixed() {
    // Deltas 1, -1, 2 of the positive side: packed, single, packed; a negative one in between.
    let message = b"\x08\x05\x62\x01\x02\x48\x06\x60\x01\x62\x01\x04\x5a\x02\x10\x03\x20\x05";
    let columns = decode_one(message, LIMIT).unwrap();
    let parts = columns.histograms.parts(&columns.histograms.rows[0]);
    let PartCounts::Integer { count: 5, positive_deltas, negative_deltas, .. } = parts.counts else {
        panic!("{parts:?}");
    };
    assert_eq!((&*positive_deltas, &*negative_deltas), (&[1, -1, 2][..], &[3][..]));
    assert_eq!((&*parts.positive_spans, parts.schema), (&[BucketSpan { offset: 0, length: 3 }][..], -3));
}

#[test]
fn the_kind_of_the_count_decides_and_defaults_are_an_empty_histogram() {
    let columns = decode_one(b"", LIMIT).unwrap();
    let empty = columns.histograms.parts(&columns.histograms.rows[0]).into_native().unwrap();
    assert_eq!(empty, latewood_model::histogram::IntegerHistogram::default().into());
    let mut message = b"\x11".to_vec();
    message.extend_from_slice(&0_f64.to_le_bytes());
    message.push(0x19);
    message.extend_from_slice(&stale_nan().to_le_bytes());
    let columns = decode_one(&message, LIMIT).unwrap();
    let stale = columns.histograms.parts(&columns.histograms.rows[0]);
    assert!(matches!(stale.counts, PartCounts::Float { .. }));
    assert!(stale.into_native().unwrap().is_stale());
}

#[test]
fn every_bucket_is_an_item() {
    let mut message = Vec::new();
    put_bytes(&mut message, 12, &[2; 500]);
    assert!(decode_one(&message, 502).is_ok());
    assert_eq!(decode_one(&message, 501).unwrap_err(), DecodeError::TooManyItems { limit: 501 });
    assert!(decode_one(b"\x0a\x00", LIMIT).unwrap_err().to_string().contains("field 1 of Histogram"));
}
