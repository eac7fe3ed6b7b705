//! What goes wrong while a process runs is answered so that clients do right, and is in the log, once.

use std::fs;

use latewood_model::Sample;

use crate::harness::{Latewood, Written, write};

const AT_MS: i64 = 1_700_000_000_000;

fn series(name: &str) -> Written {
    (vec![("__name__", name.to_owned())], vec![Sample { timestamp: AT_MS, value: 1.0 }])
}

async fn query(server: &Latewood) -> (u16, String) {
    let url = format!("{}/api/v1/query?query=up&time={}", server.url, AT_MS / 1000);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn lines(data: &std::path::Path, part: &str) -> usize {
    let log = fs::read_to_string(data.with_extension("log")).unwrap();
    log.lines().filter(|line| line.contains(part)).count()
}

#[tokio::test]
async fn a_write_that_is_refused_is_logged_once_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Latewood::start(&data, &[]);
    let nameless = (vec![("job", "nobody".to_owned())], vec![Sample { timestamp: AT_MS, value: 1.0 }]);
    for _ in 0..3 {
        let (status, _) = write(&server.url, &[series("up"), nameless.clone()]).await.unwrap();
        assert_eq!(status, 400);
    }
    let parts = ["WARN", "tenant=\"anonymous\"", "cause=\"missing_metric_name\"", "nobody"];
    Latewood::logged(&data, &parts).await;
    server.stop();
    assert_eq!(lines(&data, "missing_metric_name"), 1);
}

#[tokio::test]
async fn a_bucket_that_goes_away_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("latewood.yaml"));
    fs::write(&config, "ingester: {flush: {wait_timeout_seconds: 5, linger_seconds: 0}}\n").unwrap();
    let server = Latewood::start(&data, &[&format!("--config={}", config.display())]);
    write(&server.url, &[series("up")]).await.unwrap();
    server.flush().await;
    let (bucket, away) = (data.join("bucket"), data.join("away"));
    fs::rename(&bucket, &away).unwrap();
    for _ in 0..2 {
        let (status, text) = query(&server).await;
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("unavailable") && text.contains("is gone"), "{text}");
    }
    Latewood::logged(&data, &["WARN", "request failed", "example=\"up\"", "is gone"]).await;
    write(&server.url, &[series("down")]).await.unwrap();
    let flush = format!("{}/api/v1/admin/flush?wait=true", server.url);
    let answer = reqwest::Client::new().post(flush).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("not all blocks are in the bucket after 5 s") && text.contains("is gone"),
        "{text}"
    );
    fs::rename(&away, &bucket).unwrap();
    let (status, text) = query(&server).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\"up\""), "{text}");
    server.stop();
    assert_eq!(lines(&data, "request failed"), 1);
}
