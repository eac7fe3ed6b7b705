//! Latewood beside Prometheus and VictoriaMetrics: the same bytes to each, in turns, CPU time of the servers.
//!
//! ```text
//! LATEWOOD_PEERS=… cargo bench --bench side_by_side -- ingest [ROUNDS [SERIES [SAMPLES]]]
//! LATEWOOD_PEERS=… cargo bench --bench side_by_side -- hour   [ROUNDS [SERIES [SAMPLES]]]
//! LATEWOOD_PEERS=… cargo bench --bench side_by_side -- month  [ROUNDS [SERIES [SAMPLES]]]
//! LATEWOOD_PEERS=… cargo bench --bench side_by_side -- query  [ROUNDS]
//! LATEWOOD_PEERS=… cargo bench --bench side_by_side -- exploding [ROUNDS [SERIES [SAMPLES]]]
//! cargo bench --bench side_by_side -- cluster [ROUNDS [SERIES [SAMPLES]]]
//! ```
//!
//! prints a table of medians, and of ratios to Latewood. Without arguments it measures ingest: 3 rounds of
//! dataset S, 50,000 series of 120 samples. `hour` asks over dataset M, `month` over dataset H once it lies in
//! blocks, `query` does both. `cluster` has no peers beside it: it compares three ingesters that replicate each other with one that stands
//! alone, and lets one of the three miss 30 million samples.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on panics")]

mod cluster;
mod costs;
mod exploding;
#[allow(dead_code, unused_imports, reason = "shared with the tests")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;
mod ingest;
mod load;
mod query;
mod questions;
#[allow(dead_code, unused_imports, reason = "shared with the binary")]
#[path = "../../src/bench/report.rs"]
mod report;
mod server;
mod victoria_metrics;

use costs::Costs;
use harness::Peers;
use load::Load;
use questions::{HOUR, MONTH};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(3);
    let (series, samples) = (numbers.get(1).copied(), numbers.get(2).copied());
    // Cargo adds arguments of its own.
    let asked = |mode: &str| std::env::args().any(|argument| argument == mode);
    if asked("cluster") {
        let missed = Load::half_hour(Some(200_000), Some(150));
        return cluster::measure(rounds, &Load::half_hour(series, samples), &missed).await;
    }
    let Some(peers) = Peers::find() else { return };
    if asked("exploding") {
        return exploding::measure(&peers, rounds, &Load::half_hour(series, samples)).await;
    }
    let mut costs = Costs::default();
    if asked("hour") || asked("query") {
        query::measure(&peers, rounds, &Load::hour(series, samples), HOUR, &mut costs).await;
    }
    if asked("month") || asked("query") {
        query::measure(&peers, rounds, &Load::month(series, samples), MONTH, &mut costs).await;
    }
    if costs.is_empty() {
        ingest::measure(&peers, rounds, &Load::half_hour(series, samples)).await;
    } else {
        println!("{costs}");
    }
}

/// The middle one of some numbers.
fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A number as a table shows it.
fn shown(number: f64) -> String {
    match number {
        number if number.is_nan() => "–".to_owned(),
        number if number >= 100.0 => format!("{number:.0}"),
        number => format!("{number:.2}"),
    }
}
