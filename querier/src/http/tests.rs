use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use latewood_base::{Ids, ManualClock, Rng};
use latewood_proto::store::{StoreApi, StoreError, wire};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::ServiceExt;

use super::*;
use crate::testing::{FakeStore, catalogs, series, stores, unavailable};
use crate::{Querier, QuerierDeps, Stores};

mod admin;
mod federate;
mod remote_read;
mod replicas;

/// The evaluation's time where none is given, in seconds.
const NOW: i64 = 1_700_000_000;

struct Server {
    routes: Router,
    registry: Registry,
    _hand: ManualClock,
}

impl Server {
    fn over(ingesters: Vec<Arc<dyn StoreApi>>) -> Self {
        Self::with(QuerierConfig::default(), ingesters)
    }

    fn with(config: QuerierConfig, ingesters: Vec<Arc<dyn StoreApi>>) -> Self {
        Self::of(config, stores(ingesters))
    }

    fn of(config: QuerierConfig, ingesters: Stores) -> Self {
        let (clock, hand) = Clock::manual(NOW * 1000 + 250);
        let deps = QuerierDeps {
            catalogs: catalogs(),
            ingesters,
            gateways: Stores::default(),
            clock,
            ids: Ids::new(Clock::system(), Rng::seeded(3)),
            offload: latewood_base::Offload::new(2),
            status: StatusInfo::default(),
        };
        let mut registry = Registry::default();
        let routes = Querier::new(config, deps, &mut registry).routes();
        Self { routes, registry, _hand: hand }
    }

    async fn send(&self, request: Request) -> (StatusCode, String) {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, uri: &str) -> (StatusCode, String) {
        self.send(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    async fn json(&self, uri: &str) -> (u16, Value) {
        let (status, body) = self.get(uri).await;
        (status.as_u16(), serde_json::from_str(&body).unwrap_or(json!(body)))
    }
}

fn data() -> FakeStore {
    let at = NOW * 1000;
    let mut store = FakeStore::holding(vec![
        series(&[("__name__", "up"), ("job", "a")], &[(at - 15_000, 0.0), (at, 1.0)]),
        series(&[("__name__", "up"), ("job", "b")], &[(at, 1e300)]),
        series(&[("__name__", "down"), ("http.status", "ü\"")], &[(at, f64::NAN)]),
    ]);
    store.metadata = vec![wire::MetricMetadata {
        metric: "up".to_owned(),
        metric_type: 2,
        help: "Whether it is up".to_owned(),
        unit: String::new(),
    }];
    let label = |name: &str, value: &str| wire::Label { name: name.to_owned(), value: value.to_owned() };
    let exemplar =
        |at: i64| wire::Exemplar { labels: vec![label("trace_id", "t")], value: 10.0, timestamp_ms: at };
    store.exemplars = vec![wire::SeriesExemplars {
        labels: vec![label("__name__", "up")],
        exemplars: vec![exemplar(at + 500), exemplar(at), exemplar(at)],
    }];
    store
}

#[tokio::test]
async fn bad_requests_are_told_as_prometheus_tells_them() {
    let server = Server::over(vec![data().shared()]);
    let range = |rest: &str| format!("query_range?query=1&{rest}");
    for (path, error) in [
        (
            "query?query=1&time=yesterday".to_owned(),
            r#"invalid parameter "time": cannot parse "yesterday" to a valid timestamp"#,
        ),
        (
            "query?query=1&timeout=soon".to_owned(),
            r#"invalid parameter "timeout": cannot parse "soon" to a valid duration"#,
        ),
        ("query?query=1&limit=-1".to_owned(), r#"invalid parameter "limit": limit must be non-negative"#),
        ("query?query=".to_owned(), "no expression found in input"),
        ("query".to_owned(), "no expression found in input"),
        ("query?query=sum(".to_owned(), r#"invalid parameter "query": "#),
        ("query?query=up&partial_response=maybe".to_owned(), "neither true nor false"),
        (
            range("start=1&end=0&step=1"),
            r#"invalid parameter "end": end timestamp must not be before start time"#,
        ),
        (
            range("start=1&end=2&step=0"),
            r#"invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer"#,
        ),
        (range("start=1&end=2&step=-5"), "zero or negative"),
        (range("start=1&end=2"), r#"invalid parameter "step": cannot parse "" to a valid duration"#),
        (range("end=2&step=1"), r#"invalid parameter "start": cannot parse "" to a valid timestamp"#),
        (
            range("start=0&end=11001&step=1"),
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        (
            "query_range?query=up[5m]&start=1&end=2&step=1".to_owned(),
            r#"invalid expression type "range vector" for range query, must be Scalar or instant Vector"#,
        ),
        (
            "query_range?query=%22text%22&start=1&end=2&step=1".to_owned(),
            r#"invalid expression type "string" for range query"#,
        ),
        ("series".to_owned(), "no match[] parameter provided"),
        ("series?match[]=%7Bbad".to_owned(), r#"invalid parameter "match[]": "#),
        ("series?match[]=up+offset+5m".to_owned(), "must be a series selector"),
        ("labels?match[]=%7B%7D".to_owned(), "at least one non-empty matcher"),
        ("labels?start=x".to_owned(), r#"invalid parameter "start": "#),
        ("label/job/values?end=x".to_owned(), r#"invalid parameter "end": "#),
        ("metadata?limit=x".to_owned(), "limit must be a number"),
        (
            "query_exemplars?query=up&start=2&end=1".to_owned(),
            "end timestamp must not be before start timestamp",
        ),
        ("rules?type=nonsense".to_owned(), r#"invalid parameter "type": not supported value "nonsense""#),
        ("status/tsdb?limit=0".to_owned(), "limit must be a positive number"),
        ("format_query?query=sum(".to_owned(), r#"invalid parameter "query": "#),
    ] {
        for prefix in ["/api/v1", "/prometheus/api/v1"] {
            let (status, body) = server.json(&format!("{prefix}/{path}")).await;
            assert_eq!((status, &body["status"]), (400, &json!("error")), "{path}: {body}");
            assert_eq!(body["errorType"], "bad_data", "{path}");
            assert!(body["error"].as_str().unwrap().contains(error), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn label_apis_list_sorted_texts_and_say_when_they_cut() {
    let server = Server::over(vec![data().shared(), data().shared()]);
    for (path, expected) in [
        ("labels", json!(["__name__", "http.status", "job"])),
        ("labels?match[]=down&match[]=up", json!(["__name__", "http.status", "job"])),
        ("labels?match[]=nothing", json!([])),
        ("label/job/values", json!(["a", "b"])),
        ("label/job/values?match[]=up%7Bjob=%22b%22%7D", json!(["b"])),
        ("label/http.status/values", json!(["ü\""])),
        ("label/U__http_2e_status/values", json!(["ü\""])),
        ("label/nothing/values", json!([])),
        ("label/job/values?start=1&end=2", json!([])),
        (
            "series?match[]=up%7Bjob=%22a%22%7D&match[]=up",
            json!([{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}]),
        ),
        ("series?match[]=nothing", json!([])),
    ] {
        let (status, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!((status, &body), (200, &json!({"status": "success", "data": expected})), "{path}");
    }
    for path in ["labels?limit=1", "label/job/values?limit=1", "series?match[]=up&limit=1"] {
        let (_, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!(body["data"].as_array().unwrap().len(), 1, "{path}");
        assert_eq!(body["warnings"], json!(["results truncated due to limit"]), "{path}");
    }
}

#[tokio::test]
async fn metadata_exemplars_and_statistics_are_shaped_as_prometheus_shapes_them() {
    let server = Server::over(vec![data().shared(), data().shared()]);
    let (_, body) = server.json("/api/v1/metadata").await;
    let up = json!({"up": [{"type": "gauge", "help": "Whether it is up", "unit": ""}]});
    assert_eq!(body["data"], up);
    let (_, body) = server.json("/api/v1/metadata?metric=down").await;
    assert_eq!(body["data"], json!({}));
    let (_, body) = server.json("/api/v1/query_exemplars?query=sum(rate(up[5m]))").await;
    let exemplar = |at: f64| json!({"labels": {"trace_id": "t"}, "value": "10", "timestamp": at});
    assert_eq!(body["data"][0]["seriesLabels"], json!({"__name__": "up"}));
    assert_eq!(body["data"][0]["exemplars"][1], exemplar(1_700_000_000.5));
    assert_eq!(body["data"][0]["exemplars"].as_array().unwrap().len(), 2);
    let (_, body) = server.json("/api/v1/query_exemplars?query=1").await;
    assert_eq!(body["data"], json!([]));
    let (_, body) = server.json("/api/v1/status/tsdb?limit=1").await;
    assert_eq!(body["data"]["headStats"]["numSeries"], 6);
    assert_eq!(body["data"]["seriesCountByMetricName"], json!([{"name": "up", "value": 4}]));
}

#[tokio::test]
async fn empty_lists_and_status_are_there_and_the_rest_is_404_or_405() {
    let server = Server::over(vec![FakeStore::default().shared()]);
    for (path, field) in [
        ("rules?type=alert", "groups"),
        ("alerts", "alerts"),
        ("targets", "activeTargets"),
        ("alertmanagers", "activeAlertmanagers"),
        ("status/buildinfo", "version"),
        ("status/runtimeinfo", "startTime"),
        ("status/config", "yaml"),
        ("status/walreplay", "current"),
    ] {
        let (status, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!(status, 200);
        assert!(body["data"].get(field).is_some(), "{path}: {body}");
    }
    let (_, body) = server.json("/api/v1/status/runtimeinfo").await;
    assert_eq!(body["data"]["startTime"], "1970-01-01T00:00:00.000Z");
    assert_eq!(body["data"]["GOMAXPROCS"], 1, "the test's runtime has one thread");
    assert_eq!(body["data"]["GOMEMLIMIT"], i64::MAX);
    let (_, body) = server.json("/api/v1/status/tsdb").await;
    assert_eq!(body["data"]["headStats"]["minTime"], i64::MAX, "nothing is held");
    let (_, body) = server.json("/api/v1/format_query?query=sum(x)by(a)").await;
    assert_eq!(body["data"], "sum by (a) (x)");
    let (_, body) = server.json("/api/v1/parse_query?query=-x%5B5m%3A%5D+%40+end()").await;
    assert!(body["error"].as_str().unwrap().contains("1:1: parse error: unary expression"), "{body}");
    let (_, body) = server.json("/api/v1/parse_query?query=rate(x%5Bstep()%2A2%5D+offset+1h)").await;
    let step = json!({"type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false});
    let two = json!({"type": "numberLiteral", "val": "2", "duration": false});
    let expected = json!({
        "type": "call",
        "func": {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"},
        "args": [{
            "type": "matrixSelector",
            "name": "x",
            "matchers": [{"name": "__name__", "value": "x", "type": "="}],
            "range": 0,
            "rangeExpr": {"type": "durationExpr", "op": "*", "lhs": step, "rhs": two, "wrapped": false},
            "offset": 3_600_000,
            "offsetExpr": null,
            "timestamp": null,
            "startOrEnd": null,
            "anchored": false,
            "smoothed": false,
        }],
    });
    assert_eq!(body["data"], expected);
    for (method, path, expected) in [
        ("GET", "/", 200),
        ("GET", "/prometheus/", 200),
        ("GET", "/api/v1/no_such_endpoint", 404),
        ("DELETE", "/api/v1/query", 405),
        ("PUT", "/api/v1/query_range", 405),
        ("POST", "/api/v1/metadata", 405),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.0.as_u16(), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_source_that_fails_is_a_503_or_a_warning_and_is_counted() {
    let server = || Server::over(vec![data().shared(), FakeStore::failing([unavailable()]).shared()]);
    let strict = server();
    let (status, body) = strict.json("/api/v1/labels").await;
    assert_eq!((status, &body["errorType"]), (503, &json!("unavailable")));
    assert_eq!(body["error"], "ingester 1: connection refused");
    let (status, body) = server().json("/api/v1/labels?partial_response=true").await;
    assert_eq!((status, &body["status"]), (200, &json!("success")));
    assert_eq!(body["warnings"], json!(["partial response: ingester 1: connection refused"]));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &strict.registry).unwrap();
    let counted = r#"latewood_querier_requests_total{endpoint="labels",outcome="unavailable"} 1"#;
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn the_tenant_comes_from_the_headers_and_a_bad_one_is_refused() {
    let server = Server::over(vec![data().shared()]);
    let request = Request::get("/api/v1/labels").header("X-Scope-OrgID", "a|b");
    let (status, body) = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains(r#""errorType":"bad_data""#) && body.contains("x-scope-orgid"), "{body}");
}

#[tokio::test]
async fn a_list_beyond_the_cap_is_refused_with_advice() {
    let (clock, _hand) = Clock::manual(0);
    let config = QuerierConfig { max_listed: 1, ..Default::default() };
    let deps = QuerierDeps {
        catalogs: catalogs(),
        ingesters: stores(vec![data().shared()]),
        gateways: Stores::default(),
        clock,
        ids: Ids::new(Clock::system(), Rng::seeded(3)),
        offload: latewood_base::Offload::new(2),
        status: StatusInfo::default(),
    };
    let routes = Querier::new(config, deps, &mut Registry::default()).routes();
    for (path, status) in [("/api/v1/labels", 422), ("/api/v1/labels?limit=1", 200)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
}

/// Everything below evaluates.
mod queries {
    use super::*;

    #[tokio::test]
    async fn results_are_written_as_prometheus_writes_them() {
        let server = Server::over(vec![data().shared()]);
        let query = |rest: &str| format!("/api/v1/query?time={NOW}&query={rest}");
        for (uri, expected) in [
            (query("1.5"), r#"{"resultType":"scalar","result":[1700000000,"1.5"]}"#),
            (query("%22a%2Bb%22"), r#"{"resultType":"string","result":[1700000000,"a+b"]}"#),
            (query("nothing"), r#"{"resultType":"vector","result":[]}"#),
            (
                query("up"),
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1700000000,"1"]},{"metric":{"__name__":"up","job":"b"},"value":[1700000000,"1e+300"]}]}"#,
            ),
            (
                query("down"),
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"down","http.status":"ü\""},"value":[1700000000,"NaN"]}]}"#,
            ),
            (
                query("up%7Bjob=%22a%22%7D[1m]"),
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[1699999985,"0"],[1700000000,"1"]]}]}"#,
            ),
            (
                format!(
                    "/api/v1/query_range?query=up%7Bjob=%22a%22%7D&start={}&end={NOW}.5&step=7500ms",
                    NOW - 15
                ),
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[1699999985,"0"],[1699999992.500,"0"],[1700000000,"1"]]}]}"#,
            ),
        ] {
            let (status, body) = server.get(&uri).await;
            let expected = format!(r#"{{"status":"success","data":{expected}}}"#);
            assert_eq!((status.as_u16(), body), (200, expected), "{uri}");
        }
    }

    #[tokio::test]
    async fn the_time_is_now_where_none_is_given_and_a_form_may_be_posted() {
        let server = Server::over(vec![data().shared()]);
        let request = Request::post("/api/v1/query")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from("query=time()"))
            .unwrap();
        let (status, body) = server.send(request).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains(r#"[1700000000.250,"1700000000.25"]"#), "{body}");
    }

    #[tokio::test]
    async fn eleven_thousand_steps_are_allowed() {
        let server = Server::over(vec![]);
        let (status, body) = server.json("/api/v1/query_range?query=1&start=0&end=11000&step=1").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["data"]["result"][0]["values"].as_array().unwrap().len(), 11_001);
    }

    #[tokio::test]
    async fn limits_cut_with_a_warning_and_stats_come_when_asked_for() {
        let server = Server::over(vec![data().shared()]);
        let (_, body) = server.json(&format!("/api/v1/query?query=up&time={NOW}&limit=1&stats=all")).await;
        assert_eq!(body["data"]["result"].as_array().unwrap().len(), 1);
        assert_eq!(body["warnings"], json!(["results truncated due to limit"]));
        assert!(body["data"]["stats"]["timings"]["evalTotalTime"].is_number());
        assert!(body["data"]["stats"]["latewood"]["bucketRequests"].as_u64() >= Some(2), "{body}");
        assert!(body["data"]["stats"]["latewood"]["bucketReadBytes"].as_u64() >= Some(100), "{body}");
        assert_eq!(body["data"]["stats"]["samples"]["totalQueryableSamplesPerStep"], json!([[NOW, 2]]));
        let (_, body) = server.json(&format!("/api/v1/query?query=up&time={NOW}&stats=1")).await;
        let samples = &body["data"]["stats"]["samples"];
        assert_eq!((&samples["totalQueryableSamples"], samples.as_object().unwrap().len()), (&json!(2), 2));
    }

    #[tokio::test]
    async fn plans_are_explained_without_running_and_analyzed_with_the_result() {
        let store = Arc::new(data());
        let server = Server::over(vec![store.clone()]);
        let (status, body) = server.json("/api/v1/query_explain?query=sum(up)%2B1").await;
        assert_eq!(status, 200, "{body}");
        let expected = json!({"name": "vector and scalar Add", "children": [
            {"name": "Sum by ()", "children": [{"name": "scan {__name__=\"up\"} offset 0ms"}]},
            {"name": "number 1"},
        ]});
        assert_eq!(body, json!({"status": "success", "data": expected}));
        let steps = "start=0&end=10&step=5";
        for path in ["query_explain", "query_range_explain"] {
            let (status, ranged) = server.json(&format!("/api/v1/{path}?query=sum(up)%2B1&{steps}")).await;
            assert_eq!((status, &ranged["data"]), (200, &expected), "{ranged}");
        }
        for bad in
            ["query=sum(", "query=up&start=0", "query=up[5m]&start=0&end=10&step=5", "query=up&timeout=x"]
        {
            let (status, body) = server.json(&format!("/api/v1/query_explain?{bad}")).await;
            assert_eq!((status, &body["errorType"]), (400, &json!("bad_data")), "{bad}: {body}");
        }
        assert_eq!(store.calls.load(std::sync::atomic::Ordering::SeqCst), 0);

        for path in [format!("query?time={NOW}&"), format!("query_range?start={NOW}&end={NOW}&step=1&")] {
            let (_, body) = server.json(&format!("/api/v1/{path}query=sum(up)&analyze=true")).await;
            let analysis = &body["data"]["analysis"];
            assert_eq!(analysis["name"], "Sum by ()", "{body}");
            let scan = &analysis["children"][0];
            assert_eq!(
                (&scan["series"], &scan["totalSamples"], &scan["tiles"]),
                (&json!(2), &json!(2), &json!(1))
            );
            assert_eq!((&analysis["series"], &analysis["totalSamples"]), (&json!(1), &json!(2)));
            assert_eq!((&scan["resolutions"], analysis.get("resolutions")), (&json!(["raw"]), None));
            assert_eq!((&analysis["executionTime"], &scan["ownExecutionTime"]), (&json!("0s"), &json!("0s")));
            let (_, body) = server.json(&format!("/api/v1/{path}query=sum(up)&analyze=false")).await;
            assert!(body["data"].get("analysis").is_none() && body["data"]["result"].is_array(), "{body}");
        }
    }

    #[tokio::test]
    async fn a_stale_view_is_tried_again_and_missing_sources_are_named() {
        let stale = FakeStore { failures: vec![StoreError::StaleView { min_version: 0 }].into(), ..data() };
        let (status, body) =
            Server::over(vec![stale.shared()]).json(&format!("/api/v1/query?query=up&time={NOW}")).await;
        assert_eq!((status, body["data"]["result"].as_array().unwrap().len()), (200, 2));
        let uri = format!("/api/v1/query?query=up&time={NOW}");
        let broken = || FakeStore { late_failure: Some(unavailable()), ..data() }.shared();
        let (status, body) = Server::over(vec![data().shared(), broken()]).json(&uri).await;
        assert_eq!((status, &body["errorType"]), (503, &json!("unavailable")), "{body}");
        let uri = format!("{uri}&partial_response=1");
        let (status, body) = Server::over(vec![data().shared(), broken()]).json(&uri).await;
        assert_eq!(status, 200);
        assert_eq!(body["warnings"], json!(["partial response: ingester 1: connection refused"]));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_or_runs_out_of_time_ends_the_work() {
        let (held, dropped) = oneshot::channel();
        let store = FakeStore::default();
        *store.endless.lock() = Some(held);
        let server = Server::over(vec![store.shared()]);
        let (status, body) = server.json("/api/v1/query?query=up&timeout=5ms").await;
        assert_eq!((status, &body["errorType"]), (503, &json!("timeout")), "{body}");
        assert!(dropped.await.is_err());

        let (held, dropped) = oneshot::channel();
        let store = Arc::new(FakeStore::default());
        *store.endless.lock() = Some(held);
        let server = Arc::new(Server::over(vec![store.clone()]));
        let request = tokio::spawn({
            let server = Arc::clone(&server);
            async move { server.get("/api/v1/query?query=up").await }
        });
        while store.calls.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        request.abort();
        assert!(dropped.await.is_err());
    }
}

#[tokio::test]
async fn an_evaluation_ends_when_its_caller_goes_away() {
    let store = Arc::new(data());
    let config = QuerierConfig { max_concurrent_queries: 1, ..QuerierConfig::default() };
    let server = Arc::new(Server::with(config, vec![store.clone()]));
    let running = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &server.registry).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("latewood_querier_queries_running "))
            .map(str::to_owned);
        line.unwrap_or(text)
    };
    assert_eq!(running(), "latewood_querier_queries_running 0");
    // The sum is read first. What comes then is without end, as far as a test is concerned.
    let long = "sum_over_time(max_over_time(vector(time())[6h:1s])[1d:1s])";
    let long = format!("query?query={long}%2Bon()%20group_left()%20sum(up)");
    let request = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.get(&format!("/api/v1/{long}")).await }
    });
    while store.calls.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running(), "latewood_querier_queries_running 1");
    // Into the midst of it; nothing is told of that.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!request.is_finished());
    let clock = Clock::system();
    let gone = clock.elapsed();
    request.abort();
    // There is one thread for queries: the next is answered once it is free.
    let (status, body) = server.json("/api/v1/query?query=1").await;
    let took = clock.elapsed() - gone;
    assert_eq!(status, 200, "{body}");
    // It would take hours. How soon a query ends on a machine with nothing else to do, promql's tests of time say.
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(running(), "latewood_querier_queries_running 0");
}

#[tokio::test]
async fn no_time_at_all_is_a_timeout_and_not_the_default() {
    let server = Server::over(vec![data().shared()]);
    for uri in ["query?query=up", "query_range?query=up&start=1&end=2&step=1"] {
        for timeout in ["0", "0s", "-5", "0.0001"] {
            let (status, body) = server.json(&format!("/api/v1/{uri}&timeout={timeout}")).await;
            assert_eq!((status, &body["errorType"]), (503, &json!("timeout")), "{body}");
            assert_eq!(body["error"], "query timed out in query execution");
        }
    }
    let (status, _) = server.json("/api/v1/query?query=up&lookback_delta=0").await;
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn listings_end_in_time_and_take_so_many_selectors_at_most() {
    let store = data();
    let (held, _dropped) = oneshot::channel();
    *store.endless.lock() = Some(held);
    let server = Server::over(vec![store.shared()]);
    let (status, body) = server.json("/api/v1/series?match[]=up").await;
    assert_eq!((status, &body["errorType"]), (503, &json!("timeout")), "{body}");
    let many = "match[]=up&".repeat(QuerierConfig::default().max_selectors + 1);
    for endpoint in ["series", "labels", "label/job/values"] {
        let (status, body) = server.json(&format!("/api/v1/{endpoint}?{many}")).await;
        assert_eq!((status, &body["errorType"]), (422, &json!("execution")), "{body}");
        assert!(body["error"].as_str().unwrap().contains("querier.max_selectors"), "{body}");
    }
}
