//! Connections to other processes.

use std::io;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::Dialer;
use crate::dialer::dial;

/// Bytes of all streams of a connection together that may be under way: as many as there can be.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How long things may take.
struct Patience {
    /// Opening a connection.
    connect: Duration,
    /// How often an idle connection is asked whether it lives.
    ask: Duration,
    /// How long it may take to say so.
    answer: Duration,
}

/// With any process.
const FAR: Patience = Patience {
    connect: Duration::from_secs(5),
    ask: Duration::from_secs(10),
    answer: Duration::from_secs(10),
};

/// With a node of the same cluster, of which another takes the place when it is gone.
const NEAR: Patience =
    Patience { connect: Duration::from_secs(1), ask: Duration::from_secs(1), answer: Duration::from_secs(3) };

/// The way to the process at `host:port`. The connection is opened when it is first needed, and again when it breaks, its
/// name looked up anew: one that is not there yet keeps nobody from starting.
#[must_use]
pub fn channel(peer: &str, dialer: &Dialer) -> Channel {
    open(peer, &FAR, dialer)
}

/// The same to a node of the same cluster: that it is gone is seen within seconds.
#[must_use]
pub fn near_channel(peer: &str, dialer: &Dialer) -> Channel {
    open(peer, &NEAR, dialer)
}

fn open(peer: &str, patience: &Patience, dialer: &Dialer) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{peer}"));
    let endpoint = endpoint.unwrap_or_else(|error| {
        // Every host and port is an address; were one none, whoever asks it must get an error and not less.
        tracing::error!(peer, %error, "a peer cannot be reached: its address is none");
        Endpoint::from_static("http://0.0.0.0:0")
    });
    let endpoint = endpoint
        .connect_timeout(patience.connect)
        .tcp_nodelay(true)
        // Streams have windows of their own; one for all of them would let a stream that nobody reads hold up the others.
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(patience.ask)
        .keep_alive_timeout(patience.answer)
        .keep_alive_while_idle(true);
    if dialer.tls().is_none() {
        return endpoint.connect_lazy();
    }
    let dialer = dialer.clone();
    endpoint.connect_with_connector_lazy(service_fn(move |uri| {
        let tls = dialer.tls();
        async move {
            let tls = tls.ok_or_else(|| io::Error::other("TLS is not there any more"))?;
            dial(uri, tls).await
        }
    }))
}
