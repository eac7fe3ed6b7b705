//! The stores that a querier asks: the local one and those of other processes, who come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latewood_base::{Shutdown, Tasks};
use latewood_catalog::Catalogs;
use latewood_discovery::{DiscoveryConfig, Dns, HostPort, LookUpAgain, Metrics, PeerAddr, Watcher};
use latewood_proto::Dialer;
use latewood_proto::deletion::RemoteDeletion;
use latewood_proto::store::{RemoteStore, WireLimits};
use latewood_querier::{NamedStore, Stores};

use super::Context;
use super::reporting::Reporting;

/// The name of the store in this process.
pub const LOCAL: &str = "local";

/// Finds the stores of other processes.
pub struct Peers {
    config: DiscoveryConfig,
    limits: WireLimits,
    dialer: Dialer,
    dns: Arc<Dns>,
    catalogs: Arc<Catalogs>,
    metrics: Metrics,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Peers {
    /// Registers the metrics of look-ups.
    pub fn new(context: &mut Context) -> Self {
        let querier = &context.config.querier;
        Self {
            config: querier.store_sd.clone(),
            limits: querier.wire,
            dialer: context.dialer.clone(),
            dns: Arc::new(Dns::new(&querier.store_sd)),
            catalogs: Arc::clone(&context.catalogs),
            metrics: Metrics::new(context.registry.sub_registry_with_prefix("latewood_querier")),
            shutdown: context.shutdown.child(),
            tasks: context.tasks.clone(),
        }
    }

    /// The local store and those behind these addresses, kept up to date until the process stops. Returns after the
    /// first look-up; one that fails keeps nobody from starting.
    pub async fn follow(&self, addrs: &[PeerAddr], local: Option<NamedStore>) -> Stores {
        let (stores, asked) = (Stores::default(), LookUpAgain::default());
        let (limits, dialer) = (self.limits, self.dialer.clone());
        let mut connections =
            Connections { local, remote: BTreeMap::new(), limits, dialer, asked: asked.clone() };
        let (known, catalogs) = (stores.clone(), Arc::clone(&self.catalogs));
        let on_change = move |peers: &BTreeSet<HostPort>| {
            // Who goes tells nobody any more what it flushed. First this, so that whoever does not ask it reads it.
            if connections.lose(peers) {
                catalogs.doubt_views();
            }
            known.set(connections.to(peers));
        };
        let (dns, metrics) = (Arc::clone(&self.dns), self.metrics.clone());
        let mut watcher = Watcher::new(addrs, dns, &self.config, asked, metrics, on_change);
        watcher.look_up().await;
        self.tasks.spawn("peer discovery", watcher.run(self.shutdown.child()));
        stores
    }
}

/// Connections to the peers that are known.
struct Connections {
    local: Option<NamedStore>,
    remote: BTreeMap<HostPort, NamedStore>,
    limits: WireLimits,
    dialer: Dialer,
    asked: LookUpAgain,
}

impl Connections {
    /// Whether one of them is not among these peers.
    fn lose(&self, peers: &BTreeSet<HostPort>) -> bool {
        self.remote.keys().any(|peer| !peers.contains(peer))
    }

    /// Connects to those that came and lets go of those that went; requests that run end first. The others keep
    /// their connections.
    fn to(&mut self, peers: &BTreeSet<HostPort>) -> Vec<NamedStore> {
        self.remote.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            let connect = || {
                let channel = latewood_proto::channel(peer.as_str(), &self.dialer);
                let store = RemoteStore::new(channel.clone(), &self.limits);
                let api = Arc::new(Reporting::new(store, self.asked.clone()));
                let deletion = Arc::new(RemoteDeletion::new(channel));
                NamedStore { name: peer.as_str().into(), api, deletion: Some(deletion) }
            };
            self.remote.entry(peer.clone()).or_insert_with(connect);
        }
        self.local.iter().chain(self.remote.values()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_stay_keep_their_connections() {
        let (limits, asked) = (WireLimits::default(), LookUpAgain::default());
        let mut connections =
            Connections { local: None, remote: BTreeMap::new(), limits, dialer: Dialer::plain(), asked };
        let peers = |ports: &[u16]| ports.iter().map(|&port| HostPort::new("a", port).unwrap()).collect();
        assert!(!connections.lose(&peers(&[1, 2])));
        let before = connections.to(&peers(&[1, 2]));
        assert!(connections.lose(&peers(&[2, 3])) && !connections.lose(&peers(&[1, 2, 3])));
        let after = connections.to(&peers(&[2, 3]));
        let names =
            |stores: &[NamedStore]| stores.iter().map(|store| store.name.to_string()).collect::<Vec<_>>();
        assert_eq!(
            (names(&before), names(&after)),
            (vec!["a:1".into(), "a:2".into()], vec!["a:2".into(), "a:3".into()])
        );
        assert!(Arc::ptr_eq(&before[1].api, &after[0].api));
        assert_eq!(Arc::strong_count(&before[0].api), 1, "let go of");
    }
}
