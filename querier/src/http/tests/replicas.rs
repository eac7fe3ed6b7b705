//! HA replicas in answers.

use latewood_model::SeriesSamples;

use super::*;

/// A scrape every 15 s over the hour before now, but for those that `skip` says, by their number; the value is the
/// time in seconds.
fn scraped(labels: &[(&str, &str)], offset_ms: i64, skip: std::ops::Range<i64>) -> SeriesSamples {
    let times =
        (0..240).filter(|number| !skip.contains(number)).map(|number| (number - 239) * 15_000 + offset_ms);
    let samples: Vec<_> = times.map(|at| (NOW * 1000 + at, (at / 1000) as f64)).collect();
    series(labels, &samples)
}

const NONE: std::ops::Range<i64> = 0..0;

/// A pair of which the first was away and is back for its last scrape, 2 s before now; the second scraped 1 s before
/// that.
fn pair() -> FakeStore {
    FakeStore::holding(vec![
        scraped(&[("__name__", "a_total"), ("job", "x"), ("replica", "1")], -2_000, 200..239),
        scraped(&[("__name__", "a_total"), ("job", "x"), ("replica", "2")], -3_000, NONE),
        scraped(&[("__name__", "a_total"), ("job", "y"), ("replica", "2")], -5_000, NONE),
        scraped(&[("__name__", "b_total"), ("job", "x")], 0, NONE),
    ])
}

fn metrics(body: &Value) -> Vec<Value> {
    body["data"]["result"].as_array().unwrap().iter().map(|series| series["metric"].clone()).collect()
}

async fn ask(server: &Server, path: &str) -> Value {
    let (status, body) = server.json(&format!("/api/v1/{path}")).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_one_series_unless_the_request_says_otherwise() {
    let server = Server::over(vec![pair().shared()]);
    let a = |job: &str| json!({"__name__": "a_total", "job": job});
    let b = json!({"__name__": "b_total", "job": "x"});
    let replica = |job: &str, replica: &str| json!({"__name__": "a_total", "job": job, "replica": replica});
    let apart = vec![replica("x", "1"), replica("x", "2"), replica("y", "2")];
    for _ in ["found out", "known"] {
        assert_eq!(metrics(&ask(&server, "query?query=a_total").await), [a("x"), a("y")]);
        assert_eq!(metrics(&ask(&server, "query?query=a_total&replicaLabels[]=job").await).len(), 2);
        assert_eq!(metrics(&ask(&server, "query?query=a_total&dedup=false").await), apart);
        assert_eq!(
            metrics(&ask(&server, "query?query=%7Bjob!=%22%22%7D").await),
            [a("x"), a("y"), b.clone()]
        );
        assert_eq!(
            metrics(&ask(&server, "query?query=a_total%7Breplica=%222%22%7D").await),
            [a("x"), a("y")]
        );
    }
    let listed = ask(&server, "series?match[]=a_total").await;
    assert_eq!(listed["data"], json!([a("x"), a("y")]));
    let listed = ask(&server, "series?match[]=a_total&limit=1").await;
    assert_eq!((&listed["data"], listed["warnings"].as_array().unwrap().len()), (&json!([a("x")]), 1));
    assert_eq!(ask(&server, "series?match[]=a_total&dedup=0").await["data"], json!(apart));
    let values = ask(&server, "label/replica/values").await;
    assert_eq!(values["data"], json!(["1", "2"]), "as in Thanos, labels are listed as they are stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_sample_is_the_newest_that_is_kept() {
    let server = Server::over(vec![pair().shared()]);
    // The first replica is back, but the second scraped less than an interval before.
    let newest = ask(&server, "query?query=a_total%7Bjob=%22x%22%7D").await;
    assert_eq!(newest["data"]["result"][0]["value"][1], "-3");
    let single = ask(&server, "query?query=a_total%7Bjob=%22x%22,replica=%221%22%7D").await;
    assert_eq!(single["data"]["result"][0]["value"][1], "-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_the_same_however_it_is_split_and_what_was_read_is_counted() {
    let server = Server::over(vec![pair().shared()]);
    let points = async |from: i64, to: i64| -> Vec<Value> {
        let (start, end) = (NOW + from, NOW + to);
        let path = format!(
            "query_range?query=a_total%7Bjob=%22x%22%7D&start={start}&end={end}&step=1&lookback_delta=1s"
        );
        let body = ask(&server, &path).await;
        body["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default()
    };
    let whole = points(-1200, 0).await;
    // The scrape right after the first replica's last is lost: it covers it.
    assert_eq!(whole.len(), 79);
    for cut in [-1000, -600, -590, -585, -580, -570, -300, -10, -4] {
        assert_eq!([points(-1200, cut).await, points(cut + 1, 0).await].concat(), whole, "split at {cut}");
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &server.registry).unwrap();
    let metric = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(&format!("latewood_querier_{name}_total ")));
        line.and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap()
    };
    assert!(metric("dedup_series") >= 19 && metric("dedup_switches") >= 2);
    assert!(metric("dedup_dropped_samples") > 40);
    assert_eq!(metric("dedup_falls"), 0);
    // The whole range alone took all samples of both.
    assert!(metric("samples_read") > 240 + 201, "{text}");
}

/// Replicas come after series that were handed on already, some of which belong to them; and without the replica label
/// the order is another one.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_late_are_grouped_and_ordered_all_the_same() {
    let mut all = Vec::new();
    for job in ["b", "a"] {
        for labels in [
            vec![("__name__", "up"), ("instance", job)],
            vec![("__name__", "up"), ("instance", job), ("replica", "1")],
            vec![("__name__", "up"), ("instance", job), ("pod", "p"), ("replica", "1")],
            vec![("__name__", "up"), ("instance", job), ("pod", "p"), ("replica", "2"), ("zone", "z")],
        ] {
            all.push(scraped(&labels, 0, NONE));
        }
    }
    all.push(scraped(&[("__name__", "up"), ("replica", "2")], 0, NONE));
    let (one, two) = all.split_at(4);
    for stores in [vec![all.clone()], vec![one.to_vec(), two.to_vec()]] {
        let stores = stores.into_iter().map(|series| FakeStore::holding(series).shared());
        let server = Server::over(stores.collect());
        let whole = |instance: &str| {
            [
                json!({"__name__": "up", "instance": instance}),
                json!({"__name__": "up", "instance": instance, "pod": "p"}),
                json!({"__name__": "up", "instance": instance, "pod": "p", "zone": "z"}),
            ]
        };
        let expected = [vec![json!({"__name__": "up"})], whole("a").to_vec(), whole("b").to_vec()].concat();
        let stats = ask(&server, "query?query=count(up)&stats=1").await;
        assert_eq!(stats["data"]["stats"]["samples"]["totalQueryableSamples"], expected.len(), "of one run");
        for query in ["up", "%7Binstance=~%22.*%22,__name__!=%22%22%7D"] {
            for _ in 0..2 {
                assert_eq!(metrics(&ask(&server, &format!("query?query={query}")).await), expected);
            }
        }
        let range = format!("query_range?query=up&start={}&end={NOW}&step=60", NOW - 600);
        assert_eq!(metrics(&ask(&server, &range).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_without_replica_labels_are_asked_for_once() {
    let store = Arc::new(pair());
    let server = Server::over(vec![store.clone()]);
    let calls = || store.calls.swap(0, std::sync::atomic::Ordering::SeqCst);
    ask(&server, "query?query=b_total").await;
    assert_eq!(calls(), 1);
    ask(&server, "query?query=a_total").await;
    assert_eq!(calls(), 4, "found, labels, and a stream for each replica");
    ask(&server, "query?query=a_total").await;
    assert_eq!(calls(), 3, "known");
    ask(&server, "query?query=a_total&dedup=false").await;
    assert_eq!(calls(), 1);
}

/// More values of the label than streams are opened for: all of one value come before any of the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_with_many_values_is_answered_all_the_same() {
    let names: Vec<String> = (10..30).map(|number| number.to_string()).collect();
    let series = names.iter().flat_map(|name| {
        ["x", "y"]
            .map(|job| scraped(&[("__name__", "isr"), ("__replica__", name), ("job", job)], -1_000, NONE))
    });
    let server = Server::over(vec![FakeStore::holding(series.collect()).shared()]);
    for _ in 0..2 {
        let found = metrics(&ask(&server, "query?query=isr").await);
        assert_eq!(found, ["x", "y"].map(|job| json!({"__name__": "isr", "job": job})));
    }
    assert_eq!(metrics(&ask(&server, "query?query=isr&dedup=false").await).len(), 40);
}
