//! A real Prometheus that scrapes itself and writes to the cluster while that is hurt.

use std::path::Path;
use std::time::Duration;

use latewood_base::Clock;
use tokio::time::Instant;

use super::nodes::Cluster;
use crate::harness::{Answer, Peers, Prometheus, differences};

/// To so many nodes it writes, to each all it has.
const QUEUES: usize = 3;
/// How long it may take to send what it has when nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
/// Every sample.
const ALL: &str = "{job=\"self\"}[1h]";

/// A Prometheus with a queue for each of the first nodes.
pub struct Scraper(Prometheus);

impl Scraper {
    /// Starts it, where there is one.
    pub async fn start(cluster: &Cluster, folder: &Path) -> Option<Self> {
        let queue = |(node, url): (usize, &String)| {
            format!("- {{name: node-{node}, url: \"{url}/api/v1/write\", send_native_histograms: true}}\n")
        };
        let queues: String = cluster.urls().iter().take(QUEUES).enumerate().map(queue).collect();
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: self, static_configs: [{{targets: [SELF]}}]}}]\n\
             remote_write:\n{queues}"
        );
        let peers = Peers::find()?;
        Some(Self(Prometheus::start(&peers, folder, &config).await))
    }

    /// Waits until it has sent what it has to the nodes that run: no sample was given up, and a querier has all that it has.
    pub async fn check(&self, cluster: &Cluster) {
        let now = Clock::system().now_ms() / 1000;
        for node in cluster.running().into_iter().filter(|node| *node < QUEUES) {
            self.sent(node, now).await;
        }
        for counter in ["samples_failed", "samples_dropped", "histograms_failed", "histograms_dropped"] {
            let name = format!("prometheus_remote_storage_{counter}_total");
            let given_up: f64 = self.numbers(&name).await.iter().map(|(_, number)| number).sum();
            assert_eq!(given_up, 0.0, "Prometheus gave samples up: {name}");
        }
        let begun = Instant::now();
        let own = Answer::instant(&self.0.url, ALL, now as f64).await.unwrap();
        loop {
            let kept = Answer::instant(&cluster.querier_url(), ALL, now as f64).await;
            match kept.map(|kept| differences(&own, &kept)) {
                Ok(differ) if differ.is_empty() => return,
                Ok(differ) => panic!(
                    "{} samples of what Prometheus scraped differ: {:?}",
                    differ.len(),
                    differ.iter().take(20).collect::<Vec<_>>()
                ),
                Err(error) => assert!(begun.elapsed() < PATIENCE, "no answer: {error}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a queue has sent all that is older than a time, in seconds since the epoch.
    async fn sent(&self, node: usize, until: i64) {
        let begun = Instant::now();
        let remote = format!("remote_name=\"node-{node}\"");
        loop {
            let sent = self.numbers("prometheus_remote_storage_queue_highest_sent_timestamp_seconds").await;
            let sent = sent.iter().find(|(labels, _)| labels.contains(&remote)).map_or(0.0, |(_, at)| *at);
            if sent > until as f64 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "Prometheus sent to node {node} until {sent}, not {until}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The series of one of its metrics about itself.
    async fn numbers(&self, name: &str) -> Vec<(String, f64)> {
        let page = reqwest::get(format!("{}/metrics", self.0.url)).await.unwrap().text().await.unwrap();
        let lines = page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        lines.map(|(labels, number)| (labels.to_owned(), number.parse().unwrap())).collect()
    }
}
