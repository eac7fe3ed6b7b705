//! One server's turn: it starts on nothing, takes the load, is killed, and starts again.

use std::path::Path;
use std::process::Command;

use latewood_base::Clock;

use crate::harness::Peers;
use crate::report::{cpu_seconds, memory_bytes};
use crate::server::{Kind, Server};

/// What is written: the benchmarks' dataset S.
pub struct Load {
    /// Series.
    pub series: usize,
    /// Samples of each.
    pub samples: usize,
    /// Seconds since the epoch of the first scrape.
    pub start: i64,
}

/// What a turn gave.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Samples taken per CPU second of the server.
    pub ingest: f64,
    /// Bytes by which its resident memory grew, per series.
    pub memory: f64,
    /// Samples per CPU second from a start after kill -9 until it is ready. VictoriaMetrics has no log to replay.
    pub replay: f64,
    /// Seconds until a request was acknowledged, 99th percentile.
    pub ack: f64,
}

/// A start for samples that end about now.
pub fn half_an_hour_ago() -> i64 {
    Clock::system().now_ms() / 1000 - 1860
}

/// Runs a turn. The samples are counted on the server before and after the kill: a measurement of a
/// server that lost some is worth nothing.
pub async fn measure(peers: &Peers, kind: Kind, load: &Load) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(peers, kind, folder.path()).await;
    let pid = server.pid();
    let (cpu, memory) = (cpu_seconds(pid).unwrap(), memory_bytes(pid, "VmRSS").unwrap());
    let report = write(kind, load, &server.url);
    server.settle().await;
    let cpu = cpu_seconds(pid).unwrap() - cpu;
    let memory = memory_bytes(pid, "VmRSS").unwrap().saturating_sub(memory);
    let samples = load.series * load.samples;
    server.wait_for(samples, load.start + 3600).await;
    server.kill();
    let replay = if kind.has_log() { replay(peers, kind, load, folder.path()).await } else { f64::NAN };
    let per_second = |seconds: f64| samples as f64 / seconds;
    Measured {
        ingest: per_second(cpu),
        memory: memory as f64 / load.series as f64,
        replay: per_second(replay),
        ack: report["ack_p99"].as_f64().unwrap(),
    }
}

/// CPU seconds of a start until it is ready with all samples.
async fn replay(peers: &Peers, kind: Kind, load: &Load, folder: &Path) -> f64 {
    let server = Server::start(peers, kind, folder).await;
    let seconds = cpu_seconds(server.pid()).unwrap();
    server.wait_for(load.series * load.samples, load.start + 3600).await;
    server.kill();
    seconds
}

/// Puts the load on, from a process of its own.
fn write(kind: Kind, load: &Load, url: &str) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_latewood"))
        .args(["bench", "write", "--dataset=s"])
        .arg(format!("--url={url}/api/v1/write"))
        .arg(format!("--protocol={}", kind.protocol()))
        .arg(format!("--series={}", load.series))
        .arg(format!("--samples={}", load.samples))
        .arg(format!("--start={}", load.start))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
