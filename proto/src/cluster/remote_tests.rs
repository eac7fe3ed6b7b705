//! Local and remote nodes look the same, over real sockets; what is lost on the way is told from what never arrived.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::{ErrorKind, Kinded};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::wire::{
    ChangeRequest, ChangeResponse, NotLeader, RefusedRow, ReplicateRequest, ReplicateResponse, WhoRequest,
    WhoResponse, WriteRequest, WriteResponse, Written, change_response, write_response,
};
use super::{ClusterApi, ClusterService, ClusterWire, RemoteCluster};
use crate::Dialer;
use crate::store::StoreError;

/// Sends back what it is sent, or fails as the text in it says.
struct Echo;

#[async_trait]
impl ClusterApi for Echo {
    async fn replicate(&self, request: ReplicateRequest) -> Result<ReplicateResponse, StoreError> {
        match &request.request[..] {
            b"nobody" => Err(StoreError::new(ErrorKind::NotFound, "not here")),
            b"slow" => Err(StoreError::new(ErrorKind::Timeout, "too slow")),
            _ => Ok(ReplicateResponse { answer: request.request }),
        }
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteResponse, StoreError> {
        let row = RefusedRow { row: 7, cause: "too_old".to_owned(), message: "ü".to_owned() };
        let outcome = match request.shard {
            0 => write_response::Outcome::Written(Written { refused: vec![row] }),
            1 => write_response::Outcome::NotLeader(NotLeader { leader: u64::MAX }),
            _ => return Err(StoreError::new(ErrorKind::Overloaded, "full")),
        };
        Ok(WriteResponse { outcome: Some(outcome) })
    }

    async fn who(&self, _: WhoRequest) -> Result<WhoResponse, StoreError> {
        let founding = Bytes::from_static(b"{}");
        Ok(WhoResponse { node: 1 << 63, address: "a:1".to_owned(), founding, ..WhoResponse::default() })
    }

    async fn change(&self, request: ChangeRequest) -> Result<ChangeResponse, StoreError> {
        let refused = String::from_utf8(request.command.to_vec()).unwrap();
        Ok(ChangeResponse { outcome: Some(change_response::Outcome::Refused(refused)) })
    }
}

const WIRE: ClusterWire = ClusterWire { max_message_bytes: 1 << 20, compress: true };

async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::builder().add_service(ClusterService::server(Arc::new(Echo), WIRE));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn replicate(bytes: impl Into<Bytes>) -> ReplicateRequest {
    ReplicateRequest { group: 3, from: 1, to: 2, request: bytes.into() }
}

#[tokio::test]
async fn answers_and_kinds_of_errors_are_the_same_near_and_far() {
    let address = serve().await;
    let nodes: [Arc<dyn ClusterApi>; 2] =
        [Arc::new(Echo), Arc::new(RemoteCluster::at(&address, WIRE, &Dialer::plain()))];
    let mut seen = Vec::new();
    for node in nodes {
        let large = Bytes::from(vec![7_u8; 900_000]);
        assert_eq!(node.replicate(replicate(large.clone())).await.unwrap().answer, large);
        let write = |shard| WriteRequest { shard, ..WriteRequest::default() };
        let change = ChangeRequest { command: Bytes::from_static(b"no"), ..ChangeRequest::default() };
        let told = |error: StoreError| (error.kind(), error.to_string());
        seen.push((
            node.replicate(replicate(&b"nobody"[..])).await.map_err(told),
            node.replicate(replicate(&b"slow"[..])).await.map_err(told),
            node.write(write(0)).await.map_err(told),
            node.write(write(1)).await.map_err(told),
            node.write(write(2)).await.map_err(told),
            node.who(WhoRequest {}).await.map_err(told),
            node.change(change).await.map_err(told),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1].4, Err((ErrorKind::Overloaded, "full".to_owned())));
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_as_too_large() {
    let remote = RemoteCluster::at(&serve().await, WIRE, &Dialer::plain());
    for bytes in [vec![0; 2 << 20], vec![7; (1 << 20) + 1]] {
        let error = remote.replicate(replicate(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}

#[tokio::test]
async fn what_was_lost_on_the_way_is_told_from_what_was_never_sent() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let error =
        RemoteCluster::at(&address, WIRE, &Dialer::plain()).replicate(replicate("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");

    let breaks = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = breaks.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = breaks.accept().await {
            // It takes the beginning of the request, and goes.
            let mut some = [0; 64];
            let _ = stream.read(&mut some).await;
        }
    });
    let error = RemoteCluster::at(&address, WIRE, &Dialer::plain())
        .replicate(replicate(vec![1; 600_000]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
