use latewood_base::Offload;
use latewood_proto::cluster::ClusterService;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::*;
use crate::ring::RingService;

const WIRE: ClusterWire = ClusterWire { max_message_bytes: 1 << 20, compress: true };

/// A node that listens, and where.
async fn listening() -> (Arc<RingService>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = RingService::new(Offload::inline());
    let server = ClusterService::server(Arc::clone(&service) as Arc<dyn ClusterApi>, WIRE);
    tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
    (service, address)
}

fn met(node: u64, address: &str) -> Met {
    Met { node, address: address.to_owned(), zone: "z".to_owned(), founders: 3, founding: None }
}

fn peers(addresses: &[&str]) -> Peers {
    let join_members = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Peers::new(&RingConfig { join_members, ..RingConfig::default() }, WIRE, Dialer::plain())
}

#[tokio::test]
async fn nodes_count_where_they_are_reached_as_they_say() {
    let ((one, at_one), (two, at_two), (silent, at_silent)) =
        (listening().await, listening().await, listening().await);
    let founding = ClusterRecord {
        cluster: Ulid::from_parts(1, 1),
        replication_factor: 3,
        shards: vec![1024],
        founders: Vec::new(),
        at_ms: 0,
    };
    one.introduce(met(1, &at_one));
    two.introduce(Met { founding: Some(founding.clone()), ..met(2, &at_two) });
    let all = peers(&[&at_one, &at_two, &at_silent, "127.0.0.1:1"]);
    let expected = [met(1, &at_one), Met { founding: Some(founding), ..met(2, &at_two) }];
    assert_eq!(all.meet().await, expected);
    // Known by one address, it names another, at which it answers.
    two.introduce(met(2, &at_silent));
    silent.introduce(met(2, &at_silent));
    assert_eq!(peers(&[&at_two]).meet().await, [met(2, &at_silent)]);
    // There another answers, or nobody.
    silent.introduce(met(3, &at_silent));
    assert_eq!(peers(&[&at_two]).meet().await, []);
    two.introduce(met(2, "127.0.0.1:1"));
    assert_eq!(peers(&[&at_two]).meet().await, []);
    two.introduce(met(2, "no address"));
    assert_eq!(peers(&[&at_two]).meet().await, []);
}

#[tokio::test]
async fn a_node_that_comes_back_elsewhere_is_found_again() {
    let (node, address) = listening().await;
    node.introduce(met(1, &address));
    let (book, shutdown) = (AddressBook::new(WIRE, Dialer::plain()), Shutdown::new());
    book.learn(1, "gone:1");
    let keeping = tokio::spawn(peers(&[&address]).keep_up(Arc::clone(&book), shutdown.clone()));
    while book.address(1).as_ref() != Some(&address) {
        tokio::task::yield_now().await;
    }
    shutdown.begin();
    keeping.await.unwrap();
}
