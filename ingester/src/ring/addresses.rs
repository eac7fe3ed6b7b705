//! Where the nodes are, and a connection to each, which all that is asked of it shares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use latewood_catalog::ClusterRecord;
use latewood_cluster::ClusterView;
use latewood_proto::Dialer;
use latewood_proto::cluster::{ClusterApi, ClusterWire, RemoteCluster};
use parking_lot::Mutex;

/// The other nodes, by their numbers.
pub trait Nodes: fmt::Debug + Send + Sync + 'static {
    /// A node, if it is known where it is.
    fn node(&self, node: u64) -> Option<Arc<dyn ClusterApi>>;
}

/// Where the nodes are. What was learned last counts: a node that comes back is where it says that it is.
#[derive(Debug)]
pub struct AddressBook {
    wire: ClusterWire,
    dialer: Dialer,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    nodes: BTreeMap<u64, (String, Arc<dyn ClusterApi>)>,
    /// What the view said last.
    viewed: BTreeMap<u64, String>,
}

impl fmt::Debug for Known {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.nodes.iter().map(|(node, (address, _))| (node, address))).finish()
    }
}

impl AddressBook {
    /// Knows nobody.
    #[must_use]
    pub fn new(wire: ClusterWire, dialer: Dialer) -> Arc<Self> {
        Arc::new(Self { wire, dialer, known: Mutex::default() })
    }

    /// A node is at `host:port`; one that was known there keeps its connection.
    pub fn learn(&self, node: u64, address: &str) {
        self.known.lock().learn(node, address, |address| self.connect(address));
    }

    /// Where the founders were.
    pub fn learn_founders(&self, founding: &ClusterRecord) {
        let mut known = self.known.lock();
        for founder in &founding.founders {
            known.learn(founder.node, &founder.address, |address| self.connect(address));
        }
    }

    /// Where a view has its members; what it said before is not learned again.
    pub fn learn_view(&self, view: &ClusterView) {
        let mut known = self.known.lock();
        for (node, member) in &view.members {
            if known.viewed.get(node) != Some(&member.address) {
                known.viewed.insert(*node, member.address.clone());
                known.learn(*node, &member.address, |address| self.connect(address));
            }
        }
    }

    fn connect(&self, address: &str) -> Arc<dyn ClusterApi> {
        Arc::new(RemoteCluster::at(address, self.wire, &self.dialer))
    }

    /// The nodes of which it is known where they are.
    #[must_use]
    pub fn nodes(&self) -> Vec<u64> {
        self.known.lock().nodes.keys().copied().collect()
    }

    /// `host:port` of a node.
    #[must_use]
    pub fn address(&self, node: u64) -> Option<String> {
        self.known.lock().nodes.get(&node).map(|(address, _)| address.clone())
    }

    /// A node; at `address` if it is not known where it is.
    pub(crate) fn node_at(&self, node: u64, address: &str) -> Option<Arc<dyn ClusterApi>> {
        let mut known = self.known.lock();
        if !known.nodes.contains_key(&node) && !address.is_empty() {
            known.learn(node, address, |address| self.connect(address));
        }
        known.nodes.get(&node).map(|(_, node)| Arc::clone(node))
    }
}

impl Known {
    fn learn(&mut self, node: u64, address: &str, connect: impl FnOnce(&str) -> Arc<dyn ClusterApi>) {
        if self.nodes.get(&node).is_none_or(|(known, _)| known != address) {
            self.nodes.insert(node, (address.to_owned(), connect(address)));
        }
    }
}

impl Nodes for AddressBook {
    fn node(&self, node: u64) -> Option<Arc<dyn ClusterApi>> {
        self.node_at(node, "")
    }
}

#[cfg(test)]
mod tests {
    use latewood_cluster::{Member, MemberStatus};

    use super::*;

    fn view(address: &str) -> ClusterView {
        let status = MemberStatus::Active;
        let member = Member { status, ..Member::new(address, "") };
        ClusterView { members: [(7, member)].into(), ..ClusterView::default() }
    }

    #[tokio::test]
    async fn what_a_node_says_of_itself_counts_until_the_view_says_something_new() {
        let book =
            AddressBook::new(ClusterWire { max_message_bytes: 1 << 20, compress: false }, Dialer::plain());
        let at = |book: &AddressBook| book.address(7);
        assert!(book.node(7).is_none() && book.node_at(7, "").is_none());
        assert!(book.node_at(7, "old:1").is_some());
        assert!(book.node_at(7, "older:1").is_some());
        assert_eq!(at(&book).as_deref(), Some("old:1"));
        book.learn_view(&view("viewed:1"));
        assert_eq!(at(&book).as_deref(), Some("viewed:1"));
        book.learn(7, "moved:1");
        let connection = book.node(7).unwrap();
        book.learn_view(&view("viewed:1"));
        book.learn(7, "moved:1");
        assert_eq!(at(&book).as_deref(), Some("moved:1"));
        assert!(Arc::ptr_eq(&connection, &book.node(7).unwrap()), "it keeps its connection");
        book.learn_view(&view("again:1"));
        assert_eq!(at(&book).as_deref(), Some("again:1"));
    }
}
