//! Requests over a real connection against shards in memory, and what each is answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use latewood_base::{Clock, ErrorKind, ManualClock, Offload};
use latewood_model::{
    Exemplar, Labels, MatchOp, Matcher, MetricMetadata, MetricType, Sample, TenantId, TimeRange, TimestampMs,
    merge_into,
};
use latewood_proto::remote_write::encode::{EncoderV1, EncoderV2, compress, put_bytes};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

use super::*;
use crate::distributor::{Distributor, RefusedRow, ShardPart, ShardWriter, WriteOutcome};
use crate::exemplars::ExemplarStore;
use crate::limits::{Limits, RateLimits};
use crate::metadata::MetadataStore;
use crate::{Cause, IngestError, PushConfig};

mod limits;

const NOW: TimestampMs = 1_700_000_000_000;
const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A series as a test sends it: labels and samples.
type Sent<'a> = (&'a [(&'a str, &'a str)], &'a [Sample]);

type Stored = BTreeMap<(String, String), Vec<Sample>>;

/// Shards that share one map of what is stored; they do as they are told to series of certain names.
#[derive(Default)]
struct Shards {
    stored: Mutex<Stored>,
}

#[async_trait]
impl ShardWriter for Shards {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        let mut outcome = WriteOutcome::default();
        if let Some(kind) = part.series().find_map(|(_, series)| failure(&series.to_labels())) {
            return Err(IngestError::Shard { shard: part.shard(), kind, message: "told to".to_owned() });
        }
        for (row, series) in part.series() {
            let labels = series.to_labels();
            assert_eq!(series.hash(), labels.hash128());
            if labels.metric_name() == Some("too_many") {
                outcome.refused.push(RefusedRow {
                    row,
                    cause: Cause::SeriesLimit,
                    message: "too many series".into(),
                });
                continue;
            }
            let key = (part.tenant().to_string(), labels.to_string());
            let mut stored = self.stored.lock();
            let known = stored.entry(key).or_default();
            let mut merged = Vec::new();
            merge_into(known, series.samples(), &mut merged);
            *known = merged;
        }
        Ok(outcome)
    }
}

fn failure(labels: &Labels) -> Option<ErrorKind> {
    match labels.metric_name() {
        Some("unavailable") => Some(ErrorKind::Unavailable),
        Some("defect") => Some(ErrorKind::Internal),
        _ => None,
    }
}

struct Fixture {
    shards: Arc<Shards>,
    service: PushService,
    exemplars: Arc<ExemplarStore>,
    metadata: Arc<MetadataStore>,
    router: axum::Router,
    registry: Registry,
    hand: ManualClock,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    written: [u64; 3],
    text: String,
    retry_after: Option<String>,
}

impl Fixture {
    fn new(config: PushConfig) -> Self {
        Self::limited(config, "{}")
    }

    fn limited(config: PushConfig, limits: &str) -> Self {
        let (clock, hand) = Clock::manual(NOW);
        let limits = Limits::new(&serde_json::from_str(limits).unwrap());
        let rates = RateLimits::new(Arc::new(limits), || 1, clock.clone());
        let shards = Arc::new(Shards::default());
        let writers = (0..3).map(|_| Arc::clone(&shards) as Arc<dyn ShardWriter>).collect();
        let (exemplars, metadata) =
            (Arc::new(ExemplarStore::new(&config)), Arc::new(MetadataStore::new(&config)));
        let mut registry = Registry::default();
        let service = PushService::new(
            config,
            (Distributor::new(writers).unwrap(), rates),
            Arc::clone(&exemplars),
            Arc::clone(&metadata),
            clock,
            Offload::new(2),
            &mut registry,
        )
        .unwrap();
        Self { shards, router: routes(service.clone()), service, exemplars, metadata, registry, hand }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let count = |what: &str| {
            let name = format!("x-prometheus-remote-write-{what}-written");
            parts.headers[&name].to_str().unwrap().parse().unwrap()
        };
        let retry_after = parts.headers.get("retry-after");
        Answer {
            status: parts.status.as_u16(),
            written: [count("samples"), count("histograms"), count("exemplars")],
            text: String::from_utf8(bytes.to_vec()).unwrap(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
        }
    }

    /// Sends a protobuf body under a content type.
    async fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        self.send(request(content_type, compress(body).unwrap())).await
    }

    fn stored(&self, tenant: &str) -> Vec<(String, Vec<(i64, f64)>)> {
        let stored = self.shards.stored.lock();
        let mine = stored.iter().filter(|((of, _), _)| of == tenant);
        let plain = |samples: &Vec<Sample>| samples.iter().map(|s| (s.timestamp - NOW, s.value)).collect();
        mine.map(|((_, labels), samples)| (labels.clone(), plain(samples))).collect()
    }
}

fn request(content_type: &str, body: Vec<u8>) -> Request<Body> {
    Request::post("/api/v1/write")
        .header("content-type", content_type)
        .header("content-encoding", "snappy")
        .body(Body::from(body))
        .unwrap()
}

fn sample(timestamp: i64, value: f64) -> Sample {
    Sample { timestamp: NOW + timestamp, value }
}

/// A 1.0 request: series of labels and samples.
fn v1(series: &[Sent<'_>]) -> Vec<u8> {
    let mut encoder = EncoderV1::new();
    for (labels, samples) in series {
        encoder.series(labels.iter().copied(), samples, &[]);
    }
    encoder.finish()
}

fn v2(series: &[Sent<'_>]) -> Vec<u8> {
    let mut encoder = EncoderV2::new();
    for (labels, samples) in series {
        encoder.series(labels.iter().copied(), samples, &[], None);
    }
    encoder.finish()
}

#[tokio::test]
async fn good_requests_of_both_protocols_are_stored_under_their_tenant() {
    let fixture = Fixture::new(PushConfig::default());
    let labels: &[(&str, &str)] = &[("z", "1"), ("__name__", "up"), ("empty", ""), ("http.status", "200")];
    let answer = fixture.post(V1, &v1(&[(labels, &[sample(0, 1.0), sample(-5, 2.0)])])).await;
    assert_eq!((answer.status, answer.written, answer.text.as_str()), (204, [2, 0, 0], ""));
    let answer = fixture.post(V2, &v2(&[(labels, &[sample(5, 3.0)])])).await;
    assert_eq!((answer.status, answer.written), (204, [1, 0, 0]));
    let mut request = request(V1, compress(&v1(&[(labels, &[sample(0, 9.0)])])).unwrap());
    *request.uri_mut() = "/api/v1/push".parse().unwrap();
    request.headers_mut().insert("x-scope-orgid", "team".parse().unwrap());
    assert_eq!(fixture.send(request).await.status, 204);
    let name = r#"{__name__="up", http.status="200", z="1"}"#.to_owned();
    let all = vec![(-5, 2.0), (0, 1.0), (5, 3.0)];
    assert_eq!(fixture.stored("anonymous"), [(name.clone(), all)]);
    assert_eq!(fixture.stored("team"), [(name, vec![(0, 9.0)])]);
}

#[tokio::test]
async fn repeated_and_unordered_samples_are_success() {
    let fixture = Fixture::new(PushConfig::default());
    let labels: &[(&str, &str)] = &[("__name__", "up")];
    let samples = [sample(2, 1.0), sample(1, 5.0), sample(2, 3.0)];
    for _ in 0..2 {
        let answer = fixture.post(V2, &v2(&[(labels, &samples), (labels, &samples[..1])])).await;
        assert_eq!((answer.status, answer.written), (204, [4, 0, 0]));
    }
    assert_eq!(fixture.stored("anonymous")[0].1, [(1, 5.0), (2, 3.0)]);
    assert_eq!(fixture.post(V1, &[]).await.status, 204);
}

#[tokio::test]
async fn the_good_part_is_stored_and_the_bad_part_is_named() {
    let fixture = Fixture::new(PushConfig { max_age_seconds: 3600, ..PushConfig::default() });
    let one: &[Sample] = &[sample(0, 1.0)];
    let long = "x".repeat(2049);
    let long_name = [(long.as_str(), "x"), ("__name__", "n")];
    let long_value = [("__name__", "n"), ("v", long.as_str())];
    let (future, old) = ([sample(600_001, 1.0)], [sample(-3_600_001, 1.0)]);
    let many: Vec<(String, String)> = (0..31).map(|n| (format!("l{n:02}"), "v".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let cases: Vec<(Sent<'_>, Cause, &str)> = vec![
        ((&[("a", "b")], one), Cause::MissingMetricName, "no metric name"),
        ((&[("__name__", "")], one), Cause::MissingMetricName, "no metric name"),
        ((&[("", "x"), ("__name__", "n")], one), Cause::EmptyLabelName, "no name"),
        ((&[("__name__", "n"), ("a", "1"), ("a", "2")], one), Cause::DuplicateLabelName, "\"a\" occurs"),
        ((&[("__name__", "n"), ("a", ""), ("a", "2")], one), Cause::DuplicateLabelName, "\"a\" occurs"),
        ((&many, one), Cause::TooManyLabels, "31 labels; at most 30"),
        ((&long_name, one), Cause::LabelNameTooLong, "2049 bytes; at most 1024"),
        ((&long_value, one), Cause::LabelValueTooLong, "\"v\" has 2049 bytes"),
        ((&[("__name__", "n")], &future), Cause::TooFarInFuture, "max_future_seconds"),
        ((&[("__name__", "n")], &old), Cause::TooOld, "max_age_seconds"),
        ((&[("__name__", "too_many")], one), Cause::SeriesLimit, "too many series"),
    ];
    for (bad, cause, words) in cases {
        let series = [bad, (&[("__name__", "good")][..], one)];
        for answer in [fixture.post(V1, &v1(&series)).await, fixture.post(V2, &v2(&series)).await] {
            assert_eq!((answer.status, answer.written), (400, [1, 0, 0]), "{words}: {answer:?}");
            let named = format!("{} (1)", cause.as_str());
            assert!(answer.text.contains(&named) && answer.text.contains(words), "{answer:?}");
            assert!(answer.text.contains("the rest of the request is stored"), "{answer:?}");
        }
    }
    assert_eq!(fixture.stored("anonymous"), [(r#"{__name__="good"}"#.to_owned(), vec![(0, 1.0)])]);
}

#[tokio::test]
async fn samples_are_refused_one_by_one() {
    let fixture = Fixture::new(PushConfig::default());
    let samples = [sample(700_000, 1.0), sample(600_000, 2.0), sample(-10_000_000_000, 3.0)];
    let answer = fixture.post(V2, &v2(&[(&[("__name__", "n")], &samples)])).await;
    assert_eq!((answer.status, answer.written), (400, [2, 0, 0]), "{answer:?}");
    assert_eq!(fixture.stored("anonymous")[0].1, [(-10_000_000_000, 3.0), (600_000, 2.0)]);
}

#[tokio::test]
async fn native_histograms_and_broken_references_spoil_only_themselves() {
    let fixture = Fixture::new(PushConfig::default());
    let good = v1(&[(&[("__name__", "good")], &[sample(0, 1.0)])]);
    // An empty histogram, one whose bucket is not counted, one of schema 99.
    let mut series = b"\x0a\x0d\x0a\x08__name__\x12\x01h\x22\x03\x78\x80\x01".to_vec();
    put_bytes(&mut series, 4, b"\x5a\x02\x10\x01\x62\x01\x02\x78\x07");
    put_bytes(&mut series, 4, b"\x20\xc6\x01");
    put_bytes(&mut series, 2, b"\x10\x05");
    let mut body = Vec::new();
    put_bytes(&mut body, 1, &series);
    body.extend_from_slice(&good);
    let answer = fixture.post(V1, &body).await;
    assert_eq!((answer.status, answer.written), (400, [2, 1, 0]), "{answer:?}");
    for words in [
        "invalid_native_histogram (2)",
        r#"series {__name__="h"}: the native histogram at 7 ms: the buckets hold 1 observations, but the count is 0"#,
        "at 0 ms: schema 99",
    ] {
        assert!(answer.text.contains(words), "{answer:?}");
    }

    for (references, words) in
        [(&b"\x01\x02\x05\x06"[..], "reference 5"), (b"\x01\x02\x01", "3 label references")]
    {
        let mut body = b"\x22\x00\x22\x08__name__\x22\x01n".to_vec();
        for references in [references, b"\x01\x02"] {
            let mut series = Vec::new();
            put_bytes(&mut series, 1, references);
            put_bytes(&mut series, 2, b"\x10\x07");
            put_bytes(&mut body, 5, &series);
        }
        let answer = fixture.post(V2, &body).await;
        assert_eq!((answer.status, answer.written), (400, [1, 0, 0]), "{answer:?}");
        assert!(answer.text.contains(words), "{answer:?}");
    }
}

#[tokio::test]
async fn failures_of_shards_tell_senders_whether_to_retry() {
    let fixture = Fixture::new(PushConfig::default());
    let one: &[Sample] = &[sample(0, 1.0)];
    let with = |name: &'static str| {
        // Some of the other series share the failing shard; the rest is stored.
        let others = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut encoder = EncoderV1::new();
        for name in others.into_iter().chain([name]) {
            encoder.series([("__name__", name)], one, &[]);
        }
        encoder.finish()
    };
    let answer = fixture.post(V1, &with("unavailable")).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")), "{answer:?}");
    assert!(answer.text.contains("told to"), "{answer:?}");
    assert_eq!(answer.written[0] as usize, fixture.stored("anonymous").len());
    let answer = fixture.post(V1, &with("defect")).await;
    assert_eq!((answer.status, answer.retry_after), (500, None));
    assert_eq!(fixture.post(V1, &with("good")).await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_as_a_whole_and_a_good_request_after_it_passes() {
    let fixture = Fixture::new(PushConfig {
        max_body_bytes: 100_000,
        max_decompressed_bytes: 200_000,
        max_inflight_bytes: 600_000,
        ..PushConfig::default()
    });
    let good = v1(&[(&[("__name__", "good")], &[sample(0, 1.0)])]);
    let snappy = compress(&good).unwrap();
    let large = compress(&vec![0; 200_001]).unwrap();
    let header = |name: &'static str, value: &'static str| {
        let mut request = request(V1, snappy.clone());
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let mut two_tenants = header("x-scope-orgid", "a");
    two_tenants.headers_mut().insert("thanos-tenant", "b".parse().unwrap());
    let mut get = Request::get("/api/v1/receive").body(Body::empty()).unwrap();
    *get.method_mut() = "PUT".parse().unwrap();
    for (request, status, words) in [
        (request(V1, vec![0xff; 4]), 400, "snappy"),
        (request(V1, vec![]), 400, "the body is empty"),
        (request(V1, good.clone()), 400, ""),
        (request(V1, b"\x80\x80\x80\x80\x02\x00a".to_vec()), 413, "max_decompressed_bytes"),
        (request(V1, large), 413, "max_decompressed_bytes"),
        (request(V1, vec![0; 100_001]), 413, "max_body_bytes"),
        (request(V1, compress(b"\xff\xff\xff\xff\xff").unwrap()), 400, "protobuf"),
        (request(V2, snappy.clone()), 400, "the body is remote write 1.0"),
        (request("text/plain", snappy.clone()), 415, "application/x-protobuf"),
        (header("content-encoding", "gzip"), 415, "send snappy"),
        (header("x-scope-orgid", "a/b"), 400, "x-scope-orgid"),
        (two_tenants, 400, "two tenants"),
    ] {
        let answer = fixture.send(request).await;
        assert_eq!((answer.status, answer.written), (status, [0, 0, 0]), "{words}: {answer:?}");
        assert!(answer.text.contains(words), "{words}: {answer:?}");
        assert_eq!(fixture.post(V1, &good).await.status, 204, "after {words}");
    }
    assert_eq!(fixture.stored("anonymous").len(), 1);
    let response = fixture.router.clone().oneshot(get).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn memory_of_all_requests_is_bounded_and_given_back() {
    let fixture = Fixture::new(PushConfig {
        max_body_bytes: 1_000,
        max_decompressed_bytes: 1_000,
        max_inflight_bytes: 3_000,
        ..PushConfig::default()
    });
    let good = v1(&[(&[("__name__", "good")], &[sample(0, 1.0)])]);
    let mut held = fixture.service.share();
    held.grow(2_990).unwrap();
    let answer = fixture.post(V1, &good).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")), "{answer:?}");
    drop(held);
    for _ in 0..100 {
        assert_eq!(fixture.post(V1, &good).await.status, 204);
    }
}

#[tokio::test]
async fn a_large_request_is_decoded_off_the_runtime_and_whole() {
    let fixture = Fixture::new(PushConfig::default());
    let mut encoder = EncoderV1::new();
    for series in 0..3_000 {
        let instance = format!("instance-{series}");
        encoder.series(
            [("__name__", "large"), ("instance", &instance)],
            &[sample(0, 1.0), sample(1, 2.0)],
            &[],
        );
    }
    let body = encoder.finish();
    assert!(body.len() > PushConfig::default().inline_decode_bytes);
    let answer = fixture.post(V1, &body).await;
    assert_eq!(
        (answer.status, answer.written, fixture.stored("anonymous").len()),
        (204, [6_000, 0, 0], 3_000)
    );
}

#[tokio::test]
async fn exemplars_and_metadata_are_kept() {
    let fixture = Fixture::new(PushConfig::default());
    let exemplar = |trace: &str, at: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", trace)]),
        value: 0.67,
        timestamp: NOW + at,
    };
    let metadata = |metric_type, help: &str| MetricMetadata {
        metric_type,
        help: help.to_owned(),
        unit: "bytes".to_owned(),
    };
    let labels = [("__name__", "h_bucket"), ("le", "1")];
    let one = [sample(0, 1.0)];
    let histogram = metadata(MetricType::Histogram, "All.");
    let exemplars =
        [exemplar("a", -1), exemplar("a", -1), exemplar("old", -5), exemplar(&"x".repeat(200), 0)];
    let body = EncoderV2::new().series(labels, &one, &exemplars, Some(&histogram)).finish();
    let answer = fixture.post(V2, &body).await;
    assert_eq!((answer.status, answer.written), (204, [1, 0, 2]), "{answer:?}");
    let counter = metadata(MetricType::Counter, "Some.");
    let body = EncoderV1::new()
        .series(labels, &[], &[exemplar("b", 1), exemplar("future", 700_000)])
        .metadata("c_total", &counter)
        .finish();
    assert_eq!(fixture.post(V1, &body).await.written, [0, 0, 1]);
    let tenant = TenantId::anonymous();
    let selector = vec![Matcher::new(MatchOp::Equal, "le", "1").unwrap()];
    let found = fixture.exemplars.query(&tenant, &[selector], TimeRange::ALL);
    assert_eq!(found, [(Labels::from_pairs(labels), vec![exemplar("a", -1), exemplar("b", 1)])]);
    let known = fixture.metadata.query(&tenant, None, 0);
    assert_eq!(known, [("c_total".to_owned(), counter), ("h".to_owned(), histogram)]);
}

#[tokio::test]
async fn type_and_unit_become_labels_if_that_is_asked_for() {
    let metadata = |metric_type, unit: &str| MetricMetadata {
        metric_type,
        help: "Some.".to_owned(),
        unit: unit.to_owned(),
    };
    let counter = metadata(MetricType::Counter, "bytes");
    let unitless = metadata(MetricType::Counter, "");
    let unknown = metadata(MetricType::Unknown, "");
    let sent = [("__name__", "m"), ("__type__", "gauge"), ("__unit__", "miles")];
    let body = EncoderV2::new()
        .series([("x", "1"), sent[0], sent[1]], &[sample(0, 1.0)], &[], Some(&counter))
        .series([("x", "2"), sent[0], sent[2]], &[sample(0, 2.0)], &[], Some(&unitless))
        .series([("x", "3"), sent[0], sent[1]], &[sample(0, 3.0)], &[], Some(&unknown))
        .series([("x", "4"), sent[0]], &[sample(0, 4.0)], &[], None)
        .finish();
    let names = |fixture: &Fixture| -> Vec<String> {
        fixture.stored("anonymous").into_iter().map(|(labels, _)| labels).collect()
    };
    let with_labels = PushConfig { type_and_unit_labels: true, ..PushConfig::default() };
    let fixture = Fixture::new(with_labels);
    assert_eq!(fixture.post(V2, &body).await.written, [4, 0, 0]);
    assert_eq!(
        names(&fixture),
        [
            r#"{__name__="m", __type__="counter", __unit__="bytes", x="1"}"#,
            r#"{__name__="m", __type__="counter", x="2"}"#,
            r#"{__name__="m", __type__="gauge", x="3"}"#,
            r#"{__name__="m", x="4"}"#,
        ]
    );
    let fixture = Fixture::new(PushConfig::default());
    fixture.post(V2, &body).await;
    assert_eq!(names(&fixture)[0], r#"{__name__="m", __type__="gauge", x="1"}"#);
}

#[tokio::test]
async fn an_ha_pair_shares_a_shard() {
    let one = [sample(0, 1.0)];
    let replica = |number: &str| {
        let mut builder = crate::BatchBuilder::new(TenantId::anonymous(), &["__replica__"]);
        let labels = [("__name__", "up"), ("__replica__", number), ("job", "a")];
        builder.push(&Labels::from_pairs(labels), &one);
        let batch = builder.build();
        let row = batch.row(0).unwrap();
        (row.hash(), row.routing_hash())
    };
    let ((a, a_route), (b, b_route)) = (replica("1"), replica("2"));
    assert!(a != b && a_route == b_route && a != a_route);
}

#[tokio::test]
async fn requests_and_refusals_are_counted() {
    let fixture = Fixture::new(PushConfig::default());
    let one: &[Sample] = &[sample(0, 1.0)];
    let bad: &[(&str, &str)] = &[("a", "b")];
    fixture.post(V2, &v2(&[(&[("__name__", "n")], one), (bad, one)])).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &fixture.registry).unwrap();
    for line in [
        r#"latewood_ingester_push_requests_total{protocol="2.0",status="400"} 1"#,
        "latewood_ingester_push_samples_total 1",
        r#"latewood_ingester_push_refused_total{cause="missing_metric_name"} 1"#,
        "latewood_ingester_push_duration_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn histograms_of_both_protocols_are_counted_and_bounded() {
    use latewood_model::NativeHistogram;
    use latewood_model::histogram::{Buckets, HistogramParts, IntegerHistogram};

    let of = |buckets: u64| {
        let positive = Buckets::from_pairs((0..).zip((0..buckets).map(|_| 1)));
        NativeHistogram::from(IntegerHistogram { count: buckets, positive, ..IntegerHistogram::default() })
    };
    let (small, large) = (of(2), of(3));
    let histograms = [
        (0, HistogramParts::from(&small)),
        (1, HistogramParts::from(&large)),
        (NOW + 700_000, HistogramParts::from(&small)),
        (0, HistogramParts::from(&small)),
    ];
    let labels = [("__name__", "h")];
    let fixture = Fixture::new(PushConfig { max_native_histogram_buckets: 2, ..PushConfig::default() });
    for (protocol, body) in [
        (V1, EncoderV1::new().histograms(labels, &histograms).finish()),
        (V2, EncoderV2::new().histograms(labels, &histograms).finish()),
    ] {
        let answer = fixture.post(protocol, &body).await;
        assert_eq!((answer.status, answer.written), (400, [0, 2, 0]), "{answer:?}");
        assert!(answer.text.contains("too_far_in_future (1), too_many_buckets (1)"), "{answer:?}");
        assert!(answer.text.contains("has 3 buckets; at most 2 are allowed"), "{answer:?}");
    }
    let fixture = Fixture::new(PushConfig::default());
    let body = EncoderV1::new().histograms(labels, &histograms[..2]).finish();
    assert_eq!(fixture.post(V1, &body).await.written, [0, 2, 0]);
}
