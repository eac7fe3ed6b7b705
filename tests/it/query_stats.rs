//! `stats=all` beside a real Prometheus 3.5 with the same data: the same counts of samples, whole and of each step.
//!
//! Peaks are another matter: Prometheus evaluates node by node and holds whole matrices, here tiles go through. They
//! are the same for nothing but by chance, so what is asserted of ours is that it is at least the result.

use latewood_model::histogram::{Buckets, HistogramParts, IntegerHistogram};
use latewood_model::{NativeHistogram, Sample, TimestampMs, stale_nan};
use latewood_proto::remote_write::encode::EncoderV1;
use serde_json::{Value, json};

use crate::harness::{Latewood, Peers, Prometheus, write_v1};

const START_MS: i64 = 1_700_000_000_000;
const SCRAPES: i64 = 60;

/// Selectors, windows, subqueries, what is fixed in time, sets, joins, aggregations, scalars, native histograms.
const EXPRESSIONS: &[&str] = &[
    "1",
    "time()",
    "requests_total",
    "requests_total{job=\"a\"} offset 2m",
    "requests_total @ 1700000300",
    "sum(requests_total @ end()) + on() group_right() requests_total",
    "rate(requests_total[1m])",
    "sum by (job) (rate(requests_total[95s]))",
    "rate(requests_total[2m] @ 1700000300)",
    "predict_linear(requests_total[1m] @ 1700000300, 60)",
    "absent_over_time(gone[1m])",
    "absent(gone)",
    "timestamp(requests_total)",
    "timestamp(requests_total @ 1700000300)",
    "max_over_time(requests_total[2m:15s])",
    "max_over_time(rate(requests_total[1m])[2m:15s])",
    "max_over_time(requests_total[2m:15s] @ 1700000300)",
    "max_over_time(max_over_time(requests_total[30s:10s])[1m:20s] offset 1m)",
    "requests_total and on(job) gone",
    "gone or requests_total",
    "requests_total unless gone",
    "requests_total / ignoring(x) group_left() count without (x) (requests_total)",
    "topk(2, requests_total) + 0 * requests_total",
    "quantile_over_time(scalar(max(gone)), requests_total[1m])",
    "clamp_max(requests_total, scalar(sum(gone)))",
    "label_replace(requests_total, \"y\", \"$1\", \"x\", \"(.*)\")",
    "sort_desc(requests_total)",
    "latency",
    "histogram_quantile(0.9, rate(latency[1m]))",
    "sum(latency) or requests_total",
    "sum_over_time(latency[1m:20s])",
];

/// Counters that are scraped apart from each other, one that ends with a stale marker, and native histograms.
fn data() -> EncoderV1 {
    let mut encoder = EncoderV1::new();
    let times = |job: i64| (0..SCRAPES).map(move |scrape| START_MS + scrape * 10_000 + job * 777);
    for (number, (job, x)) in [("a", "1"), ("a", "2"), ("b", "1")].into_iter().enumerate() {
        let samples =
            times(number as i64).map(|timestamp| Sample { timestamp, value: timestamp as f64 / 1e3 });
        let samples: Vec<Sample> = samples.collect();
        let labels = [("__name__", "requests_total"), ("job", job), ("x", x)];
        encoder.series(labels, &samples, &[]);
    }
    let mut ended: Vec<Sample> =
        times(0).take(30).map(|timestamp| Sample { timestamp, value: 0.5 }).collect();
    ended.push(Sample { timestamp: START_MS + 300_000, value: stale_nan() });
    encoder.series([("__name__", "gone"), ("job", "a"), ("x", "1")], &ended, &[]);
    let histograms: Vec<(TimestampMs, NativeHistogram)> = times(0).map(|at| (at, histogram(at))).collect();
    let parts: Vec<_> = histograms.iter().map(|(at, one)| (*at, HistogramParts::from(one))).collect();
    encoder.histograms([("__name__", "latency"), ("job", "a")], &parts);
    encoder
}

/// The same buckets in all, on both sides and with a gap, so that layouts are the same in both stores.
fn histogram(at: TimestampMs) -> NativeHistogram {
    let seen = ((at - START_MS) / 10_000 + 1).unsigned_abs();
    let positive = Buckets::from_pairs([(-2, seen), (0, 3 * seen), (1, seen)]);
    let negative = Buckets::from_pairs([(4, seen)]);
    let (count, zero_count) = (7 * seen, seen);
    IntegerHistogram { schema: 1, count, zero_count, sum: 1.0, positive, negative, ..Default::default() }
        .into()
}

struct Pair {
    ours: Latewood,
    theirs: Prometheus,
}

impl Pair {
    async fn start(peers: &Peers, folder: &std::path::Path) -> Self {
        let ours = Latewood::start(&folder.join("data"), &[]);
        let features = "promql-per-step-stats,native-histograms";
        let theirs = Prometheus::start_with(peers, folder, "global: {}\n", features).await;
        for url in [&ours.url, &theirs.url] {
            let (status, text) = write_v1(url, data()).await.unwrap();
            assert!((200..300).contains(&status), "{url} answered {status}: {text}");
        }
        Self { ours, theirs }
    }

    /// What both say of the samples of a query.
    async fn samples(&self, path: &str, form: &[(&str, &str)]) -> [Value; 2] {
        let ask = async |url: &str| {
            let answer = reqwest::Client::new().post(format!("{url}/api/v1/{path}")).form(form).send().await;
            let mut body: Value = answer.unwrap().json().await.unwrap();
            assert_eq!(body["status"], "success", "{form:?}: {body}");
            let points = points(&body["data"]);
            let mut samples = body["data"]["stats"]["samples"].take();
            let peak = samples["peakSamples"].take().as_u64().unwrap();
            let is_plausible = peak >= points || url == self.theirs.url;
            assert!(is_plausible, "{form:?}: {peak} samples at most, {points} are in the result");
            samples
        };
        [ask(&self.ours.url).await, ask(&self.theirs.url).await]
    }
}

/// How many samples a result has.
fn points(data: &Value) -> u64 {
    let Some(series) = data["result"].as_array().filter(|_| data["resultType"] != "scalar") else { return 1 };
    let of_one = |one: &Value| match one["values"].as_array() {
        Some(values) => values.len(),
        None => usize::from(one.get("value").is_some()),
    };
    series.iter().map(of_one).sum::<usize>() as u64
}

#[tokio::test]
async fn samples_are_counted_as_prometheus_counts_them() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::start(&peers, folder.path()).await;
    let (mut broken, mut counted) = (Vec::new(), 0);
    for expression in EXPRESSIONS {
        for stats in ["all", "true"] {
            let instant = [("query", *expression), ("time", "1700000420.5"), ("stats", stats)];
            let range = [
                ("query", *expression),
                ("start", "1700000100.25"),
                ("end", "1700000700"),
                ("step", "20"),
                ("stats", stats),
            ];
            for [ours, theirs] in
                [pair.samples("query", &instant).await, pair.samples("query_range", &range).await]
            {
                let steps = ours["totalQueryableSamplesPerStep"].as_array();
                assert_eq!(steps.is_some(), stats == "all", "{expression}: {ours}");
                counted += usize::from(theirs["totalQueryableSamples"].as_u64() > Some(0));
                if ours != theirs {
                    broken.push(format!("{expression}\n  ours   {ours}\n  theirs {theirs}"));
                }
            }
        }
    }
    assert!(counted >= 4 * 25, "only {counted} answers counted any sample");
    // A range selector or subquery by itself is no range query.
    for expression in ["requests_total[5m]", "latency[1m]", "rate(requests_total[1m])[5m:30s]"] {
        let form = [("query", expression), ("time", "1700000420.5"), ("stats", "all")];
        let [ours, theirs] = pair.samples("query", &form).await;
        if ours != theirs {
            broken.push(format!("{expression}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    assert!(broken.is_empty(), "{} differ:\n{}", broken.len(), broken.join("\n"));
    let [ours, theirs] = pair.samples("query", &[("query", "'x'"), ("time", "7"), ("stats", "all")]).await;
    assert_eq!(ours["totalQueryableSamplesPerStep"], json!([[7, 0]]));
    assert_eq!(theirs["totalQueryableSamplesPerStep"], json!([[7, 0]]));
}
