//! Where a listener listens, as it is written.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, lookup_host};

/// `host:port`, an address (`127.0.0.1:9009`, `[::1]:9009`), or `:port` for all addresses of the machine; a host's
/// name is looked up when the listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddr(String);

impl ListenAddr {
    /// Binds the first of the addresses that can be had.
    pub(crate) async fn bind(&self) -> std::io::Result<TcpListener> {
        match self.0.strip_prefix(':').and_then(|port| port.parse().ok()) {
            // IPv6's takes IPv4 too, where the machine has it.
            Some(port) => {
                let any =
                    [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), (Ipv4Addr::UNSPECIFIED, port).into()];
                TcpListener::bind(&any[..]).await
            }
            None => {
                let found: Vec<SocketAddr> = lookup_host(&self.0).await?.collect();
                TcpListener::bind(&found[..]).await
            }
        }
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no address: write host:port, such as 127.0.0.1:9009, or :9009 for all");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let is_ipv6 = host.starts_with('[') && text.parse::<SocketAddr>().is_ok();
        let is_name = !host.contains([':', '/', '[', ']', '@', ' ']);
        if is_ipv6 || is_name { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ListenAddr> for String {
    fn from(addr: ListenAddr) -> Self {
        addr.0
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self(addr.to_string())
    }
}

impl<I: Into<std::net::IpAddr>> From<(I, u16)> for ListenAddr {
    fn from(addr: (I, u16)) -> Self {
        SocketAddr::from(addr).into()
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_ports_alone_are_listened_on() {
        for text in ["127.0.0.1:0", "localhost:0", ":0"] {
            let listener = text.parse::<ListenAddr>().unwrap().bind().await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let caller = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            let (accepted, called) = tokio::join!(listener.accept(), caller);
            assert!(accepted.is_ok() && called.is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is() {
        for good in ["[::1]:9009", "0.0.0.0:1", "latewood.example:9009", ":65535"] {
            assert_eq!(good.parse::<ListenAddr>().unwrap().to_string(), good);
        }
        for bad in ["", "9009", "localhost", "a:b", ":65536", "http://a:1", "::1:9009", "[a]:1", "a b:1"] {
            let error = bad.parse::<ListenAddr>().unwrap_err();
            assert!(error.contains("write host:port") && error.contains(":9009"), "{bad}: {error}");
        }
    }
}
