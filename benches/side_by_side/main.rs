//! Latewood beside Prometheus and VictoriaMetrics: the same bytes to each, in turns, CPU time of the servers.
//!
//! `LATEWOOD_PEERS=… cargo bench --bench side_by_side` prints a table of medians and what they are in
//! ratio to Latewood's. `-- ROUNDS` sets how often each server has its turn, 3 by default;
//! `-- ROUNDS SERIES SAMPLES` cuts the dataset down.
//!
//! What is compared: Latewood answers when samples are fsynced; Prometheus writes its log without fsync;
//! VictoriaMetrics has no log, so it is told to flush before its time is taken.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on panics")]

#[allow(dead_code, unused_imports, reason = "shared with the tests")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;
#[allow(dead_code, unused_imports, reason = "shared with the binary")]
#[path = "../../src/bench/report.rs"]
mod report;
mod server;
mod table;
mod turn;
mod victoria_metrics;

use harness::Peers;
use server::Kind;
use table::Table;
use turn::Load;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let Some(peers) = Peers::find() else { return };
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let rounds = number(0, 3);
    let load = Load { series: number(1, 50_000), samples: number(2, 120), start: turn::half_an_hour_ago() };
    let mut table = Table::default();
    for round in 1..=rounds {
        for kind in Kind::ALL {
            let measured = turn::measure(&peers, kind, &load).await;
            eprintln!("round {round}, {}: {measured:?}", kind.name());
            table.add(kind, measured);
        }
    }
    println!("{table}");
}
