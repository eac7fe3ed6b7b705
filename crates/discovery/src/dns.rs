//! Look-ups, on hickory's resolver.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver, system_conf};

use crate::addr::Way;
use crate::search::Search;
use crate::{DiscoveryConfig, HostPort, LookupError, PeerAddr};

/// The most peers that one name may have.
const MAX_PEERS: usize = 1_000;
/// How long a server may take for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks names up. Nothing is kept: each look-up asks the servers.
pub struct Dns {
    config: DiscoveryConfig,
    /// Made at the first look-up: who has fixed addresses alone needs no `resolv.conf`.
    asking: OnceLock<Asking>,
}

/// Whom to ask, and for which names.
struct Asking {
    resolver: TokioResolver,
    search: Search,
}

impl Dns {
    /// Asks the configured servers, or the machine's.
    #[must_use]
    pub fn new(config: &DiscoveryConfig) -> Self {
        Self { config: config.clone(), asking: OnceLock::new() }
    }

    /// The peers behind an address now; none when its name has no records.
    ///
    /// # Errors
    /// Why it is not known who they are.
    pub async fn peers(&self, addr: &PeerAddr) -> Result<BTreeSet<HostPort>, LookupError> {
        let name = match &addr.way {
            Way::Peer(peer) => return Ok(BTreeSet::from([peer.clone()])),
            Way::Addresses { name, .. } | Way::Services { name, .. } => name,
        };
        let asking = self.asking()?;
        let found = tokio::time::timeout(self.config.timeout(), asking.first_found(addr, name)).await;
        let found = found.map_err(|_| LookupError::Timeout(name.clone()))??;
        if found.len() > MAX_PEERS {
            return Err(LookupError::TooMany { name: name.clone(), found: found.len(), most: MAX_PEERS });
        }
        Ok(found)
    }

    fn asking(&self) -> Result<&Asking, LookupError> {
        if let Some(asking) = self.asking.get() {
            return Ok(asking);
        }
        let made = Asking::new(&self.config.dns_servers)?;
        Ok(self.asking.get_or_init(|| made))
    }
}

impl Asking {
    fn new(servers: &[SocketAddr]) -> Result<Self, LookupError> {
        let (servers, mut options) = if servers.is_empty() {
            system_conf::read_system_conf().map_err(LookupError::System)?
        } else {
            let servers = servers.iter().copied().map(name_server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        let search = Search {
            ndots: options.ndots,
            suffixes: servers.domain().into_iter().chain(servers.search()).map(ToString::to_string).collect(),
        };
        options.cache_size = 0;
        options.timeout = ATTEMPT_TIMEOUT;
        let mut builder = Resolver::builder_with_config(servers, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self { resolver: builder.build().map_err(LookupError::System)?, search })
    }

    /// The records of the first full name that has any. That none has is an answer only when each look-up gave one.
    async fn first_found(&self, addr: &PeerAddr, name: &str) -> Result<BTreeSet<HostPort>, LookupError> {
        for full in self.search.full_names(name) {
            // A name that could not be looked up is not one that has no records: what a later one has may be strangers.
            let peers = self.records(addr, &full).await?;
            if !peers.is_empty() {
                return Ok(peers);
            }
        }
        Ok(BTreeSet::new())
    }

    async fn records(&self, addr: &PeerAddr, full: &str) -> Result<BTreeSet<HostPort>, LookupError> {
        match &addr.way {
            Way::Peer(peer) => Ok(BTreeSet::from([peer.clone()])),
            Way::Addresses { port, .. } => {
                let (v4, v6) = tokio::join!(self.ask(full, RecordType::A), self.ask(full, RecordType::AAAA));
                // Servers that cannot speak of AAAA are common: one family's records are enough.
                let data = match (v4, v6) {
                    (Ok(v4), Ok(v6)) => [v4, v6].concat(),
                    (Ok(one), Err(_)) | (Err(_), Ok(one)) if !one.is_empty() => one,
                    (Err(error), _) | (_, Err(error)) => return Err(error),
                };
                let ips = data.iter().filter_map(RData::ip_addr);
                Ok(ips.map(|ip| SocketAddr::new(ip, *port).into()).collect())
            }
            Way::Services { port, .. } => {
                let data = self.ask(full, RecordType::SRV).await?;
                data.iter().filter_map(|data| target(full, data, *port)).collect()
            }
        }
    }

    async fn ask(&self, full: &str, record_type: RecordType) -> Result<Vec<RData>, LookupError> {
        match self.resolver.lookup(full, record_type).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if is_answer(&error) => Ok(Vec::new()),
            Err(source) => Err(LookupError::NoAnswer { name: full.to_owned(), source }),
        }
    }
}

/// The peer that an SRV record names. A single dot says that the service is not there.
/// <https://www.rfc-editor.org/rfc/rfc2782>
fn target(full: &str, data: &RData, port: Option<u16>) -> Option<Result<HostPort, LookupError>> {
    let RData::SRV(service) = data else { return None };
    if service.target.is_root() {
        return None;
    }
    // Without the dot at the end, which certificates and virtual hosts do not have.
    let target = service.target.to_ascii();
    let host = target.trim_end_matches('.');
    let peer = Some(port.unwrap_or(service.port))
        .filter(|port| *port > 0)
        .and_then(|port| HostPort::new(host, port));
    Some(peer.ok_or_else(|| LookupError::Target { name: full.to_owned(), target: host.to_owned() }))
}

/// Whether an error of the resolver's is the answer that there is nothing: servers that fail or refuse are no answer.
fn is_answer(error: &NetError) -> bool {
    use hickory_resolver::net::DnsError;
    use hickory_resolver::proto::op::ResponseCode;
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none))
        if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError))
}

fn name_server(addr: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = addr.port();
        connection
    });
    NameServerConfig::new(addr.ip(), true, connections.into())
}
