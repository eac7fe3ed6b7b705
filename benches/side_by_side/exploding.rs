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

use crate::harness::{Answer, Peers};
use crate::load::Load;
use crate::report::{memory_bytes, quantile};
use crate::server::{Kind, Server};
use crate::{median, shown};

const DASHBOARDS: usize = 20;
/// Between two questions of one asker.
const PACE: Duration = Duration::from_millis(500);
const QUESTIONS: usize = 60;
/// What an exploding query may take, as it asks for itself.
const TIMEOUT: &str = "20s";

/// What the dashboards ask: some series over half an hour.
const PANEL: &str = "sum by (job) (rate(http_requests_1_total{region=\"eu-1\"}[5m]))";

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

/// Prints how long dashboards wait alone and beside exploding queries: beside each, and beside all of them.
///
/// # Panics
/// When an exploding query neither ends in its time nor says why it is refused, or the dashboards feel them.
pub async fn measure(peers: &Peers, rounds: usize, load: &Load) {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(peers, Kind::Latewood, folder.path()).await);
    load.write(Kind::Latewood, &server.url);
    server.wait_for(load).await;
    let (start, end, step) = panel_times(load);
    let panel = Answer::range(&server.url, PANEL, start, end, step).await.unwrap();
    assert!(panel.len() > 1, "dashboards show nothing");
    dashboards(&server, load, QUESTIONS).await;
    let resident = memory_bytes(server.pid(), "VmRSS").unwrap();
    println!("| beside | asked | ended | p99 alone, ms | p99 beside, ms | times |");
    println!("|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        for query in exploding() {
            compare(&server, load, vec![query], QUESTIONS / 2).await;
        }
        ratios.push(compare(&server, load, exploding(), QUESTIONS).await);
    }
    let peak = memory_bytes(server.pid(), "VmHWM").unwrap();
    println!("memory: {} MB before, {} MB at most", resident / 1_000_000, peak / 1_000_000);
    let ratio = median(ratios);
    assert!(ratio <= 2.0, "dashboards feel exploding queries: {} times", shown(ratio));
}

/// The start, end and step of a panel.
fn panel_times(load: &Load) -> (f64, f64, f64) {
    let end = load.end() as f64;
    (end - 1500.0, end, 15.0)
}

/// Has dashboards ask alone and then beside some queries, and prints a row; how many times longer they waited.
async fn compare(server: &Arc<Server>, load: &Load, queries: Vec<String>, questions: usize) -> f64 {
    let quiet = dashboards(server, load, questions).await;
    let goes_on = Arc::new(AtomicBool::new(true));
    // In a thread of their own: the dashboards' clocks must not wait for answers of theirs to be read.
    let others = std::thread::spawn({
        let (url, goes_on) = (server.url.clone(), Arc::clone(&goes_on));
        let range = (load.start as f64, load.end() as f64);
        move || ask_for_too_much(queries, &url, range, &goes_on)
    });
    let beside = dashboards(server, load, questions).await;
    goes_on.store(false, Ordering::Relaxed);
    let ended = others.join().expect("all ended as they should");
    let name = match ended.as_slice() {
        [(query, _)] => format!("{query:.60}").replace('|', "\\|"),
        _ => "all of them".to_owned(),
    };
    let asked: usize = ended.iter().map(|(_, ends)| ends.len()).sum();
    let last = ended.first().and_then(|(_, ends)| ends.last()).expect("asked at least once");
    let [alone, crowded] = [&quiet, &beside].map(|times| quantile(times, 0.99));
    let [ms_alone, ms_beside] = [alone, crowded].map(|seconds| shown(seconds * 1e3));
    println!("| `{name}` | {asked} | {last} | {ms_alone} | {ms_beside} | {} |", shown(crowded / alone));
    crowded / alone
}

/// Asks exploding queries beside each other, again and again; how they ended.
fn ask_for_too_much(
    queries: Vec<String>,
    url: &str,
    range: (f64, f64),
    goes_on: &Arc<AtomicBool>,
) -> Vec<(String, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asker = |query: String, url: String, goes_on: Arc<AtomicBool>| async move {
        let mut ends = Vec::new();
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while goes_on.load(Ordering::Relaxed) {
            pace.tick().await;
            ends.push(explode(&url, &query, range).await);
        }
        (query, ends)
    };
    let askers = queries.into_iter().map(|query| asker(query, url.to_owned(), Arc::clone(goes_on)));
    runtime.block_on(async { askers.collect::<JoinSet<_>>().join_all().await })
}

/// Asks all dashboards' questions; how long each answer took, sorted.
async fn dashboards(server: &Arc<Server>, load: &Load, questions: usize) -> Vec<Duration> {
    let mut all = JoinSet::new();
    for dashboard in 0..DASHBOARDS {
        let (server, range) = (Arc::clone(server), panel_times(load));
        all.spawn(async move {
            let clock = Clock::system();
            let mut times = Vec::new();
            let mut pace = tokio::time::interval(PACE);
            pace.reset_after(PACE.mul_f64(dashboard as f64 / DASHBOARDS as f64));
            for _ in 0..questions {
                pace.tick().await;
                let asked = clock.elapsed();
                server.ask_raw(PANEL, range).await;
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
    let mut answer = tokio::time::timeout(patience, answer).await.expect("an answer in time").unwrap();
    let status = answer.status();
    if status.is_success() {
        let mut bytes = 0;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes += chunk.len();
        }
        return format!("{status}, {bytes} bytes");
    }
    let body = answer.text().await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).expect("an error with a reason");
    format!("{status}: {:.140}", body["error"].as_str().expect("a reason"))
}
