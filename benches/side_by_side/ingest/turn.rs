//! One server's turn: it starts on nothing, takes the load, is killed, and starts again.

use std::path::Path;

use crate::harness::Peers;
use crate::load::Load;
use crate::report::{cpu_seconds, memory_bytes};
use crate::server::{Kind, Server};

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

/// Runs a turn. The samples are counted on the server before and after the kill: a measurement of a
/// server that lost some is worth nothing.
pub async fn measure(peers: &Peers, kind: Kind, load: &Load) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(peers, kind, folder.path()).await;
    let pid = server.pid();
    let (cpu, memory) = (cpu_seconds(pid).unwrap(), memory_bytes(pid, "VmRSS").unwrap());
    let report = load.write(kind, &server.url);
    server.settle().await;
    let cpu = cpu_seconds(pid).unwrap() - cpu;
    let memory = memory_bytes(pid, "VmRSS").unwrap().saturating_sub(memory);
    server.wait_for(load).await;
    server.kill();
    let replay = if kind.has_log() { replay(peers, kind, load, folder.path()).await } else { f64::NAN };
    let per_second = |seconds: f64| load.total() as f64 / seconds;
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
    server.wait_for(load).await;
    server.kill();
    seconds
}
