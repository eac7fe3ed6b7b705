//! Queries over what was just written, warm.
//!
//! Each server is asked each expression as a range query until enough CPU time was used to be counted. Before
//! that, what Latewood answers is held against Prometheus.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{Answer, Peers, differences};
use crate::load::Load;
use crate::queries::QUERIES;
use crate::report::{cpu_seconds, memory_bytes};
use crate::server::{Kind, Server};
use crate::{median, shown};

const KINDS: [Kind; 3] = [Kind::Latewood, Kind::Prometheus, Kind::VictoriaMetrics];
/// CPU time is counted in hundredths: so much is asked for.
const ENOUGH_SECONDS: f64 = 0.3;
const STEPS: i64 = 101;

/// CPU seconds and peak bytes of one answer.
type Cost = (f64, f64);

/// Writes the load to all servers, asks in turns and prints the table.
pub async fn measure(peers: &Peers, rounds: usize, load: &Load) {
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    for kind in KINDS {
        let server = Server::start(peers, kind, folder.path()).await;
        load.write(kind, &server.url);
        server.settle().await;
        server.wait_for(load).await;
        servers.push(server);
    }
    for query in QUERIES {
        check(&servers, load, query).await;
    }
    let mut costs: BTreeMap<(&str, Kind), Vec<Cost>> = BTreeMap::new();
    for round in 1..=rounds {
        eprintln!("round {round}");
        for query in QUERIES {
            for (server, kind) in servers.iter().zip(KINDS) {
                costs.entry((query, kind)).or_default().push(cost(server, load, query).await);
            }
        }
    }
    print(&costs);
}

fn range(load: &Load) -> (f64, f64, f64) {
    let step = ((load.end() - load.start) / STEPS).max(1);
    let start = load.end() - step * (STEPS - 1);
    (start as f64, load.end() as f64, step as f64)
}

async fn ask(server: &Server, load: &Load, query: &str) -> Answer {
    let (start, end, step) = range(load);
    Answer::range(&server.url, query, start, end, step)
        .await
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

async fn check(servers: &[Server], load: &Load, query: &str) {
    let (ours, theirs) = (ask(&servers[0], load, query).await, ask(&servers[1], load, query).await);
    assert!(ours.len() > 0, "{query} gives nothing");
    let differences = differences(&ours, &theirs);
    assert!(differences.is_empty(), "{query}: {} differences, {}", differences.len(), differences[0]);
}

/// What one answer costs the server.
async fn cost(server: &Server, load: &Load, query: &str) -> Cost {
    let pid = server.pid();
    // 5 sets the peak back to what is resident now: proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let resident = memory_bytes(pid, "VmRSS").unwrap();
    let before = cpu_seconds(pid).unwrap();
    let (mut asked, mut used) = (0, 0.0);
    while used < ENOUGH_SECONDS && asked < 200 {
        server.ask_raw(query, range(load)).await;
        asked += 1;
        used = cpu_seconds(pid).unwrap() - before;
    }
    let peak = memory_bytes(pid, "VmHWM").unwrap().saturating_sub(resident);
    (used / f64::from(asked), peak as f64)
}

fn print(costs: &BTreeMap<(&str, Kind), Vec<Cost>>) {
    println!(
        "| CPU ms an answer (peak MB) | Latewood | Prometheus | VictoriaMetrics | × Prometheus | × VictoriaMetrics |"
    );
    println!("|---|---|---|---|---|---|");
    let mut ratios = [Vec::new(), Vec::new()];
    for query in QUERIES {
        let of = |kind, number: fn(&Cost) -> f64| median(costs[&(*query, kind)].iter().map(number));
        let [ours, prometheus, victoria] = KINDS.map(|kind| of(kind, |cost| cost.0));
        let cells = KINDS.map(|kind| {
            let (seconds, peak) = (of(kind, |cost| cost.0), of(kind, |cost| cost.1));
            format!("{} ({})", shown(seconds * 1000.0), shown(peak / 1e6))
        });
        ratios[0].push(prometheus / ours);
        ratios[1].push(victoria / ours);
        let query = query.replace('|', "\\|");
        println!(
            "| `{query}` | {} | {} | {} |",
            cells.join(" | "),
            shown(prometheus / ours),
            shown(victoria / ours)
        );
    }
    let [a, b] = ratios.map(|ratios| {
        let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64;
        shown(mean.exp())
    });
    println!("| geometric mean | | | | {a} | {b} |");
}
