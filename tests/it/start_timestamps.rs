//! Start timestamps in by remote write 2.0, out by PromQL: from memory, from the journal, from a block.

use latewood_model::histogram::{HistogramParts, IntegerHistogram};
use latewood_model::{NativeHistogram, Sample, TimestampMs};
use latewood_proto::remote_write::encode::EncoderV2;

use crate::harness::{Answer, Latewood, write_v1, write_v2};

const START_MS: i64 = 1_700_000_000_000;
const FEATURES: &str = "--enable-feature=promql-experimental-functions,use-start-timestamps";

fn at(scrape: i64) -> TimestampMs {
    START_MS + scrape * 15_000
}

fn sample(scrape: i64) -> Sample {
    Sample { timestamp: at(scrape), value: 7.0 }
}

/// A counter that restarts every 20 scrapes and always has the same value, deltas, one that nobody knows the start of,
/// and histograms.
async fn write_series(server: &Latewood) {
    let labels = |kind| [("__name__", "starts_total"), ("kind", kind)];
    let samples = |start: fn(i64) -> TimestampMs| (0..100).map(|n| (sample(n), start(n))).collect::<Vec<_>>();
    let mut encoder = EncoderV2::new();
    encoder.started(labels("counter"), &samples(|n| at(n / 20 * 20) - 1_000));
    encoder.started(labels("delta"), &samples(|n| at(n - 1)));
    encoder.started(labels("unknown"), &samples(|_| 0));
    let histogram: NativeHistogram =
        IntegerHistogram { count: 7, zero_count: 7, ..IntegerHistogram::default() }.into();
    let histograms: Vec<_> = (0..100).map(|n| (at(n), HistogramParts::from(&histogram))).collect();
    encoder.started_histograms(labels("histogram"), &histograms, at(-1));
    assert_eq!(write_v2(&server.url, encoder).await.unwrap(), (204, String::new()));
}

/// Samples that come late, or twice: with and without a start timestamp, in both orders.
async fn write_twice(server: &Latewood) {
    let labels = |kind| [("__name__", "starts_total"), ("kind", kind)];
    let started: Vec<_> = (0..100).map(|n| (sample(n), at(-1))).collect();
    let bare: Vec<_> = started.iter().map(|&(sample, _)| sample).collect();
    for first in [true, false] {
        for (kind, is_started) in [("started first", first), ("started last", !first)] {
            let mut encoder = EncoderV2::new();
            match is_started {
                true => encoder.started(labels(kind), &started),
                false => encoder.series(labels(kind), &bare, &[], None),
            };
            assert_eq!(write_v2(&server.url, encoder).await.unwrap().0, 204);
        }
    }
    let (mut newer, mut older) = (EncoderV2::new(), EncoderV2::new());
    newer.started(labels("late"), &started[50..]);
    older.started(labels("late"), &started[..50]);
    for encoder in [newer, older] {
        assert_eq!(write_v2(&server.url, encoder).await.unwrap().0, 204);
    }
}

async fn ask(server: &Latewood, expression: &str) -> Answer {
    let end = at(99) as f64 / 1000.0;
    Answer::range(&server.url, expression, end - 1485.0, end, 15.0).await.unwrap()
}

/// All start timestamps, and what functions make of them.
async fn everything(server: &Latewood) -> Vec<Answer> {
    let mut answers = Vec::new();
    for expression in
        ["start_timestamp(starts_total)", "increase(starts_total[2m])", "resets(starts_total[10m])"]
    {
        answers.push(ask(server, expression).await);
    }
    answers
}

fn check(starts: &Answer) {
    assert_eq!(starts.0.len(), 7);
    for (labels, starts) in &starts.0 {
        let expected = |n: i64| match labels["kind"].as_str() {
            "counter" => at(n / 20 * 20) - 1_000,
            "delta" => at(n - 1),
            "unknown" => 0,
            _ => at(-1),
        };
        let expected: Vec<f64> = (0..100).map(|n| expected(n) as f64 / 1000.0).collect();
        assert_eq!(starts.values().copied().collect::<Vec<_>>(), expected, "{labels:?}");
    }
}

#[tokio::test]
async fn they_stay_the_same_from_memory_to_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Latewood::start(&data, &[FEATURES]);
    write_series(&server).await;
    write_twice(&server).await;
    let from_memory = everything(&server).await;
    check(&from_memory[0]);
    let last = |answer: &Answer, kind: &str| {
        let found = answer.0.iter().find(|(labels, _)| labels["kind"] == kind);
        found.and_then(|(_, values)| values.values().last().copied())
    };
    assert_eq!(last(&from_memory[2], "counter"), Some(1.0), "of 40 samples one began anew");
    assert_eq!(last(&from_memory[2], "delta"), Some(39.0));
    assert_eq!(last(&from_memory[2], "unknown"), Some(0.0));
    assert_eq!(last(&from_memory[1], "delta"), Some(56.0));
    server.stop();

    let server = Latewood::start(&data, &[FEATURES]);
    assert_eq!(everything(&server).await, from_memory, "after a restart, from the journal");
    server.flush().await;
    assert_eq!(everything(&server).await, from_memory, "after a flush, from a block");
    write_twice(&server).await;
    assert_eq!(everything(&server).await, from_memory, "written again, in memory and in a block");
    server.kill();

    let server = Latewood::start(&data, &[]);
    assert_eq!(ask(&server, "resets(starts_total[10m]) > 0").await.0.len(), 0, "they are not looked at");
    server.stop();
    let server = Latewood::start(&data, &[FEATURES]);
    assert_eq!(everything(&server).await, from_memory, "they are kept, looked at or not");
    server.stop();
}

/// The first version has no start timestamps: a sample that it brings again does not take one away.
#[tokio::test]
async fn a_sample_without_one_takes_none_away_from_a_block() {
    use latewood_proto::remote_write::encode::EncoderV1;

    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[FEATURES]);
    let labels = [("__name__", "up")];
    let mut encoder = EncoderV2::new();
    encoder.started(labels, &[(sample(99), at(3))]);
    assert_eq!(write_v2(&server.url, encoder).await.unwrap().0, 204);
    server.flush().await;
    let mut encoder = EncoderV1::new();
    encoder.series(labels, &[sample(99)], &[]);
    assert_eq!(write_v1(&server.url, encoder).await.unwrap().0, 204);
    let answer = Answer::instant(&server.url, "start_timestamp(up)", at(99) as f64 / 1000.0).await.unwrap();
    let starts: Vec<f64> = answer.0.values().flat_map(|samples| samples.values().copied()).collect();
    assert_eq!(starts, [at(3) as f64 / 1000.0]);
    server.stop();
}
