//! The ingesters that are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::harness::process::{Process, lasting_port};
use crate::report::cpu_seconds;

const NAMES: [&str; 3] = ["node-0", "node-1", "node-2"];
/// How long the nodes may take to share out their shards.
const SETTLING: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// Ingesters on one bucket, in a folder: one that stands alone, or several that replicate each other.
pub struct Nodes {
    folder: PathBuf,
    /// HTTP and gRPC addresses.
    addresses: Vec<(String, String)>,
    running: Vec<Option<Process>>,
}

impl Nodes {
    /// Starts so many, and waits until they are ready.
    pub async fn start(count: usize, folder: &Path) -> Self {
        fs::create_dir_all(folder.join("bucket")).unwrap();
        let address = || format!("127.0.0.1:{}", lasting_port());
        let addresses: Vec<_> = (0..count).map(|_| (address(), address())).collect();
        let running = (0..count).map(|_| None).collect();
        let mut nodes = Self { folder: folder.to_owned(), addresses, running };
        (0..count).for_each(|node| nodes.spawn(node));
        for node in 0..count {
            nodes.ready(node).await;
        }
        nodes
    }

    /// Starts one, and does not wait.
    pub fn spawn(&mut self, node: usize) {
        let (name, (http, grpc)) = (NAMES[node], &self.addresses[node]);
        let all: Vec<String> = self.addresses.iter().map(|(_, grpc)| format!("{grpc:?}")).collect();
        let members = if all.len() > 1 { all.join(", ") } else { String::new() };
        let (data, bucket) = (self.folder.join(name), self.folder.join("bucket"));
        let settings = format!(
            "data_dir: {data:?}\nbucket: {{url: \"file://{}\"}}\nservice: {{http_addr: {http:?}, grpc_addr: {grpc:?}}}\n\
             ingester: {{shards: 4, ring: {{join_members: [{members}], instance_addr: {grpc:?}}}}}\n",
            bucket.display()
        );
        let config = self.folder.join(format!("{name}.yaml"));
        fs::write(&config, settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        command.arg("ingester").arg(format!("--config={}", config.display()));
        self.running[node] = Some(Process::start(name, &mut command, &self.folder));
    }

    /// Waits until one is ready.
    pub async fn ready(&mut self, node: usize) {
        let url = format!("http://{}/ready", self.addresses[node].0);
        self.running[node].as_mut().unwrap().wait_for(&url).await;
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.running[node].take().unwrap().kill();
    }

    /// Its number for the kernel.
    pub fn pid(&self, node: usize) -> u32 {
        self.running[node].as_ref().unwrap().pid()
    }

    /// CPU seconds that all have used.
    pub fn cpu_seconds(&self) -> f64 {
        self.running.iter().flatten().map(|process| cpu_seconds(process.pid()).unwrap()).sum()
    }

    /// `http://host:port` of each.
    pub fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|(http, _)| format!("http://{http}")).collect()
    }

    /// Has all upload what they lead.
    pub async fn flush(&self) {
        for url in self.urls() {
            let answer = reqwest::Client::new().post(format!("{url}/api/v1/admin/flush?wait=true")).send();
            answer.await.unwrap().error_for_status().unwrap();
        }
    }

    /// Waits until these lead all shards, each those that it is to lead, or that nobody else could.
    pub async fn settle(&self, nodes: &[usize]) {
        let begun = Instant::now();
        while !self.is_led(nodes).await {
            assert!(begun.elapsed() < SETTLING, "not all shards are led");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn is_led(&self, nodes: &[usize]) -> bool {
        let all = nodes.len() == self.running.len();
        let mut led = 0;
        for &node in nodes {
            let shards = self.shards(node).await;
            let leads = shards.iter().filter(|shard| shard["role"] == "leader").count();
            // Four shards on three nodes.
            if all && !(1..=2).contains(&leads) {
                return false;
            }
            led += leads;
        }
        led == 4
    }

    /// The most entries that a replica lacks of a shard that one of these leads.
    pub async fn lag(&self, nodes: &[usize]) -> u64 {
        let mut most = 0;
        for &node in nodes {
            let shards = self.shards(node).await;
            let lags = shards.iter().filter_map(|shard| shard["lag"].as_object()).flatten();
            most = lags.map(|(_, lag)| lag.as_u64().unwrap_or(u64::MAX)).chain([most]).max().unwrap_or(0);
        }
        most
    }

    async fn shards(&self, node: usize) -> Vec<Value> {
        let request = reqwest::Client::new().get(format!("{}/ingester/ring", self.urls()[node]));
        let answer = request.header("Accept", "application/json").send().await.unwrap();
        let page: Value = answer.error_for_status().unwrap().json().await.unwrap();
        page["shards"].as_array().cloned().unwrap_or_default()
    }
}
