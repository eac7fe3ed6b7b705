//! A cluster that has lost the majority of its nodes: what is left answers, and says so.

use std::time::Duration;

use latewood_base::Shutdown;
use serde_json::Value;
use tokio::time::Instant;

use super::check::Check;
use super::load::{Load, SERIES, STEP_MS};
use super::nodes::{Cluster, Shape};
use super::ring;

/// How long it may take until the querier has seen what has come to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many samples a querier finds, and the warnings of its answer.
async fn count(cluster: &Cluster, load: &Load) -> Result<(i64, String), String> {
    let steps = load.writers().map(|writer| load.acknowledged(writer)).max().unwrap();
    let form = [
        ("query", format!("sum(count_over_time(steps[{}ms]))", steps * STEP_MS)),
        ("time", ((load.start_ms + (steps - 1) * STEP_MS) as f64 / 1000.0).to_string()),
    ];
    let request = reqwest::Client::new().post(format!("{}/api/v1/query", cluster.querier_url())).form(&form);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let (status, body) = (answer.status(), answer.json::<Value>().await.map_err(|error| error.to_string())?);
    let found = body["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok());
    match found {
        Some(found) if status.is_success() => Ok((found, body["warnings"].to_string())),
        _ => Err(format!("{status} {body}")),
    }
}

/// Asks until an answer is one of those that are expected.
async fn until(cluster: &Cluster, load: &Load, is_expected: impl Fn(i64, &str) -> bool) {
    let begun = Instant::now();
    loop {
        let answer = count(cluster, load).await;
        if matches!(&answer, Ok((found, warnings)) if is_expected(*found, warnings)) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_left_of_a_cluster_answers_and_says_that_it_may_be_stale() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(Shape::PLAIN, folder.path()).await;
    ring::settled(&cluster).await;
    let (load, stop) = (Load::new(cluster.urls()), Shutdown::new());
    let tasks = load.begin(&stop);
    load.advance(20).await;
    stop.begin();
    for task in tasks {
        task.await.unwrap();
    }
    let all: i64 = load.writers().map(|writer| load.acknowledged(writer) * SERIES).sum();
    until(&cluster, &load, |found, warnings| found == all && warnings == "null").await;
    // That the last entries are committed, followers hear with the next heartbeat.
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.kill(1);
    cluster.kill(2);
    until(&cluster, &load, |found, warnings| {
        assert!(warnings != "null", "{found} of {all} samples, and no warning");
        found == all && warnings.contains("stale response: no ingester leads shards ")
    })
    .await;
    for node in [1, 2] {
        cluster.spawn(node);
    }
    for node in [1, 2] {
        cluster.ready(node).await;
    }
    until(&cluster, &load, |found, warnings| found == all && warnings == "null").await;
    Check::new(cluster.querier_url(), load).all("in the end").await;
    cluster.stop_all();
}
