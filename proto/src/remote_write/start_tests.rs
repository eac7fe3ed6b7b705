//! Start timestamps of remote write 2.0.

use latewood_model::{NO_START, Sample};

use super::encode::{EncoderV2, put_bytes, put_number};
use super::{Columns, decode_v1, decode_v2};

const LIMIT: usize = 1_000;

fn sample(timestamp: i64) -> Sample {
    Sample { timestamp, value: 1.0 }
}

#[test]
fn samples_have_their_starts_and_requests_without_any_no_column() {
    let mut encoder = EncoderV2::new();
    encoder.series([("__name__", "a")], &[sample(1), sample(2)], &[], None);
    encoder.started([("__name__", "b")], &[(sample(3), -5), (sample(4), NO_START)]);
    encoder.series([("__name__", "c")], &[sample(5)], &[], None);
    let body = encoder.finish();
    let mut columns = Columns::default();
    decode_v2(&body, LIMIT, &mut columns).unwrap();
    assert_eq!(columns.starts, [NO_START, NO_START, -5, NO_START, NO_START]);
    assert_eq!(columns.series[1].samples.of(&columns.starts), [-5, NO_START]);
    let plain = EncoderV2::new().series([("__name__", "a")], &[sample(1)], &[], None).finish();
    decode_v2(&plain, LIMIT, &mut columns).unwrap();
    assert!(columns.starts.is_empty() && columns.samples.len() == 1);
}

#[test]
fn histograms_have_theirs() {
    let mut columns = Columns::default();
    let (mut message, mut series, mut body) = (Vec::new(), Vec::new(), Vec::new());
    put_number(&mut message, 15, 20);
    put_number(&mut message, 17, 10);
    put_bytes(&mut series, 3, &message);
    put_bytes(&mut series, 3, &[]);
    put_bytes(&mut body, 5, &series);
    decode_v2(&body, LIMIT, &mut columns).unwrap();
    let rows = &columns.histograms.rows;
    assert_eq!((rows[0].timestamp, rows[0].start, rows[1].start), (20, 10, NO_START));
}

#[test]
fn the_first_version_has_no_such_field() {
    let (mut message, mut series, mut body) = (Vec::new(), Vec::new(), Vec::new());
    put_number(&mut message, 2, 20);
    put_bytes(&mut message, 3, b"something else");
    put_bytes(&mut series, 2, &message);
    put_bytes(&mut body, 1, &series);
    let mut columns = Columns::default();
    decode_v1(&body, LIMIT, &mut columns).unwrap();
    assert_eq!((columns.samples[0].timestamp, columns.starts.len()), (20, 0));
    assert!(decode_v2(&body, LIMIT, &mut columns).is_err());
}
