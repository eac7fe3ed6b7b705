//! A real VictoriaMetrics.

use std::path::Path;

use crate::harness::Peers;
use crate::harness::peers::free_port;
use crate::harness::process::Process;

/// A running VictoriaMetrics, single node.
pub struct VictoriaMetrics {
    /// Its process.
    pub process: Process,
    /// `http://host:port`
    pub url: String,
}

impl VictoriaMetrics {
    /// Starts it; it keeps samples of any age.
    pub async fn start(peers: &Peers, folder: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = peers.program("victoria-metrics");
        command
            .arg(format!("-storageDataPath={}", folder.join("victoria-metrics").display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-retentionPeriod=100y");
        let mut process = Process::start("victoria-metrics", &mut command, folder);
        let url = format!("http://{address}");
        process.wait_for(&format!("{url}/health")).await;
        Self { process, url }
    }
}
