//! A store in another process, reached over gRPC.

use std::time::Duration;

use latewood_discovery::HostPort;
use tonic::transport::{Channel, Endpoint};

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of all streams of a connection together that may be under way: as many as there can be.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How often an idle connection is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The way to this address. The connection is opened when it is first needed, and again when it breaks, its name
/// looked up anew: a store that is not there yet keeps nobody from starting.
pub fn channel(peer: &HostPort) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{peer}"));
    let endpoint = endpoint.unwrap_or_else(|error| {
        // Every host and port is an address; were one none, whoever asks it must get an error and not less.
        tracing::error!(%peer, %error, "a peer cannot be reached: its address is none");
        Endpoint::from_static("http://0.0.0.0:0")
    });
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        // Streams have windows of their own; one for all of them would let a stream that nobody reads hold up the others.
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .connect_lazy()
}
