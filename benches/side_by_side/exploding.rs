//! Queries that ask for too much, beside dashboards that must not feel them.
//!
//! Dashboards ask at a fixed pace, as people's browsers do, first alone and then beside queries that would take
//! all the machine has. Each of those must end within its budget: refused with a reason, or answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latewood_base::Clock;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::harness::Peers;
use crate::load::Load;
use crate::report::{memory_bytes, quantile};
use crate::server::{Kind, Server};
use crate::shown;

const DASHBOARDS: usize = 20;
/// Between two questions of one asker.
const PACE: Duration = Duration::from_millis(500);
const QUESTIONS: usize = 60;
/// What an exploding query may take, as it asks for itself.
const TIMEOUT: &str = "20s";

/// What the dashboards ask: some series over half an hour.
const PANEL: &str = "sum by (job) (rate(http_requests_1_total{region=\"region-1\"}[5m]))";

fn exploding() -> Vec<String> {
    let names = (0..100_000).map(|name| format!("x{name}")).collect::<Vec<_>>().join("|");
    vec![
        "max_over_time({__name__=~\".+\"}[30d:1s])".to_owned(),
        "{__name__=~\".+\"} * on (job) group_left () count by (job) ({__name__=~\".+\"})".to_owned(),
        "sum without (pod) ({__name__=~\".+\"}) + on () group_left () vector(1)".to_owned(),
        format!("{{__name__=~\"{names}\"}}"),
        "{__name__=~\"(.*a){40}.*\"}".to_owned(),
        format!("{}up{}", "(".repeat(10_000), ")".repeat(10_000)),
    ]
}

/// Prints how long dashboards wait alone and beside exploding queries.
///
/// # Panics
/// When an exploding query neither ends in its time nor says why it is refused, or the dashboards feel it.
pub async fn measure(peers: &Peers, load: &Load) {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(peers, Kind::Latewood, folder.path()).await);
    load.write(Kind::Latewood, &server.url);
    server.wait_for(load).await;
    dashboards(&server, load).await;
    let quiet = dashboards(&server, load).await;
    let resident = memory_bytes(server.pid(), "VmRSS").unwrap();
    let goes_on = Arc::new(AtomicBool::new(true));
    let mut others = JoinSet::new();
    for query in exploding() {
        let (server, goes_on) = (Arc::clone(&server), Arc::clone(&goes_on));
        let range = (load.start as f64, load.end() as f64);
        others.spawn(async move {
            let mut ends = Vec::new();
            let mut pace = tokio::time::interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while goes_on.load(Ordering::Relaxed) {
                pace.tick().await;
                ends.push(explode(&server.url, &query, range).await);
            }
            (query, ends)
        });
    }
    let beside = dashboards(&server, load).await;
    goes_on.store(false, Ordering::Relaxed);
    for (query, ends) in others.join_all().await {
        let last = ends.last().expect("asked at least once");
        println!("{:.60}: {} times, {last}", query, ends.len());
    }
    let peak = memory_bytes(server.pid(), "VmHWM").unwrap();
    let [alone, crowded] = [&quiet, &beside].map(|times| quantile(times, 0.99));
    println!(
        "p99 of a panel: {} ms alone, {} ms beside ({} times)",
        shown(alone * 1e3),
        shown(crowded * 1e3),
        shown(crowded / alone)
    );
    println!("memory: {} MB before, {} MB at most", resident / 1_000_000, peak / 1_000_000);
    assert!(crowded <= 2.0 * alone, "dashboards feel exploding queries");
}

/// Asks all dashboards' questions; how long each answer took, sorted.
async fn dashboards(server: &Arc<Server>, load: &Load) -> Vec<Duration> {
    let mut all = JoinSet::new();
    for dashboard in 0..DASHBOARDS {
        let (server, end) = (Arc::clone(server), load.end() as f64);
        all.spawn(async move {
            let clock = Clock::system();
            let mut times = Vec::new();
            let mut pace = tokio::time::interval(PACE);
            pace.reset_after(PACE.mul_f64(dashboard as f64 / DASHBOARDS as f64));
            for _ in 0..QUESTIONS {
                pace.tick().await;
                let asked = clock.elapsed();
                server.ask_raw(PANEL, (end - 1500.0, end, 15.0)).await;
                times.push(clock.elapsed() - asked);
            }
            times
        });
    }
    let mut times = all.join_all().await.concat();
    times.sort_unstable();
    times
}

/// Asks one; how it ended.
async fn explode(url: &str, query: &str, (start, end): (f64, f64)) -> String {
    let [start, end] = [start, end].map(|number| number.to_string());
    let form = [("query", query), ("start", &start), ("end", &end), ("step", "1"), ("timeout", TIMEOUT)];
    let answer = reqwest::Client::new().post(format!("{url}/api/v1/query_range")).form(&form).send();
    let patience = Duration::from_secs(30);
    let answer = tokio::time::timeout(patience, answer).await.expect("an answer in time").unwrap();
    let status = answer.status();
    let body = answer.text().await.unwrap();
    if status.is_success() {
        return format!("{status}, {} bytes", body.len());
    }
    let body: serde_json::Value = serde_json::from_str(&body).expect("an error with a reason");
    format!("{status}: {:.140}", body["error"].as_str().expect("a reason"))
}
