//! Groups of three nodes through real sockets: a leader is elected, entries are committed, nodes go and come back elsewhere.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Offload, Rng, Shutdown, Ulid};
use latewood_cluster::{ControlCommand, ControlState, Group, GroupConfig, Known, Member, Peer};
use latewood_proto::cluster::{ClusterApi, ClusterService, ClusterWire};
use latewood_wal::testing::{Loss, MemoryFiles};
use latewood_wal::{Journal, WalConfig};
use prometheus_client::registry::Registry;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::{AddressBook, GrpcTransport, Met, RingService};

const GROUP: u64 = 0;
const WIRE: ClusterWire = ClusterWire { max_message_bytes: 32 << 20, compress: true };

/// A node: its disk, and what runs on it.
struct Node {
    id: u64,
    address: String,
    files: MemoryFiles,
    group: Group<ControlState>,
    view: watch::Receiver<Known>,
    book: Arc<AddressBook>,
    stop: Shutdown,
    server: JoinHandle<()>,
}

impl Node {
    async fn start(id: u64, files: MemoryFiles) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (service, book) =
            (RingService::new(Offload::new(1)), AddressBook::new(WIRE, latewood_proto::Dialer::plain()));
        let met =
            Met { node: id, address: address.clone(), zone: String::new(), founders: 3, founding: None };
        service.introduce(met);
        let (state, view) = ControlState::new();
        let group = start_group(id, &files, &book, state).await;
        service.groups().insert(GROUP, Arc::new(group.clone()));
        let (stop, server) = (Shutdown::new(), ClusterService::server(service as Arc<dyn ClusterApi>, WIRE));
        let serving = Server::builder()
            .add_service(server)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.begun());
        let server = tokio::spawn(async move { drop(serving.await) });
        Self { id, address, files, group, view, book, stop, server }
    }

    /// Ends it; its disk stays.
    async fn end(self) -> MemoryFiles {
        self.stop.begin();
        self.group.shutdown().await;
        self.server.await.unwrap();
        self.files.crash(Loss::All, &Rng::seeded(self.id));
        self.files
    }

    fn peer(&self) -> Peer {
        Peer { id: self.id, address: self.address.clone() }
    }

    async fn sees(&self, generation: u64) {
        let mut view = self.view.clone();
        let seen = view.wait_for(|known| known.view.generation >= generation);
        let seen = tokio::time::timeout(Duration::from_secs(30), seen).await;
        assert!(seen.is_ok(), "node {}: {:?}", self.id, self.group.status());
    }
}

async fn start_group(
    id: u64,
    files: &MemoryFiles,
    book: &Arc<AddressBook>,
    state: ControlState,
) -> Group<ControlState> {
    let clock = Clock::manual(0).0;
    let config = WalConfig { segment_bytes: 1 << 20, ..WalConfig::default() };
    let journal = Journal::open_on(files.mount(), config, &Rng::seeded(1), &clock, &mut Registry::default());
    let transport = Arc::new(GrpcTransport::new(id, Arc::clone(book)));
    let config =
        GroupConfig { node_id: id, heartbeat_ms: 50, election_timeout_ms: 400, ..GroupConfig::default() };
    Group::start(GROUP, config, journal.unwrap().0, transport, Offload::new(1), state).await.unwrap()
}

/// The generation that a change made, by whoever leads.
async fn change(nodes: &[Node], command: ControlCommand) -> u64 {
    for _ in 0..3_000 {
        for node in nodes.iter().filter(|node| node.group.leader_term().is_some()) {
            if let Ok((_, made)) = node.group.propose(command.clone()).await {
                return made.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody leads: {:?}", nodes.iter().map(|node| node.group.status()).collect::<Vec<_>>());
}

fn member(name: &str) -> Member {
    Member::new(name, "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_through_sockets_and_go_on_when_one_is_gone_and_back_elsewhere() {
    let mut nodes = Vec::new();
    for id in [1, 2, 3] {
        nodes.push(Node::start(id, MemoryFiles::new()).await);
    }
    let peers: Vec<Peer> = nodes.iter().map(Node::peer).collect();
    for node in &nodes {
        node.group.form(&peers).await.unwrap();
    }
    let found = ControlCommand::Found {
        cluster: Ulid::from_parts(1, 1),
        replication_factor: 3,
        shards: vec![1024],
        members: Vec::new(),
    };
    let generation = change(&nodes, found).await;
    for node in &nodes {
        node.sees(generation).await;
        assert_eq!(node.view.borrow().view.cluster, Ulid::from_parts(1, 1));
    }
    // The leader ends; the others go on. A large entry is compressed on its way.
    let leader = nodes.iter().position(|node| node.group.leader_term().is_some()).unwrap();
    let gone = nodes.remove(leader);
    let id = gone.id;
    let files = gone.end().await;
    let large = ControlCommand::Join { node: 9, member: member(&"x".repeat(1 << 19)) };
    let generation = change(&nodes, large).await;
    // It comes back at another port, which it tells the others.
    let back = Node::start(id, files).await;
    for node in &nodes {
        node.book.learn(id, &back.address);
    }
    back.sees(generation).await;
    nodes.push(back);
    let views: Vec<_> = nodes.iter().map(|node| node.view.borrow().clone()).collect();
    assert!(views.iter().all(|view| view.view == views[2].view), "{:?}", views.len());
    for node in nodes {
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_or_has_no_replica_is_unreachable() {
    use latewood_cluster::{Transport, TransportError};

    let node = Node::start(1, MemoryFiles::new()).await;
    let transport = GrpcTransport::new(2, AddressBook::new(WIRE, latewood_proto::Dialer::plain()));
    let unreachable = async |peer: Peer, group| {
        let asked = transport.ask(&peer, group, "x".into()).await;
        assert!(matches!(asked, Err(TransportError::Unreachable { .. })), "{asked:?}");
    };
    unreachable(Peer { id: 1, address: String::new() }, GROUP).await;
    unreachable(Peer { id: 5, address: "127.0.0.1:1".to_owned() }, GROUP).await;
    unreachable(Peer { id: 7, address: node.address.clone() }, GROUP).await;
    unreachable(node.peer(), 77).await;
    // No request of a replica.
    unreachable(node.peer(), GROUP).await;
    node.end().await;
    // One that takes the request and goes may have done what it was asked.
    let breaks = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer { id: 8, address: breaks.local_addr().unwrap().to_string() };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = breaks.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let asked = transport.ask(&peer, GROUP, vec![1; 600_000].into()).await;
    assert!(matches!(asked, Err(TransportError::Lost { .. })), "{asked:?}");
}
