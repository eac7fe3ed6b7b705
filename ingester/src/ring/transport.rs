//! The way of groups to the replicas on other nodes, over gRPC.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::{ErrorKind, Kinded};
use latewood_cluster::{GroupId, Peer, Transport, TransportError};
use latewood_proto::cluster::wire::ReplicateRequest;
use latewood_proto::store::StoreError;
use parking_lot::Mutex;

use super::AddressBook;

/// Carries requests to the nodes of an address book; all groups share the connection to a node.
#[derive(Debug)]
pub struct GrpcTransport {
    own: u64,
    book: Arc<AddressBook>,
    /// Nodes that did not answer last.
    away: Mutex<BTreeSet<u64>>,
}

impl GrpcTransport {
    /// The way from the node `own`.
    #[must_use]
    pub fn new(own: u64, book: Arc<AddressBook>) -> Self {
        Self { own, book, away: Mutex::default() }
    }

    /// Logs when a node goes away, and when it is back.
    fn note(&self, peer: &Peer, error: Option<&StoreError>) {
        // A node that has no such replica is there.
        let is_away = error.is_some_and(|error| error.kind() != ErrorKind::NotFound);
        let mut away = self.away.lock();
        match error.filter(|_| is_away) {
            Some(error) if away.insert(peer.id) => tracing::warn!(%peer, %error, "a node cannot be reached"),
            None if away.remove(&peer.id) => tracing::info!(%peer, "a node is reached again"),
            _ => {}
        }
    }
}

#[async_trait]
impl Transport for GrpcTransport {
    async fn ask(&self, peer: &Peer, group: GroupId, request: Bytes) -> Result<Bytes, TransportError> {
        let unreachable = |reason: String| TransportError::Unreachable { peer: peer.clone(), reason };
        let node = self.book.node_at(peer.id, &peer.address);
        let node = node.ok_or_else(|| unreachable("it is not known where it is".to_owned()))?;
        let request = ReplicateRequest { group, from: self.own, to: peer.id, request };
        let answer = node.replicate(request).await;
        self.note(peer, answer.as_ref().err());
        match answer {
            Ok(answer) => Ok(answer.answer),
            Err(error) if error.kind() == ErrorKind::Timeout => {
                Err(TransportError::Lost { peer: peer.clone(), reason: error.to_string() })
            }
            Err(error) => Err(unreachable(error.to_string())),
        }
    }
}
