//! The processes of a cluster: ingesters that found it, a store-gateway and a querier, on one bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latewood_testkit::DnsServer;

use super::network::{Bridge, GRPC_PORT, Network};
use crate::harness::process::{Process, lasting_port};
use crate::harness::{Peers, SeaweedFs};

/// The most nodes, running or not.
const NAMES: [&str; 6] = ["node-0", "node-1", "node-2", "node-3", "node-4", "node-5"];
const SHARDS: usize = 4;
/// By which the querier finds the ingesters.
const SERVICE: &str = "ingesters.test.";

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its first nodes.
    pub first: usize,
    /// Whether its network can be cut.
    pub bridged: bool,
    /// Whether its bucket is a server, which may hang.
    pub on_s3: bool,
    /// The size of the disk of node 0 in MiB, if it has one of its own, and what is to stay free of it.
    pub small_disk: Option<(u64, u64)>,
    /// `ring.forget_after_seconds`
    pub forget_after: u64,
    /// The library by which node 0 sees another time.
    pub fake_time: bool,
}

impl Shape {
    /// Three nodes on the loopback and a bucket in a folder.
    pub const PLAIN: Self = Self {
        first: 3,
        bridged: false,
        on_s3: false,
        small_disk: None,
        forget_after: 900,
        fake_time: false,
    };
    /// The same in namespaces.
    pub const BRIDGED: Self = Self { bridged: true, ..Self::PLAIN };
}

/// One ingester.
struct Node {
    http: String,
    grpc: String,
    running: Option<Process>,
    /// Whether the querier is told of it.
    is_known: bool,
}

/// A cluster. Who asks is dropped before who is asked.
pub struct Cluster {
    querier: Option<Process>,
    gateway: Option<Process>,
    nodes: Vec<Node>,
    shape: Shape,
    folder: PathBuf,
    /// HTTP and gRPC of the querier, then of the store-gateway.
    readers: [String; 4],
    s3: Option<SeaweedFs>,
    dns: DnsServer,
    network: Network,
}

impl Cluster {
    /// Starts all, and waits until they are ready.
    pub async fn start(shape: Shape, folder: &Path) -> Self {
        let network =
            if shape.bridged { Network::Bridge(Bridge::new(NAMES.len())) } else { Network::loopback() };
        let s3 = match shape.on_s3 {
            true => Some(SeaweedFs::start(&Peers::find().expect("LATEWOOD_PEERS"), folder).await),
            false => None,
        };
        fs::create_dir_all(folder.join("bucket")).unwrap();
        let node = |node| {
            let (http, grpc) = network.node(node);
            Node { http, grpc, running: None, is_known: false }
        };
        let nodes = (0..NAMES.len()).map(node).collect();
        let readers = [(); 4].map(|()| format!("{}:{}", network.host(), lasting_port()));
        let (folder, dns) = (folder.to_owned(), DnsServer::start().await.unwrap());
        let mut cluster =
            Self { querier: None, gateway: None, nodes, shape, folder, readers, s3, dns, network };
        if let Some((mebibytes, _)) = shape.small_disk {
            cluster.mount(mebibytes);
        }
        cluster.start_all(&(0..shape.first).collect::<Vec<_>>()).await;
        cluster
    }

    /// Starts these nodes at once, then who reads.
    pub async fn start_all(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.spawn(node));
        for &node in nodes {
            self.ready(node).await;
        }
        let [http, _, gateway_http, gateway_grpc] = self.readers.clone();
        let asks = format!(
            "querier: {{ingester_addrs: ['dns+{SERVICE}:{GRPC_PORT}'], store_gateway_addrs: [{gateway_grpc:?}], \
             store_sd: {{dns_servers: ['{}'], dns_interval_seconds: 1}}}}\n",
            self.dns.addr()
        );
        let mut gateway = self.reader("store-gateway", 2, "");
        gateway.wait_for(&format!("http://{gateway_http}/ready")).await;
        let mut querier = self.reader("querier", 0, &asks);
        querier.wait_for(&format!("http://{http}/ready")).await;
        (self.gateway, self.querier) = (Some(gateway), Some(querier));
    }

    fn reader(&self, role: &'static str, at: usize, settings: &str) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        self.launch(role, role, &mut command, (&self.readers[at], &self.readers[at + 1]), settings)
    }

    /// Starts a node, and does not wait.
    pub fn spawn(&mut self, node: usize) {
        let own = &self.nodes[node];
        let members: Vec<String> = self.nodes.iter().map(|node| format!("{:?}", node.grpc)).collect();
        let min_free = self.shape.small_disk.filter(|_| node == 0).map_or(1, |(_, free)| free << 20);
        let settings = format!(
            "ingester:\n  shards: {SHARDS}\n  flush: {{max_age_seconds: 12, linger_seconds: 4, min_free_bytes: {min_free}}}\n  \
             ring:\n    join_members: [{}]\n    instance_addr: {:?}\n    instance_availability_zone: z{}\n    \
             forget_after_seconds: {}\n",
            members.join(", "),
            own.grpc,
            node % 3,
            self.shape.forget_after
        );
        let mut command = self.network.command(node);
        if self.shape.fake_time && node == 0 {
            self.set_clock("+0");
            let library = std::env::var("LATEWOOD_FAKETIME").expect("the path of libfaketimeMT.so.1");
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock"))
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let process = self.launch("ingester", NAMES[node], &mut command, (&own.http, &own.grpc), &settings);
        let own = &mut self.nodes[node];
        (own.running, own.is_known) = (Some(process), true);
        self.tell();
    }

    /// Tells the querier by DNS which nodes there are; a dead one is there.
    fn tell(&self) {
        let known = self.nodes.iter().filter(|node| node.is_known);
        let hosts = known.map(|node| node.grpc.split_once(':').unwrap().0.parse().unwrap());
        self.dns.set_addresses(SERVICE, &hosts.collect::<Vec<_>>()).unwrap();
    }

    fn launch(
        &self,
        role: &str,
        name: &'static str,
        command: &mut Command,
        (http, grpc): (&str, &str),
        settings: &str,
    ) -> Process {
        let bucket = match &self.s3 {
            Some(s3) => format!("s3_endpoint: {:?}, url: \"s3://latewood/some/prefix\"", s3.endpoint),
            None => format!("url: \"file://{}\"", self.folder.join("bucket").display()),
        };
        let config = self.folder.join(format!("{name}.yaml"));
        let common = format!("bucket: {{{bucket}}}\nservice: {{http_addr: {http:?}, grpc_addr: {grpc:?}}}\n");
        fs::write(&config, format!("data_dir: {:?}\n{common}{settings}", self.data_of(name))).unwrap();
        command.arg(role).arg(format!("--config={}", config.display())).envs(SeaweedFs::CREDENTIALS);
        Process::start(name, command, &self.folder)
    }

    fn data_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Waits until a node is ready.
    pub async fn ready(&mut self, node: usize) {
        let url = format!("{}/ready", self.url(node));
        self.nodes[node].running.as_mut().unwrap().wait_for(&url).await;
    }

    /// Starts a node, and waits until it is ready.
    pub async fn start_node(&mut self, node: usize) {
        self.spawn(node);
        self.ready(node).await;
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].running.take().unwrap().kill();
    }

    /// SIGTERM, and a good end.
    pub fn stop(&mut self, node: usize) {
        tokio::task::block_in_place(|| self.nodes[node].running.take().unwrap().stop());
    }

    /// A good end of all.
    pub fn stop_all(&mut self) {
        tokio::task::block_in_place(|| {
            self.querier.take().unwrap().stop();
            self.gateway.take().unwrap().stop();
            self.nodes.iter_mut().filter_map(|node| node.running.take()).for_each(|mut node| node.stop());
        });
    }

    /// Takes all data of a node that does not run, and tells the querier that it is gone.
    pub fn wipe(&mut self, node: usize) {
        assert!(self.nodes[node].running.is_none());
        fs::remove_dir_all(self.data_of(NAMES[node])).unwrap();
        self.nodes[node].is_known = false;
        self.tell();
    }

    /// SIGSTOP, or SIGCONT.
    pub fn pause(&self, node: usize, paused: bool) {
        signal(self.nodes[node].running.as_ref().unwrap(), paused);
    }

    /// The bucket hangs, or is gone if it is a folder; or it is back.
    pub fn take_bucket(&self, away: bool) {
        let (here, there) = (self.folder.join("bucket"), self.folder.join("away"));
        match (&self.s3, away) {
            (Some(s3), _) => signal(&s3.process, away),
            (None, true) => fs::rename(here, there).unwrap(),
            (None, false) => fs::rename(there, here).unwrap(),
        }
    }

    fn mount(&self, mebibytes: u64) {
        let data = self.data_of(NAMES[0]);
        fs::create_dir_all(&data).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "none"]).arg(data);
        assert!(command.status().unwrap().success(), "mounting a tmpfs needs root");
    }

    /// Fills the small disk so that about so many MiB are left, or frees it.
    pub fn fill_disk(&self, left: Option<u64>) {
        let ballast = self.data_of(NAMES[0]).join("ballast");
        let Some(left) = left else { return fs::remove_file(ballast).unwrap() };
        let (size, _) = self.shape.small_disk.unwrap();
        let count = if left == 0 { size + 1 } else { size - left };
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "bs=1M", "status=none", &format!("count={count}")]);
        command.arg(format!("of={}", ballast.display())).stderr(std::process::Stdio::null());
        let _may_end_for_want_of_space = command.status().unwrap();
    }

    /// Sets the clock of node 0, as libfaketime writes it: `+3600`.
    pub fn set_clock(&self, offset: &str) {
        let draft = self.folder.join("clock.draft");
        fs::write(&draft, offset).unwrap();
        fs::rename(draft, self.folder.join("clock")).unwrap();
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// `http://host:port` of a node.
    pub fn url(&self, node: usize) -> String {
        format!("http://{}", self.nodes[node].http)
    }

    /// The same of all nodes, running or not.
    pub fn urls(&self) -> Vec<String> {
        (0..self.nodes.len()).map(|node| self.url(node)).collect()
    }

    /// The same of the querier.
    pub fn querier_url(&self) -> String {
        format!("http://{}", self.readers[0])
    }

    /// The nodes that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].running.is_some()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.shape.small_disk.is_some() {
            self.nodes.clear();
            let _ = Command::new("umount").arg("-l").arg(self.data_of(NAMES[0])).status();
        }
    }
}

fn signal(process: &Process, stop: bool) {
    let which = if stop { "-STOP" } else { "-CONT" };
    let status = Command::new("kill").arg(which).arg(process.pid().to_string()).status().unwrap();
    assert!(status.success());
}
