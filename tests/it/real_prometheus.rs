//! A real Prometheus scrapes, writes here, and both give the same answers.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Answer, Deployment, Layout, NodeExporter, Peers, Prometheus, beside, differences};

/// How long the scraping lasts: `LATEWOOD_SCRAPE_SECONDS` sets another time, 900 for a thorough run.
fn scrape_seconds() -> u64 {
    std::env::var("LATEWOOD_SCRAPE_SECONDS").map_or(45, |number| number.parse().unwrap())
}

/// How many expressions of the corpus are compared.
const EXPRESSIONS: usize = 100;

fn config(exporter: &str, server: &str, message: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: node
  static_configs: [{{targets: ['{exporter}']}}]
- job_name: prometheus
  static_configs: [{{targets: ['SELF']}}]
remote_write:
- url: {server}/api/v1/write
  protobuf_message: {message}
  send_exemplars: true
  queue_config: {{batch_send_deadline: 1s}}
"
    )
}

/// Expressions of the corpus that return data on a Prometheus, `count` at most.
pub async fn expressions_with_data(url: &str, corpus: &Path, end: f64, count: usize) -> Vec<String> {
    let text = std::fs::read_to_string(corpus.join("queries.txt")).unwrap();
    let mut found = Vec::new();
    for expression in text.lines().filter(|line| is_settled(line)) {
        if Answer::instant(url, expression, end).await.is_ok_and(|answer| answer.len() > 0) {
            found.push(expression.to_owned());
        }
        if found.len() == count {
            break;
        }
    }
    found
}

/// Whether an expression's answer is a function of samples alone.
fn is_settled(expression: &str) -> bool {
    !expression.is_empty()
        && !["ALERTS", "time()", "vector(", "absent("].iter().any(|part| expression.contains(part))
}

/// Whatever answers queries here answers what Prometheus does.
async fn assert_same(ours: &Deployment, theirs: &str, expressions: &[String], end: f64, when: &str) {
    let queriers = ours.query_urls();
    let mut broken = Vec::new();
    for expression in expressions {
        for is_range in [false, true] {
            let ask = async |url: &str| {
                if is_range {
                    Answer::range(url, expression, end - 20.0, end, 5.0).await
                } else {
                    Answer::instant(url, expression, end).await
                }
            };
            // What Prometheus itself refuses is no measure.
            let Ok(theirs) = ask(theirs).await else { continue };
            for querier in &queriers {
                let found = match ask(querier).await {
                    Ok(ours) => differences(&ours, &theirs),
                    Err(error) => vec![error],
                };
                let Some(first) = found.first() else { continue };
                broken.push(format!("{querier} {expression}\n    {first} (and {} more)", found.len() - 1));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{when}: {} of {} differ:\n{}",
        broken.len(),
        expressions.len() * 2 * queriers.len(),
        broken.join("\n")
    );
}

/// The sum of the counters by which Prometheus says that remote write lost something.
async fn failures(prometheus: &Prometheus) -> f64 {
    let names = "prometheus_remote_storage_(samples|exemplars)_(failed|dropped)_total";
    let now = reqwest::get(format!("{}/api/v1/query?query=time()", prometheus.url)).await.unwrap();
    let now: Value = now.json().await.unwrap();
    let now = now["data"]["result"][0].as_f64().unwrap();
    let answer = Answer::instant(&prometheus.url, &format!("{{__name__=~\"{names}\"}}"), now).await.unwrap();
    assert!(answer.len() > 0, "Prometheus has no counters of remote write");
    answer.0.values().flat_map(|points| points.values()).sum()
}

async fn same_answers(mut ours: Deployment, peers: &Peers, folder: &Path, message: &str) {
    let Some(corpus) = beside("LATEWOOD_CORPUS") else { return };
    let exporter = NodeExporter::start(peers, folder).await;
    let scraped = config(&exporter.address, &ours.write_url(), message);
    let mut prometheus = Prometheus::start(peers, folder, &scraped).await;
    tokio::time::sleep(Duration::from_secs(scrape_seconds())).await;

    assert_eq!(failures(&prometheus).await, 0.0, "samples or exemplars were dropped");
    let end = newest_everywhere(&ours, &prometheus).await;
    let expressions = expressions_with_data(&prometheus.url, &corpus, end, EXPRESSIONS).await;
    assert_eq!(expressions.len(), EXPRESSIONS, "the corpus has too few expressions with data");
    assert_same(&ours, &prometheus.url, &expressions, end, "from the head").await;
    ours.flush().await;
    assert_same(&ours, &prometheus.url, &expressions, end, "after a flush").await;
    ours.stop_all();
    ours.start_all();
    assert_same(&ours, &prometheus.url, &expressions, end, "after a restart").await;
    // First, as it would wait a minute for a server that is gone to take the rest.
    prometheus.process.stop();
    ours.stop_all();
}

/// A time whose samples have arrived: the newest scrape here, less what may still be on its way.
async fn newest_everywhere(ours: &Deployment, prometheus: &Prometheus) -> f64 {
    let newest = "max(timestamp(up))";
    let now: Value = reqwest::get(format!("{}/api/v1/query?query=time()", prometheus.url))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let now = now["data"]["result"][0].as_f64().unwrap();
    let answer = Answer::instant(&ours.query_urls()[0], newest, now).await.unwrap();
    let at = answer.0.values().flat_map(|points| points.values()).copied().fold(f64::NAN, f64::max);
    assert!(now - at < 15.0, "the newest sample here is {} s old", now - at);
    (at - 5.0).floor()
}

const VERSION_1: &str = "prometheus.WriteRequest";
const VERSION_2: &str = "io.prometheus.write.v2.Request";

async fn same_answers_on_a_directory(message: &str) {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ours = Deployment::on_a_directory(Layout::OneProcess, folder.path(), &[]);
    same_answers(ours, &peers, folder.path(), message).await;
}

async fn same_answers_on_s3(layout: Layout, message: &str) {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ours = Deployment::on_s3(layout, &peers, folder.path(), &[]).await;
    same_answers(ours, &peers, folder.path(), message).await;
}

#[tokio::test]
async fn remote_write_1_on_a_directory() {
    same_answers_on_a_directory(VERSION_1).await;
}

#[tokio::test]
async fn remote_write_2_on_a_directory() {
    same_answers_on_a_directory(VERSION_2).await;
}

#[tokio::test]
async fn remote_write_1_on_s3() {
    same_answers_on_s3(Layout::OneProcess, VERSION_1).await;
}

#[tokio::test]
async fn remote_write_2_on_s3() {
    same_answers_on_s3(Layout::OneProcess, VERSION_2).await;
}

#[tokio::test]
async fn remote_write_2_to_separate_roles_on_s3() {
    same_answers_on_s3(Layout::Roles, VERSION_2).await;
}
