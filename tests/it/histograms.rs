//! Native histograms in by remote write, out by PromQL: from memory, from the journal, from a block.

use latewood_model::histogram::{
    Buckets, CUSTOM_BUCKETS, FloatHistogram, HistogramParts, IntegerHistogram, ResetHint,
};
use latewood_model::{NativeHistogram, Sample, TimestampMs};
use latewood_proto::remote_write::encode::{EncoderV1, EncoderV2};
use serde_json::Value;

use crate::harness::{Latewood, write_v1, write_v2};

const START_MS: i64 = 1_700_000_000_000;
const SCRAPES: u64 = 100;
/// An interval after the last scrape.
pub const END_SECONDS: f64 = 1_700_000_000.0 + 15.0 * SCRAPES as f64;

/// A counter that is reset half way, and begins with buckets on the positive side alone.
fn counter(scrape: u64) -> NativeHistogram {
    let seen = 1 + scrape % 50;
    let negative = if seen > 20 { vec![(-7, seen - 20), (3, 1)] } else { Vec::new() };
    let negative = Buckets::from_pairs(negative);
    let positive = Buckets::from_pairs([(-2, seen), (0, 3 * seen), (1, 7)]);
    let all: u64 = positive.counts().iter().chain(negative.counts()).sum();
    IntegerHistogram {
        schema: 2,
        zero_threshold: 2f64.powi(-128),
        reset_hint: if scrape.is_multiple_of(50) { ResetHint::Unknown } else { ResetHint::NoReset },
        sum: seen as f64 * 0.3,
        count: all + seen,
        zero_count: seen,
        positive,
        negative,
        ..IntegerHistogram::default()
    }
    .into()
}

fn gauge(scrape: u64) -> NativeHistogram {
    let counts = [0.1, 0.2, 0.7].map(|share| share * scrape as f64 / 3.0);
    FloatHistogram {
        schema: CUSTOM_BUCKETS,
        custom_bounds: [0.005, 1.0].into(),
        reset_hint: ResetHint::Gauge,
        sum: scrape as f64 / 7.0,
        count: counts.iter().sum(),
        positive: Buckets::from_pairs((0..).zip(counts)),
        ..FloatHistogram::default()
    }
    .into()
}

fn timed(histograms: &[(TimestampMs, NativeHistogram)]) -> Vec<(TimestampMs, HistogramParts<'_>)> {
    histograms.iter().map(|(at, histogram)| (*at, HistogramParts::from(histogram))).collect()
}

fn scrapes(of: fn(u64) -> NativeHistogram) -> Vec<(TimestampMs, NativeHistogram)> {
    (0..SCRAPES).map(|scrape| (START_MS + scrape as i64 * 15_000, of(scrape))).collect()
}

/// Counters by 1.0, gauges by 2.0; one series ends with a stale marker, one was a float before.
pub async fn write_all(server: &Latewood) {
    let (counters, gauges) = (scrapes(counter), scrapes(gauge));
    let mut ended = counters.clone();
    ended.truncate(60);
    ended.push((START_MS + 60 * 15_000, NativeHistogram::stale()));
    let mut v1 = EncoderV1::new();
    v1.histograms([("__name__", "native"), ("kind", "counter")], &timed(&counters));
    v1.histograms([("__name__", "native"), ("kind", "ended")], &timed(&ended));
    assert_eq!(write_v1(&server.url, v1).await.unwrap(), (204, String::new()));
    let mut v2 = EncoderV2::new();
    v2.histograms([("__name__", "native"), ("kind", "gauge")], &timed(&gauges));
    let floats: Vec<_> =
        (0..3).map(|at| Sample { timestamp: START_MS - 60_000 + at * 30_000, value: 0.5 }).collect();
    v2.series([("__name__", "native"), ("kind", "mixed")], &floats, &[], None);
    v2.histograms([("__name__", "native"), ("kind", "mixed")], &timed(&gauges));
    assert_eq!(write_v2(&server.url, v2).await.unwrap(), (204, String::new()));
}

async fn ask(server: &Latewood, expression: &str) -> Value {
    let form = [("query", expression.to_owned()), ("time", END_SECONDS.to_string())];
    let url = format!("{}/api/v1/query", server.url);
    let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let mut body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], "success", "{body}");
    body["data"]["result"].take()
}

/// All that is stored, and what some functions make of it.
async fn everything(server: &Latewood) -> Vec<Value> {
    let mut answers = Vec::new();
    for expression in [
        "native[1h]",
        "rate(native[5m])",
        "histogram_quantile(0.9, native)",
        "histogram_fraction(0, 0.5, native{kind='gauge'})",
        "sum_over_time(native{kind='ended'}[20m])",
    ] {
        answers.push(ask(server, expression).await);
    }
    answers
}

#[tokio::test]
async fn they_stay_the_same_from_memory_to_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Latewood::start(&data, &[]);
    write_all(&server).await;
    let from_memory = everything(&server).await;
    let raw = from_memory[0].as_array().unwrap();
    let counts: Vec<usize> =
        raw.iter().map(|series| series["histograms"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(counts, [100, 60, 100, 100], "{raw:?}");
    let floats = raw[3]["values"].as_array().unwrap().len();
    assert_eq!(floats, 2, "a histogram beats the float of its time");
    server.stop();

    let server = Latewood::start(&data, &[]);
    assert_eq!(everything(&server).await, from_memory, "after a restart, from the journal");
    server.flush().await;
    assert_eq!(everything(&server).await, from_memory, "after a flush, from a block");
    server.kill();

    let server = Latewood::start(&data, &[]);
    assert_eq!(everything(&server).await, from_memory, "after a kill, from a block");
    write_all(&server).await;
    assert_eq!(everything(&server).await, from_memory, "written twice, stored once");
    server.flush().await;
    assert_eq!(everything(&server).await, from_memory, "from two blocks");
    server.stop();
}
