//! Latewood's own metrics, as Prometheus and its linter see them.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Latewood, Peers, Prometheus};

#[tokio::test]
async fn the_linter_of_prometheus_finds_nothing() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    server.flush().await;
    let answer = reqwest::get(format!("{}/metrics", server.url)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.contains("latewood_build_info{version=\""), "{text}");
    let mut lint = peers.program("promtool");
    let lint = lint.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut lint = lint.stderr(Stdio::piped()).spawn().unwrap();
    lint.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let found = lint.wait_with_output().unwrap();
    assert!(found.status.success() && found.stderr.is_empty(), "{found:?}");
    server.stop();
}

#[tokio::test]
async fn prometheus_reads_the_same_names_and_types_in_both_formats() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let target = server.url.trim_start_matches("http://");
    let jobs = ["OpenMetricsText1.0.0", "PrometheusText0.0.4"].map(|protocol| {
        format!(
            "  - job_name: {protocol}\n    scrape_interval: 1s\n    scrape_protocols: [{protocol}]\n    \
             static_configs: [{{targets: ['{target}']}}]\n"
        )
    });
    let config = format!("scrape_configs:\n{}", jobs.concat());
    let prometheus = Prometheus::start(&peers, folder.path(), &config).await;
    let [open_metrics, text] = ["OpenMetricsText1.0.0", "PrometheusText0.0.4"].map(async |job| {
        let names = format!("{}/api/v1/label/__name__/values?match[]={{job=\"{job}\"}}", prometheus.url);
        for _ in 0..100 {
            let body: Value = reqwest::get(&names).await.unwrap().json().await.unwrap();
            let names: BTreeSet<String> = serde_json::from_value(body["data"].clone()).unwrap();
            if names.contains("process_open_fds") {
                return names;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{job}: nothing was scraped");
    });
    let (open_metrics, text) = (open_metrics.await, text.await);
    assert_eq!(open_metrics, text);
    for name in ["latewood_build_info", "latewood_bucket_requests_total", "process_cpu_seconds_total"] {
        assert!(text.contains(name), "{name} is missing in {text:?}");
    }
    server.stop();
}
