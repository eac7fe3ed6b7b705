//! Ingest, memory and replay.
//!
//! What is compared: Latewood answers when samples are fsynced; Prometheus writes its log without fsync;
//! VictoriaMetrics has no log, so it is told to flush before its time is taken.

mod table;
mod turn;

use crate::harness::Peers;
use crate::load::Load;
use crate::server::Kind;
use table::Table;

/// Gives each server its turns and prints the table.
pub async fn measure(peers: &Peers, rounds: usize, load: &Load) {
    let mut table = Table::default();
    for round in 1..=rounds {
        for kind in Kind::ALL {
            let measured = turn::measure(peers, kind, load).await;
            eprintln!("round {round}, {}: {measured:?}", kind.name());
            table.add(kind, measured);
        }
    }
    println!("{table}");
}
