//! Stores in other processes, reached over gRPC.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use latewood_proto::store::{RemoteStore, StoreApi, WireLimits};
use tonic::transport::Endpoint;

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an idle connection is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The stores at these addresses. Connections are opened when they are first needed, and again when they
/// break: a store that is not there yet keeps nobody from starting.
///
/// # Errors
/// An address that is none.
pub fn stores(addrs: &[String], limits: &WireLimits) -> anyhow::Result<Vec<Arc<dyn StoreApi>>> {
    addrs.iter().map(|addr| store(addr, limits)).collect()
}

fn store(addr: &str, limits: &WireLimits) -> anyhow::Result<Arc<dyn StoreApi>> {
    let wrong = || format!("the address of a store must be host:port, such as 10.0.0.1:9095, not {addr:?}");
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).with_context(wrong)?;
    let uri = endpoint.uri();
    let is_bare = uri.authority().is_some_and(|authority| authority.as_str() == addr);
    anyhow::ensure!(is_bare && uri.port_u16().is_some(), wrong());
    let channel = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .connect_lazy();
    Ok(Arc::new(RemoteStore::new(channel, limits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:9095", "store-gateway.example:1", "[::1]:9095"] {
            assert!(stores(&[good.to_owned()], &WireLimits::default()).is_ok(), "{good}");
        }
        for bad in ["", "host", "http://host:1", "host:1/path", "host:port", "user@host", "a b:1"] {
            let error = stores(&[bad.to_owned()], &WireLimits::default()).err().expect(bad);
            assert!(format!("{error:#}").contains("must be host:port"), "{bad}: {error:#}");
        }
    }
}
