//! What is encoded comes back; what is broken is refused by name and leaves nothing behind.

use latewood_base::{ErrorKind, Kinded};
use latewood_model::{Exemplar, Labels, MetricMetadata, MetricType, Sample};
use proptest::prelude::*;

use super::encode::{EncoderV1, EncoderV2, put_bytes, put_double, put_number, put_varint};
use super::*;

const LIMIT: usize = 1_000;

/// A series as a test writes it down and reads it back.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    labels: Vec<(String, String)>,
    samples: Vec<Sample>,
    exemplars: Vec<Exemplar>,
    metadata: Option<MetricMetadata>,
}

impl Plain {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn encode_v1(series: &[Plain]) -> Vec<u8> {
    let mut encoder = EncoderV1::new();
    for (index, one) in series.iter().enumerate() {
        encoder.series(one.pairs(), &one.samples, &one.exemplars);
        if let Some(metadata) = &one.metadata {
            encoder.metadata(&format!("family_{index}"), metadata);
        }
    }
    encoder.finish()
}

fn encode_v2(series: &[Plain]) -> Vec<u8> {
    let mut encoder = EncoderV2::new();
    for one in series {
        encoder.series(one.pairs(), &one.samples, &one.exemplars, one.metadata.as_ref());
    }
    encoder.finish()
}

fn read_back(body: &[u8], columns: &Columns) -> Vec<Plain> {
    let pairs = |labels: &[LabelSpan]| -> Vec<(String, String)> {
        let owned = |span| text(span, body).to_owned();
        labels.iter().map(|label| (owned(label.name), owned(label.value))).collect()
    };
    let metadata_of = |index: usize| {
        let name = format!("family_{index}");
        let found = columns.metadata.iter().find(|one| match one.series {
            Some(series) => series as usize == index,
            None => text(one.family, body) == name,
        });
        found.map(|one| MetricMetadata {
            metric_type: one.metric_type,
            help: text(one.help, body).to_owned(),
            unit: text(one.unit, body).to_owned(),
        })
    };
    let exemplar = |one: &ExemplarSpan| Exemplar {
        labels: Labels::from_pairs(pairs(one.labels.of(&columns.exemplar_labels))),
        value: one.value,
        timestamp: one.timestamp,
    };
    let series = columns.series.iter().enumerate().map(|(index, one)| Plain {
        labels: pairs(one.labels.of(&columns.labels)),
        samples: one.samples.of(&columns.samples).to_vec(),
        exemplars: one.exemplars.of(&columns.exemplars).iter().map(exemplar).collect(),
        metadata: metadata_of(index),
    });
    series.collect()
}

fn plain_series() -> impl Strategy<Value = Plain> {
    let text = prop_oneof![3 => "[a-z_]{0,12}", 1 => "\\PC{0,6}", 1 => "[a-zä]{120,140}"];
    let label = (text.clone(), text.clone());
    let sample = (any::<i64>(), any::<u64>())
        .prop_map(|(timestamp, bits)| Sample { timestamp, value: f64::from_bits(bits) });
    let exemplar = (prop::collection::vec(label.clone(), 0..3), any::<i32>(), any::<i64>());
    let exemplar = exemplar.prop_map(|(labels, value, timestamp)| Exemplar {
        labels: Labels::from_pairs(labels),
        value: value.into(),
        timestamp,
    });
    let metadata = (1..8, text.clone(), text).prop_map(|(number, help, unit)| MetricMetadata {
        metric_type: MetricType::from_wire(number),
        help,
        unit,
    });
    let parts = (
        prop::collection::vec(label, 0..6),
        prop::collection::vec(sample, 0..5),
        prop::collection::vec(exemplar, 0..3),
        prop::option::of(metadata),
    );
    parts.prop_map(|(labels, samples, exemplars, metadata)| Plain { labels, samples, exemplars, metadata })
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(series in prop::collection::vec(plain_series(), 0..5)) {
        let mut columns = Columns::default();
        let v1 = encode_v1(&series);
        decode_v1(&v1, LIMIT, &mut columns).unwrap();
        prop_assert_eq!(read_back(&v1, &columns), series.clone());
        let v2 = encode_v2(&series);
        decode_v2(&v2, LIMIT, &mut columns).unwrap();
        prop_assert_eq!(read_back(&v2, &columns), series);
    }

    #[test]
    fn a_damaged_request_never_panics_and_a_good_one_after_it_is_whole(
        series in prop::collection::vec(plain_series(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut columns = Columns::default();
        for (good, decode) in [
            (encode_v1(&series), decode_v1 as fn(&[u8], usize, &mut Columns) -> Result<(), DecodeError>),
            (encode_v2(&series), decode_v2),
        ] {
            let mut bad = good.clone();
            for (at, byte) in &damage {
                let at = at.index(bad.len());
                bad[at] = *byte;
            }
            let _ = decode(&bad, LIMIT, &mut columns);
            let _ = read_back(&bad, &columns);
            let _ = decode(&good[..cut.index(good.len())], LIMIT, &mut columns);
            decode(&good, LIMIT, &mut columns).unwrap();
            prop_assert_eq!(read_back(&good, &columns), series.clone());
        }
    }
}

/// One sample of `up{job="a"}` as the protobuf compiler's encoders write it, byte for byte.
const GOLDEN_V1: &[u8] = b"\x0a\x2c\
    \x0a\x0e\x0a\x08__name__\x12\x02up\
    \x0a\x08\x0a\x03job\x12\x01a\
    \x12\x10\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\x80\xd0\x95\xff\xbc\x31";

/// The same as 2.0, with a symbol table.
const GOLDEN_V2: &[u8] = b"\x22\x00\x22\x08__name__\x22\x02up\x22\x03job\x22\x01a\
    \x2a\x18\
    \x0a\x04\x01\x02\x03\x04\
    \x12\x10\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\x80\xd0\x95\xff\xbc\x31";

fn golden() -> Vec<Plain> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![Plain {
        labels: vec![pair("__name__", "up"), pair("job", "a")],
        samples: vec![Sample { timestamp: 1_700_000_000_000, value: 1.5 }],
        exemplars: vec![],
        metadata: None,
    }]
}

#[test]
fn golden_requests_are_read_and_written() {
    let mut columns = Columns::default();
    decode_v1(GOLDEN_V1, LIMIT, &mut columns).unwrap();
    assert_eq!(read_back(GOLDEN_V1, &columns), golden());
    assert_eq!(encode_v1(&golden()), GOLDEN_V1);
    decode_v2(GOLDEN_V2, LIMIT, &mut columns).unwrap();
    assert_eq!(read_back(GOLDEN_V2, &columns), golden());
    assert_eq!(encode_v2(&golden()), GOLDEN_V2);
}

/// Decodes as 1.0 and says what failed.
fn v1_error(body: &[u8]) -> String {
    let error = decode_v1(body, LIMIT, &mut Columns::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn broken_wire_formats_are_named() {
    for (body, words) in [
        (&b"\xff\xff\xff\xff\xff"[..], "ends inside"),
        (&GOLDEN_V1[..GOLDEN_V1.len() - 3], "ends inside"),
        (b"\x0a\xff\xff\xff\xff\x0f", "ends inside"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "longer than 64 bits"),
        (b"\x02\x00", "invalid field number"),
        (b"\x08\x01", "wire type 0 does not fit field 1 of WriteRequest"),
        (b"\x0a\x02\x10\x01", "wire type 0 does not fit field 2 of TimeSeries"),
        (b"\x0a\x04\x12\x02\x08\x01", "wire type 0 does not fit field 1 of Sample"),
        (b"\x0b\x0c", "wire type 3 does not fit field 1"),
        (b"not protobuf at all", ""),
        (GOLDEN_V2, "the body is remote write 2.0"),
    ] {
        let error = v1_error(body);
        assert!(error.contains(words), "{body:?}: {error}");
    }
    let error = decode_v2(GOLDEN_V1, LIMIT, &mut Columns::default()).unwrap_err();
    assert!(error.to_string().contains("the body is remote write 1.0"), "{error}");
    let error = decode_v2(b"\x22\x01a", LIMIT, &mut Columns::default());
    assert_eq!(error, Err(DecodeError::FirstSymbol));
}

#[test]
fn unknown_fields_are_skipped_at_every_level() {
    let mut unknown = Vec::new();
    put_bytes(&mut unknown, 1000, b"future");
    put_number(&mut unknown, 1001, 7);
    put_double(&mut unknown, 1002, 0.5);
    put_varint(&mut unknown, 1003 << 3 | 5);
    unknown.extend_from_slice(b"four");
    let message = |field: u32, inner: &[u8], out: &mut Vec<u8>| {
        put_bytes(out, field, &[&unknown, inner, &unknown].concat());
    };
    let mut series = Vec::new();
    message(1, b"\x0a\x08__name__\x12\x02up", &mut series);
    message(2, b"\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\x07", &mut series);
    let mut body = unknown.clone();
    message(1, &series, &mut body);
    let mut columns = Columns::default();
    decode_v1(&body, LIMIT, &mut columns).unwrap();
    let back = read_back(&body, &columns);
    assert_eq!(back[0].labels, golden()[0].labels[..1]);
    assert_eq!(back[0].samples, [Sample { timestamp: 7, value: 1.5 }]);
}

#[test]
fn text_that_is_not_utf8_spoils_only_its_series() {
    let mut body = b"\x0a\x0b\x0a\x09\x0a\x03bad\x12\x02\xff\xfe".to_vec();
    body.extend_from_slice(GOLDEN_V1);
    let mut columns = Columns::default();
    decode_v1(&body, LIMIT, &mut columns).unwrap();
    let defects: Vec<_> = columns.series.iter().map(|series| series.defect).collect();
    assert_eq!(defects, [Some(Defect::NotUtf8), None]);

    let body = b"\x22\x00\x22\x01a\x22\x01\xff\x2a\x04\x0a\x02\x01\x02\x2a\x04\x0a\x02\x01\x01";
    decode_v2(body, LIMIT, &mut columns).unwrap();
    let defects: Vec<_> = columns.series.iter().map(|series| series.defect).collect();
    assert_eq!(defects, [Some(Defect::NotUtf8), None]);
}

#[test]
fn label_references_are_checked_packed_or_not() {
    let mut columns = Columns::default();
    let mut defect = |series: &[u8]| {
        let mut body = b"\x22\x00\x22\x01a\x22\x01b".to_vec();
        put_bytes(&mut body, 5, series);
        decode_v2(&body, LIMIT, &mut columns).unwrap();
        let labels = columns.series[0].labels.of(&columns.labels);
        (columns.series[0].defect, labels.len())
    };
    assert_eq!(defect(b"\x0a\x02\x01\x02"), (None, 1));
    assert_eq!(defect(b"\x08\x01\x08\x02"), (None, 1));
    assert_eq!(defect(b"\x0a\x01\x01\x0a\x01\x02"), (None, 1));
    assert_eq!(defect(b"\x0a\x03\x01\x02\x01"), (Some(Defect::OddReferences(3)), 1));
    let out_of_range = Defect::ReferenceOutOfRange { reference: 3, symbols: 3 };
    assert_eq!(defect(b"\x0a\x02\x01\x03").0, Some(out_of_range));
}

#[test]
fn metadata_that_refers_to_nothing_is_left_out() {
    let mut columns = Columns::default();
    let body = b"\x22\x00\x2a\x06\x1a\x00\x2a\x02\x18\x09\x2a\x04\x2a\x02\x08\x01";
    decode_v2(body, LIMIT, &mut columns).unwrap();
    assert_eq!((columns.series[0].histograms.len(), columns.metadata.len()), (1, 1));
    assert_eq!(columns.metadata[0].series, Some(1));
}

#[test]
fn items_are_limited() {
    let mut columns = Columns::default();
    let empty_series = [0x0a, 0x00].repeat(LIMIT + 1);
    let error = decode_v1(&empty_series, LIMIT, &mut columns).unwrap_err();
    assert_eq!(error, DecodeError::TooManyItems { limit: LIMIT });
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(columns.series.len() <= LIMIT);
    decode_v1(&empty_series[2..], LIMIT, &mut columns).unwrap();
    let empty_symbols = [0x22, 0x00].repeat(LIMIT + 1);
    assert!(decode_v2(&empty_symbols, LIMIT, &mut columns).is_err());
}
