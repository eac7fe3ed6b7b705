//! A real Prometheus scrapes a Latewood that works, and writes to it: all panels have data, and no alert does.

use std::path::Path;
use std::time::Duration;

use latewood_model::Sample;
use serde_json::Value;
use tokio::time::Instant;

use super::dashboards::PanelQuery;
use super::rules::{Alert, rules_file};
use crate::harness::{Answer, Latewood, Peers, Prometheus, SeaweedFs, write};

/// A time whose windows are over for long, so that compaction begins with its first block.
const PAST_MS: i64 = 1_700_000_000_000;
/// How long data may take to come.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between looks for it: as often as Prometheus scrapes.
const PAUSE: Duration = Duration::from_secs(1);

/// Compaction at once, pages that come from the cache, and a limit that can be met.
const SETTINGS: &str = "compactor: {compaction_interval_seconds: 1, cleanup_interval_seconds: 1}
store_gateway: {decoded_pages_bytes: 0}
ingester: {limits: {max_global_series_per_metric: 2000}}
";

/// Alerts that say how fast a machine is: one that runs many tests at once is none that they are about.
const OF_THE_MACHINE: [&str; 4] =
    ["LatewoodWritesSlow", "LatewoodJournalSlow", "LatewoodQueriesSlow", "LatewoodBucketSlow"];

/// All roles in one process, on an S3 server: before a folder store-gateways have no cache.
async fn latewood(s3: &SeaweedFs, folder: &Path) -> Latewood {
    let config = folder.join("latewood.yaml");
    std::fs::write(&config, SETTINGS).unwrap();
    let flags = [
        format!("--config={}", config.display()),
        "--bucket=s3://latewood/monitoring".to_owned(),
        format!("--s3-endpoint={}", s3.endpoint),
    ];
    let flags = flags.each_ref().map(String::as_str);
    Latewood::try_start(&folder.join("data"), &flags, &SeaweedFs::CREDENTIALS).unwrap()
}

async fn prometheus(peers: &Peers, folder: &Path, server: &Latewood) -> Prometheus {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{}']
scrape_configs:
- job_name: latewood
  static_configs: [{{targets: ['{}'], labels: {{namespace: monitoring}}}}]
remote_write:
- url: {}/api/v1/write
  protobuf_message: io.prometheus.write.v2.Request
  queue_config: {{batch_send_deadline: 1s}}
",
        rules_file().display(),
        server.url.trim_start_matches("http://"),
        server.url
    );
    Prometheus::start(peers, folder, &config).await
}

/// Samples of long ago, a block of them for the compactor, and some that are refused.
async fn write_and_flush(server: &Latewood) {
    let series = |name: &str, labels: &[(&'static str, &str)], samples: i64| {
        let name = [("__name__", name)];
        let labels = name.iter().chain(labels).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let sample = |number: i64| Sample { timestamp: PAST_MS + number * 15_000, value: number as f64 };
        (labels, (0..samples).map(sample).collect::<Vec<_>>())
    };
    for round in ["a", "b"] {
        let written = write(&server.url, &[series("past", &[("round", round)], 100)]).await.unwrap();
        assert_eq!(written, (204, String::new()));
        server.flush().await;
    }
    let long = "x".repeat(10_000);
    assert_eq!(write(&server.url, &[series("refused", &[("too", &long)], 1)]).await.unwrap().0, 400);
    let many: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(|number| series("many", &[("number", number)], 1)).collect();
    assert_eq!(write(&server.url, &many).await.unwrap().0, 400);
}

/// What happens while Prometheus looks: blocks are read from the bucket, and a flush brings more into it.
async fn work(server: &Latewood, round: usize) {
    let end = PAST_MS as f64 / 1000.0 + 1500.0;
    // At full steps, as Grafana asks: else results are not kept. An expression of each round's own is answered from
    // blocks, the other one from the results that are kept.
    for expression in ["count(past)", &format!("count(past) + {round}")] {
        let answer = Answer::range(&server.url, expression, end - 1500.0, end, 20.0).await.unwrap();
        assert!(answer.len() > 0);
    }
    server.flush().await;
}

/// Asks as Grafana does; whether a number came.
async fn has_data(server: &Latewood, query: &PanelQuery) -> bool {
    let now = latewood_base::Clock::system().now_ms() as f64 / 1000.0;
    let answer = Answer::range(&server.url, &query.substituted(), now - 20.0, now, 5.0).await;
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}\n{}", query.panel, query.expression));
    answer.0.values().flat_map(|points| points.values()).any(|value| value.is_finite())
}

async fn panels_get_data(server: &Latewood) {
    let deadline = Instant::now() + PATIENCE;
    let mut missing = PanelQuery::all();
    for round in 0.. {
        work(server, round).await;
        let mut still = Vec::new();
        for query in missing {
            if !has_data(server, &query).await {
                still.push(query);
            }
        }
        let named: Vec<_> = still.iter().map(|query| (&query.panel, &query.expression)).collect();
        assert!(
            named.is_empty() || Instant::now() < deadline,
            "{} queries have no data: {named:#?}",
            named.len()
        );
        if still.is_empty() {
            return;
        }
        missing = still;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Latewood answers each expression, with nothing.
async fn alerts_are_silent(server: &Latewood) {
    let now = latewood_base::Clock::system().now_ms() as f64 / 1000.0;
    for alert in Alert::all() {
        let answer = Answer::instant(&server.url, &alert.expression, now).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", alert.name));
        let is_silent = answer.len() == 0 || OF_THE_MACHINE.contains(&&*alert.name);
        assert!(is_silent, "{}: {answer:?}", alert.name);
    }
}

/// A real Prometheus evaluates the rules, and none fires.
async fn rules_are_healthy(prometheus: &Prometheus) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = format!("{}/api/v1/rules", prometheus.url);
        let body: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let groups = body["data"]["groups"].as_array().unwrap().iter();
        let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert_eq!(rules.len(), Alert::all().len());
        for rule in &rules {
            assert!(rule["health"] != "err" && rule["state"] != "firing", "{rule}");
        }
        if rules.iter().all(|rule| rule["health"] == "ok") {
            return;
        }
        assert!(Instant::now() < deadline, "{rules:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_has_data_and_no_alert_fires() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let s3 = SeaweedFs::start(&peers, folder.path()).await;
    let server = latewood(&s3, folder.path()).await;
    write_and_flush(&server).await;
    let prometheus = prometheus(&peers, folder.path(), &server).await;
    panels_get_data(&server).await;
    alerts_are_silent(&server).await;
    rules_are_healthy(&prometheus).await;
    server.stop();
}
