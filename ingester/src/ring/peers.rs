//! The other nodes as they are found: looked up by name, and asked who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use latewood_base::{Shutdown, Ulid};
use latewood_catalog::ClusterRecord;
use latewood_discovery::{Dns, PeerAddr};
use latewood_proto::Dialer;
use latewood_proto::cluster::wire::{WhoRequest, WhoResponse};
use latewood_proto::cluster::{ClusterApi, ClusterWire, RemoteCluster};
use parking_lot::Mutex;

use super::{AddressBook, RingConfig};

/// How long a node may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many connections are kept; addresses may change for as long as the process lives.
const MAX_CONNECTIONS: usize = 2_000;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its number.
    pub node: u64,
    /// `host:port` at which it says that others reach it.
    pub address: String,
    /// What may fail as a whole.
    pub zone: String,
    /// How many nodes it waits for before a cluster is founded.
    pub founders: usize,
    /// The founding of its cluster, if it is of one.
    pub founding: Option<ClusterRecord>,
}

impl Met {
    /// The cluster that the node is of.
    #[must_use]
    pub fn cluster(&self) -> Option<Ulid> {
        self.founding.as_ref().map(|founding| founding.cluster)
    }
}

/// A way to find other nodes.
#[async_trait]
pub trait Meeting: Send + Sync {
    /// The nodes that answer now where they say that they are; this one may be among them.
    async fn meet(&self) -> Vec<Met>;
}

/// The nodes behind the configured addresses.
pub struct Peers {
    members: Vec<PeerAddr>,
    dns: Dns,
    wire: ClusterWire,
    dialer: Dialer,
    interval: Duration,
    connections: Mutex<BTreeMap<String, Arc<dyn ClusterApi>>>,
}

impl Peers {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new(config: &RingConfig, wire: ClusterWire, dialer: Dialer) -> Self {
        Self {
            members: config.join_members.clone(),
            dns: Dns::new(&config.join_sd),
            wire,
            dialer,
            interval: Duration::from_secs(config.join_sd.dns_interval_seconds),
            connections: Mutex::default(),
        }
    }

    /// Keeps an address book up to date until the signal: a node may come back elsewhere while nobody can agree on it.
    pub async fn keep_up(self, book: Arc<AddressBook>, shutdown: Shutdown) {
        let rounds = async {
            loop {
                for met in self.meet().await {
                    book.learn(met.node, &met.address);
                }
                tokio::time::sleep(self.interval).await;
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = rounds => {}
        }
    }

    /// Who is behind the names now. A name that cannot be looked up has nobody.
    async fn addresses(&self) -> BTreeSet<String> {
        let found = join_all(self.members.iter().map(|member| self.dns.peers(member))).await;
        let mut addresses = BTreeSet::new();
        for (member, found) in self.members.iter().zip(found) {
            match found {
                Ok(found) => addresses.extend(found.iter().map(ToString::to_string)),
                Err(error) => tracing::warn!(%member, %error, "the cluster's members cannot be looked up"),
            }
        }
        addresses
    }

    async fn ask(&self, address: &str) -> Option<Met> {
        let node = {
            let mut connections = self.connections.lock();
            if connections.len() > MAX_CONNECTIONS {
                connections.clear();
            }
            let connect =
                || -> Arc<dyn ClusterApi> { Arc::new(RemoteCluster::at(address, self.wire, &self.dialer)) };
            Arc::clone(connections.entry(address.to_owned()).or_insert_with(connect))
        };
        let answer = tokio::time::timeout(PATIENCE, node.who(WhoRequest {})).await.ok()?;
        let met = answer.map_err(|error| error.to_string()).and_then(read);
        met.inspect_err(|error| tracing::debug!(address, error, "does not say which node it is")).ok()
    }

    /// Who answers at an address, if it is reached where it says, too.
    async fn meet_at(&self, address: &str) -> Option<Met> {
        let met = self.ask(address).await?;
        if met.address == address {
            return Some(met);
        }
        match self.ask(&met.address).await {
            Some(there) if there.node == met.node => Some(there),
            _ => {
                tracing::warn!(
                    node = %format_args!("{:016x}", met.node),
                    address,
                    says = met.address,
                    "a node is not reached where it says (its ring.instance_addr): it does not count"
                );
                None
            }
        }
    }
}

#[async_trait]
impl Meeting for Peers {
    async fn meet(&self) -> Vec<Met> {
        let addresses = self.addresses().await;
        let asked: Vec<_> = addresses.iter().map(|address| self.meet_at(address)).collect();
        let mut met: Vec<Met> = join_all(asked).await.into_iter().flatten().collect();
        met.sort_by(|a, b| (a.node, &a.address).cmp(&(b.node, &b.address)));
        // A node may have several addresses.
        met.dedup_by(|a, b| a.node == b.node && a.address == b.address);
        met
    }
}

fn read(answer: WhoResponse) -> Result<Met, String> {
    let WhoResponse { node, address, zone, founders, founding, .. } = answer;
    let founding = if founding.is_empty() {
        None
    } else {
        Some(serde_json::from_slice(&founding).map_err(|error| format!("its founding: {error}"))?)
    };
    if node == 0 || !super::config::is_one_peer(&address) {
        return Err(format!("it says that it is node {node} at {address:?}"));
    }
    Ok(Met { node, address, zone, founders: founders as usize, founding })
}

#[cfg(test)]
mod tests;
