//! A node in another process: [`ClusterApi`] over a gRPC channel.

use std::error::Error;

use async_trait::async_trait;
use latewood_base::ErrorKind;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::ClusterApi;
use super::wire::cluster_client::ClusterClient;
use super::wire::{
    ChangeRequest, ChangeResponse, ReplicateRequest, ReplicateResponse, WhoRequest, WhoResponse,
    WriteRequest, WriteResponse,
};
use crate::Dialer;
use crate::store::{StoreError, error_from_status, is_from_a_peer, take};

/// Requests of so many bytes are compressed: smaller ones are not worth it, and larger ones would hold up a thread of the
/// runtime for many milliseconds.
const COMPRESSED: std::ops::RangeInclusive<usize> = (4 << 10)..=(1 << 20);

/// What a message has beside its bytes, at most.
const ENVELOPE: usize = 256;

/// Bounds on messages between nodes; both ends have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterWire {
    /// The largest message that is sent or taken, in bytes after decompression.
    pub max_message_bytes: usize,
    /// Whether requests of 4 KiB to 1 MiB are compressed with zstd; they are always understood.
    pub compress: bool,
}

/// A node at the other end of a channel. Clones share the connection.
#[derive(Clone, Debug)]
pub struct RemoteCluster {
    plain: ClusterClient<Channel>,
    packed: ClusterClient<Channel>,
    max_message_bytes: usize,
}

impl RemoteCluster {
    /// Speaks over this channel, which connects and reconnects by itself.
    #[must_use]
    pub fn new(channel: Channel, wire: ClusterWire) -> Self {
        let plain = ClusterClient::new(channel)
            .max_decoding_message_size(wire.max_message_bytes)
            .max_encoding_message_size(wire.max_message_bytes);
        let packed = plain.clone();
        let packed = if wire.compress { packed.send_compressed(CompressionEncoding::Zstd) } else { packed };
        Self { plain, packed, max_message_bytes: wire.max_message_bytes }
    }

    /// The node at `host:port`, over a connection of its own.
    #[must_use]
    pub fn at(address: &str, wire: ClusterWire, dialer: &Dialer) -> Self {
        Self::new(crate::near_channel(address, dialer), wire)
    }

    /// What sends a message with so many bytes in it.
    fn sending(&self, bytes: usize) -> Result<ClusterClient<Channel>, StoreError> {
        // The transport would break the connection off.
        if bytes + ENVELOPE > self.max_message_bytes {
            let text = format!("a message of {bytes} bytes is above the limit of {}", self.max_message_bytes);
            return Err(StoreError::new(ErrorKind::TooLarge, text));
        }
        Ok(if COMPRESSED.contains(&bytes) { self.packed.clone() } else { self.plain.clone() })
    }
}

/// What a connection that broke, or a request that was cut short, says: the node may have done what was asked.
fn is_lost(status: &Status) -> bool {
    let broke = status.code() == Code::Internal && status.source().is_some();
    !is_from_a_peer(status)
        && (broke || matches!(status.code(), Code::Unknown | Code::Cancelled | Code::DeadlineExceeded))
}

#[async_trait]
impl ClusterApi for RemoteCluster {
    async fn replicate(&self, request: ReplicateRequest) -> Result<ReplicateResponse, StoreError> {
        let answer = self.sending(request.request.len())?.replicate(request).await;
        answer.map(Response::into_inner).map_err(|status| {
            if is_lost(&status) {
                StoreError::new(ErrorKind::Timeout, format!("{}: {}", status.code(), status.message()))
            } else {
                error_from_status(&status)
            }
        })
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteResponse, StoreError> {
        take(self.sending(request.part.len())?.write(request).await)
    }

    async fn who(&self, request: WhoRequest) -> Result<WhoResponse, StoreError> {
        take(self.plain.clone().who(request).await)
    }

    async fn change(&self, request: ChangeRequest) -> Result<ChangeResponse, StoreError> {
        take(self.plain.clone().change(request).await)
    }
}
