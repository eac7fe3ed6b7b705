//! Addresses of peers, in Thanos's syntax. <https://thanos.io/tip/thanos/service-discovery.md/#dns-service-discovery>

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name that DNS has, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// One peer: `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort(Arc<str>);

impl HostPort {
    /// A host by its name or address; `None` when it is neither.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Option<Self> {
        match host.parse::<IpAddr>() {
            Ok(ip) => Some(Self::from(SocketAddr::new(ip, port))),
            Err(_) => is_name(host).then(|| Self(format!("{host}:{port}").into())),
        }
    }

    /// `host:port`
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self(addr.to_string().into())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Where peers are: one of them by `host:port`, or names to look up: `dns+name:port`, `dnssrv+_service._proto.name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerAddr {
    text: String,
    pub(crate) way: Way,
}

/// How an address leads to peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is one.
    Peer(HostPort),
    /// Each A and AAAA record of the name is one, at this port.
    Addresses { name: String, port: u16 },
    /// Each SRV record of the name is one, at this port instead of the record's where one is given.
    Services { name: String, port: Option<u16> },
}

impl PeerAddr {
    /// Whether its peers are found by look-ups.
    #[must_use]
    pub fn is_looked_up(&self) -> bool {
        !matches!(self.way, Way::Peer(_))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PeerAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let way = way(text).ok_or_else(|| {
            format!(
                "an address of peers must be host:port, dns+name:port or dnssrv+_grpc._tcp.name, such as \
                 10.0.0.1:9095, not {text:?}"
            )
        });
        Ok(Self { way: way?, text: text.to_owned() })
    }
}

impl TryFrom<String> for PeerAddr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PeerAddr> for String {
    fn from(addr: PeerAddr) -> Self {
        addr.text
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn way(text: &str) -> Option<Way> {
    let Some((kind, rest)) = text.split_once('+') else {
        return host_and_port(text).map(Way::Peer);
    };
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) => (name, Some(valid_port(port)?)),
        None => (rest, None),
    };
    let name = Some(name).filter(|name| is_name(name))?.to_owned();
    match kind {
        "dns" => Some(Way::Addresses { name, port: port? }),
        // Thanos's second spelling leaves names to whoever connects, as both do here.
        "dnssrv" | "dnssrvnoa" => Some(Way::Services { name, port }),
        _ => None,
    }
}

fn host_and_port(text: &str) -> Option<HostPort> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return (addr.port() > 0).then(|| addr.into());
    }
    let (host, port) = text.rsplit_once(':')?;
    is_name(host).then(|| HostPort::new(host, valid_port(port)?))?
}

fn valid_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// Labels of letters, digits, `-` and `_`, which services have, with dots between, and perhaps one at the end.
fn is_name(name: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(may_be)
    };
    relative.len() <= MAX_NAME_BYTES && relative.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way_of(text: &str) -> Way {
        text.parse::<PeerAddr>().unwrap().way
    }

    #[test]
    fn each_syntax_of_thanos_is_read() {
        for peer in ["127.0.0.1:9095", "store-gateway.example:1", "[::1]:9095", "localhost:9095"] {
            assert!(matches!(way_of(peer), Way::Peer(found) if found.as_str() == peer), "{peer}");
        }
        let name = "gateways.monitoring.svc.".to_owned();
        assert_eq!(way_of("dns+gateways.monitoring.svc.:9095"), Way::Addresses { name, port: 9095 });
        for kind in ["dnssrv", "dnssrvnoa"] {
            let name = "_grpc._tcp.gateways".to_owned();
            let expected = Way::Services { name: name.clone(), port: None };
            assert_eq!(way_of(&format!("{kind}+_grpc._tcp.gateways")), expected);
            let expected = Way::Services { name, port: Some(7) };
            assert_eq!(way_of(&format!("{kind}+_grpc._tcp.gateways:7")), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is() {
        let bad = [
            "",
            "host",
            "http://host:1",
            "host:1/path",
            "host:port",
            "user@host",
            "a b:1",
            "host:0",
            "host:65536",
            "dns+host",
            "dns+host:port",
            "dns+:1",
            "dns+[::1]:1",
            "dnssrv+",
            "dnssrv+a..b",
            "dnssrv+a:",
            "srv+a:1",
            "dns +a:1",
            "::1:1",
            ":9095",
        ];
        for text in bad {
            let error = text.parse::<PeerAddr>().expect_err(text);
            assert!(error.contains("must be host:port, dns+name:port or dnssrv+"), "{error}");
            assert!(error.ends_with(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_host_that_an_answer_names_is_a_name_or_an_address() {
        let text = |host| HostPort::new(host, 1).map(|peer| peer.to_string());
        assert_eq!(text("pod-0.gateways."), Some("pod-0.gateways.:1".to_owned()));
        assert_eq!(text("::1"), Some("[::1]:1".to_owned()));
        for host in ["", ".", "a/b", "a b", "user@a", "ä", "a\\046b", &"a.".repeat(200)] {
            assert_eq!(text(host), None, "{host}");
        }
    }
}
