use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use latewood_testkit::DnsServer;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::*;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const C: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A watcher over a server, and what it tells.
struct Watched {
    watcher: Watcher,
    told: mpsc::UnboundedReceiver<Vec<String>>,
    registry: Registry,
    asked: LookUpAgain,
}

impl Watched {
    fn new(server: &DnsServer, addrs: &[&str]) -> Self {
        let config = DiscoveryConfig { dns_servers: vec![server.addr()], ..Default::default() };
        let addrs: Vec<PeerAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        let (sender, told) = mpsc::unbounded_channel();
        let (mut registry, asked) = (Registry::default(), LookUpAgain::default());
        let metrics = Metrics::new(&mut registry);
        let on_change = move |peers: &BTreeSet<HostPort>| {
            sender.send(peers.iter().map(ToString::to_string).collect()).unwrap();
        };
        let dns = Arc::new(Dns::new(&config));
        let mut watcher = Watcher::new(&addrs, dns, &config, asked.clone(), metrics, on_change);
        watcher.min_interval = Duration::from_millis(10);
        Self { watcher, told, registry, asked }
    }

    /// What one round tells; nothing when nobody came or went.
    async fn round(&mut self) -> Option<Vec<String>> {
        self.watcher.look_up().await;
        self.told.try_recv().ok()
    }

    fn metric(&self, name: &str) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit_once(' ').unwrap().1.to_owned()
    }
}

fn texts(peers: &[&str]) -> Option<Vec<String>> {
    Some(peers.iter().map(|&peer| peer.to_owned()).collect())
}

#[tokio::test]
async fn addresses_come_and_go_and_a_failure_keeps_them() {
    let server = DnsServer::start().await.unwrap();
    let mut watched = Watched::new(&server, &["dns+gateways.test.:9095", "10.9.9.9:1"]);
    assert_eq!(watched.round().await, texts(&["10.9.9.9:1"]), "a name without records");
    server.set_addresses("gateways.test.", &[A, C]).unwrap();
    assert_eq!(watched.round().await, texts(&["10.0.0.1:9095", "10.9.9.9:1", "[::1]:9095"]));
    assert_eq!(watched.round().await, None, "nobody came or went");
    server.set_addresses("gateways.test.", &[B]).unwrap();
    assert_eq!(watched.round().await, texts(&["10.0.0.2:9095", "10.9.9.9:1"]));

    server.set_failing(true);
    assert_eq!(watched.round().await, None, "a failure takes nobody away");
    let results = "dns_provider_results{addr=\"dns+gateways.test.:9095\"}";
    assert_eq!((watched.metric("dns_failures_total"), watched.metric(results)), ("1".into(), "1".into()));
    assert_eq!(watched.metric("dns_lookups_total"), "5");

    server.set_failing(false);
    server.set_addresses("gateways.test.", &[]).unwrap();
    assert_eq!(watched.round().await, texts(&["10.9.9.9:1"]), "that there is nobody is an answer");
    assert_eq!(watched.metric(results), "0");
}

#[tokio::test]
async fn services_are_targets_with_their_ports() {
    let server = DnsServer::start().await.unwrap();
    let name = "_grpc._tcp.ingesters.test.";
    let mut watched = Watched::new(&server, &["dnssrv+_grpc._tcp.ingesters.test."]);
    server.set_services(name, &[("pod-1.test.", 9096), ("pod-0.test.", 9095)]).unwrap();
    assert_eq!(watched.round().await, texts(&["pod-0.test:9095", "pod-1.test:9096"]));
    // A port that is none is not passed over: nobody would know that it is missing.
    server.set_services(name, &[("pod-0.test.", 9095), ("pod-1.test.", 0)]).unwrap();
    assert_eq!(watched.round().await, None);
    assert_eq!(watched.metric("dns_failures_total"), "1");
    // RFC 2782: a service that is decidedly not there.
    server.set_services(name, &[(".", 0)]).unwrap();
    assert_eq!(watched.round().await, texts(&[]));
    let mut with_port = Watched::new(&server, &["dnssrvnoa+_grpc._tcp.ingesters.test.:7"]);
    server.set_services(name, &[("pod-0.test.", 9095)]).unwrap();
    assert_eq!(with_port.round().await, texts(&["pod-0.test:7"]));
}

#[tokio::test]
async fn one_name_that_fails_leaves_the_others() {
    let server = DnsServer::start().await.unwrap();
    server.set_addresses("a.test.", &[A]).unwrap();
    server.set_services("b.test.", &[("pod-0.test.", 0)]).unwrap();
    let mut watched = Watched::new(&server, &["dnssrv+b.test.", "dns+a.test.:1"]);
    assert_eq!(watched.round().await, texts(&["10.0.0.1:1"]));
    assert_eq!(
        (watched.metric("dns_lookups_total"), watched.metric("dns_failures_total")),
        ("2".into(), "1".into())
    );
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_as_long_as_is_set() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns_servers = vec![silent.local_addr().unwrap()];
    let config = DiscoveryConfig { dns_servers, dns_timeout_seconds: 1, ..Default::default() };
    let peers = Dns::new(&config).peers(&"dns+a.test.:1".parse().unwrap()).await;
    assert_eq!(peers.unwrap_err().to_string(), "no DNS server answered for a.test. in time");
}

#[tokio::test]
async fn a_round_can_be_asked_for_and_the_signal_ends_them() {
    let server = DnsServer::start().await.unwrap();
    server.set_addresses("a.test.", &[A]).unwrap();
    let mut watched = Watched::new(&server, &["dns+a.test.:1"]);
    assert_eq!(watched.round().await, texts(&["10.0.0.1:1"]));
    let Watched { watcher, mut told, asked, .. } = watched;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(watcher.run(shutdown.child()));
    server.set_addresses("a.test.", &[A, B]).unwrap();
    asked.ask();
    let changed = tokio::time::timeout(Duration::from_secs(10), told.recv()).await;
    assert_eq!(changed.expect("long before the interval is over"), texts(&["10.0.0.1:1", "10.0.0.2:1"]));
    shutdown.begin();
    running.await.unwrap();
}

#[tokio::test]
async fn rounds_come_by_themselves() {
    let server = DnsServer::start().await.unwrap();
    let mut watched = Watched::new(&server, &["dns+a.test.:1"]);
    watched.watcher.interval = Duration::from_millis(20);
    let running = tokio::spawn(watched.watcher.run(Shutdown::new()));
    assert_eq!(watched.told.recv().await, texts(&[]));
    server.set_addresses("a.test.", &[A]).unwrap();
    assert_eq!(watched.told.recv().await, texts(&["10.0.0.1:1"]));
    running.abort();
}
