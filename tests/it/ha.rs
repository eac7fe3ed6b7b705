//! An HA pair writes, and queries answer one series.

use std::collections::BTreeMap;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::Sample;
use serde_json::Value;

use crate::harness::{Answer, Latewood, NodeExporter, Peers, Prometheus, Written, write};

const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;
/// Scrapes of each replica: two hours.
const SCRAPES: i64 = 480;
/// How late a scrape is at most.
const MAX_LATE_MS: i64 = 60;
const INSTANCES: i64 = 5;
/// What the counter grows by in a second.
const RATE: f64 = 10.0;

/// Which scrapes a replica misses because it is down.
struct Replica {
    name: &'static str,
    offset_ms: i64,
    down: &'static [std::ops::Range<i64>],
}

/// Killed by turns, once both within each other's cover, and the first for longer than its interval is remembered.
const PAIR: [Replica; 2] = [
    Replica { name: "1", offset_ms: 0, down: &[60..75, 118..119, 150..151, 200..365] },
    Replica { name: "2", offset_ms: 6_500, down: &[80..120, 155..180, 380..381] },
];

/// Pseudo-random and the same in each run.
fn late(replica: i64, number: i64) -> i64 {
    (number * 7_919 + replica * 104_729) % 4_096 * MAX_LATE_MS / 4_096
}

/// What both replicas scrape: a counter that grows with the clock, read up to a second after the scrape's time.
fn scraped() -> Vec<Written> {
    let mut series = Vec::new();
    for (number, replica) in (0..).zip(&PAIR) {
        for instance in 0..INSTANCES {
            let labels = vec![
                ("__name__", "requests_total".to_owned()),
                ("instance", format!("host-{instance}")),
                ("replica", replica.name.to_owned()),
                ("zone", "a".to_owned()),
            ];
            let up = (0..SCRAPES).filter(|scrape| !replica.down.iter().any(|down| down.contains(scrape)));
            let sample = |scrape: i64| {
                let at = scrape * INTERVAL_MS + replica.offset_ms + late(number, scrape);
                let read = at + late(number + 2, scrape) * 16;
                Sample {
                    timestamp: START_MS + at,
                    value: read as f64 / 1000.0 * RATE + instance as f64 * 1e6,
                }
            };
            series.push((labels, up.map(sample).collect()));
        }
    }
    series
}

fn seconds(scrape: i64) -> f64 {
    (START_MS + scrape * INTERVAL_MS) as f64 / 1000.0
}

/// The raw samples of the deduplicated series, by instance.
async fn raw_samples(server: &Latewood, parameters: &[(&str, &str)]) -> BTreeMap<String, Vec<(i64, f64)>> {
    let query = [("query", "requests_total[2h30m]"), ("time", &seconds(SCRAPES).to_string())];
    let form: Vec<_> = query.iter().chain(parameters).copied().collect();
    let url = format!("{}/api/v1/query", server.url);
    let body: Value =
        reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap();
    let series = body["data"]["result"].as_array().unwrap().iter().map(|series| {
        let labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap();
        assert_eq!(labels["zone"], "a");
        let point = |pair: &Value| {
            let value: f64 = pair[1].as_str().unwrap().parse().unwrap();
            ((pair[0].as_f64().unwrap() * 1000.0).round() as i64, value)
        };
        let instance =
            [labels["instance"].clone(), labels.get("replica").cloned().unwrap_or_default()].concat();
        (instance, series["values"].as_array().unwrap().iter().map(point).collect())
    });
    series.collect()
}

async fn check_samples(server: &Latewood, when: &str) {
    let one = raw_samples(server, &[]).await;
    assert_eq!(one.len(), INSTANCES as usize, "{when}: {:?}", one.keys());
    for (instance, samples) in &one {
        for pair in samples.windows(2) {
            let (time, value) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            // What is covered, and an interval up to the other replica's next scrape.
            let longest = INTERVAL_MS * 21 / 10 + 5 * MAX_LATE_MS;
            assert!((1..=longest).contains(&time), "{when}: {instance}: {time} ms at {}", pair[0].0);
            assert!(value >= 0.0, "{when}: {instance} fell at {}", pair[1].0);
        }
        let span = samples.last().unwrap().0 - samples[0].0;
        assert!(span >= (SCRAPES - 3) * INTERVAL_MS, "{when}: {instance}: {span}");
    }
    let both = raw_samples(server, &[("dedup", "false")]).await;
    assert_eq!(both.len(), 2 * INSTANCES as usize, "{when}");
    let written: usize = scraped().iter().map(|series| series.1.len()).sum();
    assert_eq!(both.values().map(Vec::len).sum::<usize>(), written, "{when}: all is there");
    let other = raw_samples(server, &[("replicaLabels[]", "pod")]).await;
    assert_eq!(other, both, "{when}: the request names the labels");
}

/// Whether a replica went or came back in the five intervals before, which is as long as a window of four remembers it.
fn is_near_switch(at: i64) -> bool {
    let scrape = (at - START_MS) as f64 / INTERVAL_MS as f64;
    let ends = PAIR.iter().flat_map(|replica| replica.down).flat_map(|down| [down.start, down.end]);
    ends.map(|end| scrape - end as f64).any(|since| (-1.0..7.0).contains(&since))
}

/// There always is a rate, and it is that of the counter, as far as a read that is a second late lets it. Around a switch
/// a sample is missing for an interval at most, over which `rate` does not extrapolate: less, but never more.
async fn check_rates(server: &Latewood, when: &str) {
    let (start, end) = (seconds(20), seconds(SCRAPES - 2));
    for (window, least, most_off) in [("1m", 0.55, 0.1), ("5m", 0.88, 0.02)] {
        let expression = format!("rate(requests_total[{window}])");
        let rates = Answer::range(&server.url, &expression, start, end, 5.0).await.unwrap();
        assert_eq!(rates.0.len(), INSTANCES as usize);
        let steps = ((end - start) / 5.0) as usize + 1;
        for (labels, points) in &rates.0 {
            assert_eq!(points.len(), steps, "{when}: {labels:?}: a rate is missing");
            for (&at, rate) in points {
                let (share, calm) = (rate / RATE, !is_near_switch(at) && window == "1m");
                let least = if calm { 1.0 - most_off } else { least };
                assert!((least..1.0 + most_off).contains(&share), "{when}: {expression}: {share} at {at}");
            }
        }
    }
}

/// Ranges that are cut anywhere join up.
async fn check_splits(server: &Latewood, when: &str) {
    for expression in ["requests_total", "rate(requests_total[1m])", "count_over_time(requests_total[2m])"] {
        let ask = async |from: i64, to: i64| {
            Answer::range(&server.url, expression, seconds(from), seconds(to), 15.0).await.unwrap()
        };
        let whole = ask(0, SCRAPES).await;
        for cut in (3..SCRAPES).step_by(41).chain([60, 75, 119, 150, 180, 200, 365, 366]) {
            let (mut joined, after) = (ask(0, cut).await, ask(cut + 1, SCRAPES).await);
            for (labels, points) in after.0 {
                joined.0.entry(labels).or_default().extend(points);
            }
            assert_eq!(joined, whole, "{when}: {expression} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_pair_by_remote_write_is_one_series_without_gaps_dips_or_seams() {
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let all = scraped();
    // The second replica comes later, as after an outage of its network.
    for half in all.chunks(all.len() / 2) {
        assert_eq!(write(&server.url, half).await.unwrap(), (204, String::new()));
    }
    for when in ["from memory", "from blocks"] {
        check_samples(&server, when).await;
        check_rates(&server, when).await;
        check_splits(&server, when).await;
        server.flush().await;
    }
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
    let metric = |name: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(&format!("latewood_querier_dedup_{name}_total ")));
        line.and_then(|line| line.split(' ').nth(1)).unwrap().parse::<f64>().unwrap()
    };
    assert!(metric("series") > 100.0 && metric("switches") > 100.0 && metric("dropped_samples") > 10_000.0);
    assert_eq!(metric("falls"), 0.0);
    server.stop();
}

/// How long each of the real Prometheus servers is away: `LATEWOOD_FAILOVER_SECONDS` sets another time, 120 for a
/// thorough run.
fn away_seconds() -> u64 {
    std::env::var("LATEWOOD_FAILOVER_SECONDS").map_or(8, |number| number.parse().unwrap())
}

/// A pair of real servers that scrape one exporter, each with a folder and an external label.
fn config(replica: &str, exporter: &str, server: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s, external_labels: {{cluster: one, replica: '{replica}'}}}}
scrape_configs:
- job_name: node
  static_configs: [{{targets: ['{exporter}']}}]
remote_write:
- url: {server}/api/v1/write
  queue_config: {{batch_send_deadline: 1s}}
"
    )
}

struct Pair<'a> {
    peers: &'a Peers,
    folder: &'a std::path::Path,
    exporter: &'a str,
    server: &'a str,
}

impl Pair<'_> {
    async fn start(&self, replica: &str) -> Prometheus {
        let folder = self.folder.join(replica);
        std::fs::create_dir_all(&folder).unwrap();
        Prometheus::start(self.peers, &folder, &config(replica, self.exporter, self.server)).await
    }
}

/// Seconds on the clock of this machine.
fn now() -> f64 {
    Clock::system().now_ms() as f64 / 1000.0
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test]
async fn two_real_servers_are_killed_by_turns_and_nobody_sees_it() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let exporter = NodeExporter::start(&peers, folder.path()).await;
    let pair =
        Pair { peers: &peers, folder: folder.path(), exporter: &exporter.address, server: &server.url };
    let (mut first, mut second) = (pair.start("1").await, pair.start("2").await);
    pass(6).await;
    let begin = now();
    pass(6).await;
    first.process.kill();
    pass(away_seconds()).await;
    first = pair.start("1").await;
    pass(6).await;
    second.process.kill();
    pass(away_seconds()).await;
    second = pair.start("2").await;
    pass(6).await;
    let end = now() - 4.0;
    drop((first, second));
    for when in ["from memory", "from blocks"] {
        check_real(&server, begin, end, when).await;
        server.flush().await;
    }
    server.stop();
}

async fn check_real(server: &Latewood, begin: f64, end: f64, when: &str) {
    let ask = async |expression: &str, from: f64, to: f64| {
        Answer::range(&server.url, expression, from, to, 1.0).await.unwrap()
    };
    let length = (end - begin).floor();
    let up = ask("up{job='node'}", begin, end).await;
    assert_eq!(up.0.len(), 1, "{when}: {:?}", up.0.keys());
    let (labels, points) = up.0.first_key_value().unwrap();
    assert_eq!(labels["cluster"], "one", "{when}: other external labels stay");
    assert!(!labels.contains_key("replica"));
    assert_eq!(points.len() as f64, length + 1.0, "{when}");
    // On a busy machine a scrape may take longer than the second that it has.
    let failed = points.values().filter(|up| **up != 1.0).count();
    assert!(failed * 20 <= points.len(), "{when}: {failed} of {} scrapes failed", points.len());
    let scrapes = ask("count_over_time(up{job='node'}[8s])", begin + 8.0, end).await;
    let fewest = scrapes.0.values().flatten().map(|point| *point.1).fold(f64::MAX, f64::min);
    let most = scrapes.0.values().flatten().map(|point| *point.1).fold(0.0, f64::max);
    // A gap is three seconds at most: of so short an interval two are covered.
    assert!(fewest >= 2.0 && most <= 9.0, "{when}: {fewest} to {most} scrapes in 8 s");
    let falls = ask("resets(node_cpu_seconds_total[1m])", begin, end).await;
    assert!(falls.0.values().flatten().all(|point| *point.1 == 0.0), "{when}: a counter fell");
    // All cores together are busy or idle for their number of seconds a second.
    let busy = ask(
        "sum(rate(node_cpu_seconds_total[10s])) / count(node_cpu_seconds_total{mode='idle'})",
        begin + 10.0,
        end,
    );
    for (at, share) in busy.await.0.values().flatten() {
        assert!((0.6..1.3).contains(share), "{when}: {share} at {at}");
    }
    let expression = "sum by (mode) (rate(node_cpu_seconds_total[10s]))";
    let whole = ask(expression, begin, begin + length).await;
    for cut in (1..length as i64).step_by(7) {
        let mut joined = ask(expression, begin, begin + cut as f64).await;
        for (labels, points) in ask(expression, begin + cut as f64 + 1.0, begin + length).await.0 {
            joined.0.entry(labels).or_default().extend(points);
        }
        assert_eq!(joined, whole, "{when}: cut at {cut}");
    }
    let both = Answer::instant(&server.url, "count by (replica) (up{job='node'})", end).await.unwrap();
    assert_eq!(both.0.len(), 1, "{when}: {both:?}");
}
