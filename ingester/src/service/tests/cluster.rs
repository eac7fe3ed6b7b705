//! Ingesters as a cluster, over real sockets: each block is uploaded once, leaders are followed by others, nodes go for good.

use std::collections::BTreeSet;

use futures::future::join_all;
use latewood_proto::cluster::{ClusterApi, ClusterService};
use latewood_proto::remote_write::encode::{EncoderV1, compress};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::limits::send;
use super::*;
use crate::Shard;
use crate::limits::LimitsConfig;
use crate::shard::group_of;

const SHARDS: u32 = 4;

/// A node: its disk and its address, and what runs there.
struct Member {
    dir: TempDir,
    address: String,
    limits: LimitsConfig,
    running: Option<(Node, Shutdown, JoinHandle<()>)>,
}

/// Nodes on one bucket.
struct Cluster {
    bucket: Bucket,
    addresses: Vec<String>,
    members: Vec<Member>,
}

impl Member {
    async fn start(&mut self, number: usize, bucket: &Bucket, addresses: &[String]) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        let ring = RingService::new(Offload::new(1));
        ring.listens_at(&self.address);
        let mut config = IngesterConfig::default();
        let wire = config.ring.wire(&config.group);
        let (stop, service) =
            (Shutdown::new(), ClusterService::server(ring.clone() as Arc<dyn ClusterApi>, wire));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.begun());
        let server = tokio::spawn(async move { drop(serving.await) });
        config.ring.join_members = addresses.iter().map(|address| address.parse().unwrap()).collect();
        config.ring.instance_addr = Some(self.address.clone());
        config.ring.instance_availability_zone = format!("zone-{}", number % 3);
        let join = config.ring;
        let limits = self.limits.clone();
        let change = |config: &mut IngesterConfig| {
            (config.ring, config.limits) = (join, limits);
            (config.group.heartbeat_ms, config.group.election_timeout_ms) = (50, 400);
        };
        let node = Node::try_start_in(Some(ring), self.dir.path(), bucket, SHARDS, change).await.unwrap();
        self.running = Some((node, stop, server));
    }

    /// Ends it at once: nobody is told.
    async fn end(&mut self) {
        let (node, stop, server) = self.running.take().unwrap();
        server.abort();
        stop.begin();
        node.ingester.stop().await;
    }
}

impl Cluster {
    async fn start(count: usize) -> Self {
        Self::start_limited(count, LimitsConfig::default()).await
    }

    async fn start_limited(count: usize, limits: LimitsConfig) -> Self {
        let listeners = join_all((0..count).map(|_| TcpListener::bind("127.0.0.1:0"))).await;
        let address =
            |listener: std::io::Result<TcpListener>| listener.unwrap().local_addr().unwrap().to_string();
        let addresses: Vec<String> = listeners.into_iter().map(address).collect();
        let member = |address: &String| Member {
            dir: tempfile::tempdir().unwrap(),
            address: address.clone(),
            limits: limits.clone(),
            running: None,
        };
        let mut cluster =
            Self { bucket: memory(), members: addresses.iter().map(member).collect(), addresses };
        let (bucket, addresses) = (&cluster.bucket, &cluster.addresses[..]);
        let members = cluster.members.iter_mut().enumerate();
        join_all(members.map(|(number, member)| member.start(number, bucket, addresses))).await;
        cluster.all_led().await;
        cluster
    }

    async fn restart(&mut self, number: usize) {
        self.members[number].start(number, &self.bucket, &self.addresses).await;
    }

    fn nodes(&self) -> Vec<&Node> {
        self.members.iter().filter_map(|member| member.running.as_ref()).map(|(node, ..)| node).collect()
    }

    /// Waits until each shard takes writes somewhere.
    async fn all_led(&self) {
        for _ in 0..3_000 {
            let led = |node: &&Node| {
                node.ingester.shards().into_iter().filter(|shard| takes_writes(shard)).collect::<Vec<_>>()
            };
            let led: BTreeSet<u32> = self.nodes().iter().flat_map(led).map(|shard| shard.place()).collect();
            if led.len() == SHARDS as usize {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not all shards are led");
    }

    /// Writes a sample of each of 60 series through a node.
    async fn write(&self, through: usize, step: i64, model: &mut Data) {
        let mut encoder = EncoderV1::new();
        for n in 0..60 {
            let (name, timestamp, value) =
                (n.to_string(), START_MS + step * 15_000, f64::from(n) + step as f64);
            encoder.series([("__name__", "up"), ("n", &*name)], &[Sample { timestamp, value }], &[]);
            let labels = Labels::from_pairs([("__name__", "up"), ("n", &*name)]);
            model.entry(labels.to_string()).or_default().insert(timestamp, value.to_bits());
        }
        let request = Request::post("/api/v1/write")
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .body(Body::from(compress(&encoder.finish()).unwrap()))
            .unwrap();
        let (node, ..) = self.members[through].running.as_ref().unwrap();
        let answer = node.ingester.routes().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    }

    /// What the leaders of all shards answer under a view. One that has handed its lead over meanwhile is not the last
    /// word.
    async fn read(&self, view: Option<&View>) -> Data {
        loop {
            self.all_led().await;
            let answers = join_all(self.nodes().into_iter().map(|node| node.read(view))).await;
            let moved =
                |answer: &Result<Data, StoreError>| matches!(answer, Err(StoreError::NotLeader { .. }));
            if !answers.iter().any(moved) {
                let all = answers.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>();
                let data: Data = all.iter().cloned().collect();
                assert_eq!(data.len(), all.len(), "two nodes answer for one series");
                return data;
            }
        }
    }

    /// Flushes all shards, each by its leader; again, where that is another one by then.
    async fn flush(&self) {
        let shards = || self.nodes().into_iter().flat_map(|node| node.ingester.shards());
        let is_flushed = |shard: &Arc<Shard>| {
            shard.head().open().is_empty() && shard.head().closed().iter().all(|closed| closed.flushed)
        };
        until("a flush of all shards", async || {
            join_all(shards().map(|shard| async move { drop(shard.flush(true).await) })).await;
            shards().all(|shard| is_flushed(&shard))
        })
        .await;
    }

    async fn view(&self) -> Arc<View> {
        self.nodes()[0].view().await
    }
}

fn takes_writes(shard: &Shard) -> bool {
    shard.leads() && shard.head().open().number() > 0
}

/// Waits for what others bring about.
async fn until(what: &str, done: impl AsyncFn() -> bool) {
    for _ in 0..3_000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_upload_a_block_once_and_all_let_go_of_it() {
    let (cluster, mut model) = (Cluster::start(3).await, Data::new());
    for step in 0..6 {
        cluster.write(step as usize % 3, step, &mut model).await;
    }
    assert_eq!(cluster.read(None).await, model);
    cluster.flush().await;
    let view = cluster.view().await;
    assert_eq!(view.blocks.len(), SHARDS as usize, "a block for each shard");
    assert_eq!(view.blocks.values().map(|block| block.samples).sum::<u64>(), 360);
    assert_eq!(cluster.read(Some(&view)).await, Data::new());
    for node in cluster.nodes() {
        node.outlive_lingering().await;
        for shard in node.ingester.shards() {
            let group = group_of(shard.place());
            until("the end of a flushed generation", async || shard.head().closed().is_empty()).await;
            until("the purge of its log", async || node.ingester.journal.bounds(group).purged.is_some())
                .await;
        }
        until("an empty disk", async || node.ingester.shards()[0].unflushed_bytes() == 0).await;
    }
    cluster.write(0, 6, &mut model).await;
    let newer = cluster.read(Some(&view)).await;
    assert!(newer.len() == 60 && newer.values().all(|samples| samples.len() == 1), "{newer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_is_followed_by_another_and_catches_up() {
    let (mut cluster, mut model) = (Cluster::start(3).await, Data::new());
    for dead in 0..3 {
        let step = dead as i64 * 10;
        cluster.write(dead, step, &mut model).await;
        cluster.members[dead].end().await;
        let through = (dead + 1) % 3;
        cluster.write(through, step + 1, &mut model).await;
        assert_eq!(cluster.read(None).await, model, "without node {dead}");
        cluster.restart(dead).await;
        cluster.write(dead, step + 2, &mut model).await;
        let whole = async || {
            let applied = |node: &&Node| {
                node.ingester.shards().iter().map(|shard| shard.group().applied()).collect::<Vec<_>>()
            };
            let applied: BTreeSet<_> = cluster.nodes().iter().map(applied).collect();
            applied.len() == 1 && cluster.nodes().iter().all(|node| node.ingester.readiness()())
        };
        until("the same state everywhere", whole).await;
    }
    assert_eq!(cluster.read(None).await, model);
    // Who flushes has not led for all of it.
    cluster.flush().await;
    let view = cluster.view().await;
    assert_eq!((view.blocks.len(), cluster.read(Some(&view)).await), (SHARDS as usize, Data::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_gives_its_shards_away_and_goes() {
    let (mut cluster, mut model) = (Cluster::start(4).await, Data::new());
    cluster.write(0, 0, &mut model).await;
    let ask = async |cluster: &Cluster, request: Request<Body>| {
        let (node, ..) = cluster.members[0].running.as_ref().unwrap();
        let answer = node.ingester.routes().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let path = "/ingester/prepare-shutdown";
    let get = || Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(ask(&cluster, get()).await, "unset\n");
    assert_eq!(ask(&cluster, Request::post(path).body(Body::empty()).unwrap()).await, "");
    until("a safe stop", async || ask(&cluster, get()).await.contains("safe to stop")).await;
    cluster.members[0].end().await;
    cluster.write(1, 1, &mut model).await;
    assert_eq!(cluster.read(None).await, model);
    for node in cluster.nodes() {
        assert_eq!(node.ingester.shards().len(), SHARDS as usize, "three nodes have three replicas of all");
        until("the node being forgotten", async || node.ring().await.members == 3).await;
    }
}

/// Each node leads some of the shards, and has a part of the limit: together they take all of it, and little more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaders_of_a_cluster_hold_a_tenant_to_its_series() {
    let limits = LimitsConfig { max_global_series_per_user: 400, ..LimitsConfig::default() };
    let mut cluster = Cluster::start_limited(3, limits).await;
    let (status, text, written) = send(cluster.nodes()[0], 0..400, 0).await;
    assert_eq!((status, written), (204, 400), "{text}");
    let (status, text, _) = send(cluster.nodes()[1], 0..2_000, 1).await;
    assert!(status == 400 && text.contains("series_limit"), "{status}: {text}");
    let stored = cluster.read(None).await.len();
    // Of a single shard, which is the widest a part may be, 100 and four deviations.
    assert!((400..=4 * 135).contains(&stored), "{stored}");
    // A freeze changes nothing, nor does another leader.
    cluster.flush().await;
    cluster.members[2].end().await;
    let known = async || send(cluster.nodes()[0], 0..400, 2).await.2 == 400;
    until("a write of all that are known", known).await;
    let (status, _, written) = send(cluster.nodes()[1], 2_000..4_000, 3).await;
    assert!(status == 400 && written <= 140, "{written}");
}

/// The node that takes a request takes its part of the rate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_of_a_cluster_takes_its_part_of_a_rate() {
    let limits = LimitsConfig { ingestion_rate: 90.0, ingestion_burst_size: 100, ..LimitsConfig::default() };
    let cluster = Cluster::start_limited(3, limits).await;
    let all = async || cluster.nodes()[0].ring().await.members == 3;
    until("all nodes", all).await;
    for node in cluster.nodes() {
        assert_eq!(send(node, 0..90, 0).await.0, 204);
        let (status, text, written) = send(node, 0..90, 1).await;
        assert!(status == 429 && written == 0 && text.contains("takes 30.0 a second"), "{status}: {text}");
        node.hand.advance(Duration::from_secs(3));
        assert_eq!(send(node, 0..90, 1).await.0, 204);
    }
}
