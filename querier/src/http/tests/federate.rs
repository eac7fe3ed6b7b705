//! What a Prometheus scrapes from `/federate`.

use latewood_model::stale_nan;

use super::*;

const AT: i64 = NOW * 1000;

fn newest() -> Server {
    Server::over(vec![
        FakeStore::holding(vec![
            series(&[("__name__", "up"), ("instance", "h:1")], &[(AT - 15_000, 0.0), (AT - 1_000, 1.0)]),
            series(&[("__name__", "up"), ("replica", "1"), ("job", "a\"b")], &[(AT, 1_234_567.0)]),
            series(&[("__name__", "old"), ("job", "a")], &[(AT - 300_000, 1.0)]),
            series(&[("__name__", "ended"), ("job", "a")], &[(AT - 9_000, 1.0), (AT - 1_000, stale_nan())]),
            series(&[("__name__", "http.requests"), ("http.status", "ü")], &[(AT, f64::INFINITY)]),
        ])
        .shared(),
    ])
}

#[tokio::test]
async fn the_newest_sample_of_each_series_is_there_once() {
    let server = newest();
    let all = "match[]=%7B__name__%3D~%22.%2B%22%7D&match[]=up";
    for path in ["/federate", "/prometheus/federate"] {
        let (status, text) = server.get(&format!("{path}?{all}")).await;
        assert_eq!(status, 200, "{text}");
        let expected = format!(
            "# TYPE http_requests untyped\n\
             http_requests{{http_status=\"ü\",instance=\"\"}} +Inf {AT}\n\
             # TYPE up untyped\n\
             up{{instance=\"h:1\"}} 1 {}\n\
             up{{job=\"a\\\"b\",instance=\"\"}} 1.234567e+06 {AT}\n",
            AT - 1_000
        );
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn names_are_as_the_scraper_takes_them() {
    let server = newest();
    let request = Request::get("/federate?match[]=%7B%22http.requests%22%7D");
    let request = request.header("Accept", "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5");
    let (_, text) = server.send(request.body(Body::empty()).unwrap()).await;
    let expected =
        "# TYPE \"http.requests\" untyped\n{\"http.requests\",\"http.status\"=\"ü\",instance=\"\"} +Inf ";
    assert_eq!(text, format!("{expected}{AT}\n"));
}

#[tokio::test]
async fn what_is_not_asked_well_is_refused_and_nothing_is_nothing() {
    let server = newest();
    assert_eq!(server.get("/federate").await, (StatusCode::OK, String::new()));
    let (status, text) = server.get("/federate?match[]=rate(up[5m])").await;
    assert!(status == 400 && text.contains("series selector"), "{text}");
    let config = QuerierConfig { max_listed: 1, ..QuerierConfig::default() };
    let (status, text) = Server::with(config, vec![data().shared()]).get("/federate?match[]=up").await;
    assert!(status == 422 && text.contains("querier.max_listed"), "{text}");
}
