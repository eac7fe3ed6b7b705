//! Decoding remote write: a request of 1,000 series with 10 labels and 2 samples each.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use latewood_model::Sample;
use latewood_proto::remote_write::encode::{EncoderV1, EncoderV2, compress};
use latewood_proto::remote_write::{Columns, DecodeError, decode_v1, decode_v2, decompress};

const SERIES: usize = 1_000;
const SAMPLES: usize = 2;
const LIMIT: usize = 1_000_000;

fn labels(series: usize) -> Vec<(String, String)> {
    let mut labels = vec![("__name__".to_owned(), format!("requests_total_{}", series % 50))];
    labels.extend((0..9).map(|label| (format!("label_{label}"), format!("value-{}", series % (label + 2)))));
    labels
}

fn pairs(labels: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn samples(series: usize) -> [Sample; SAMPLES] {
    std::array::from_fn(|k| Sample {
        timestamp: 1_700_000_000_000 + k as i64 * 15_000,
        value: series as f64 * 0.1,
    })
}

fn request_v1() -> Vec<u8> {
    let mut encoder = EncoderV1::new();
    for series in 0..SERIES {
        encoder.series(pairs(&labels(series)), &samples(series), &[]);
    }
    encoder.finish()
}

fn request_v2() -> Vec<u8> {
    let mut encoder = EncoderV2::new();
    for series in 0..SERIES {
        encoder.series(pairs(&labels(series)), &samples(series), &[], None);
    }
    encoder.finish()
}

type Decode = fn(&[u8], usize, &mut Columns) -> Result<(), DecodeError>;

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remote_write_decode");
    group.throughput(Throughput::Elements((SERIES * SAMPLES) as u64));
    for (name, request, decode) in
        [("v1", request_v1(), decode_v1 as Decode), ("v2", request_v2(), decode_v2 as Decode)]
    {
        let mut columns = Columns::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(&request), LIMIT, &mut columns).expect("a good request"));
        });
        let (body, mut plain) = (compress(&request).expect("a small request"), Vec::new());
        group.bench_function(format!("{name}_snappy"), |bencher| {
            bencher.iter(|| {
                decompress(black_box(&body), 1 << 24, &mut plain).expect("a good body");
                decode(&plain, LIMIT, &mut columns).expect("a good request");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
