//! Where the nodes of a cluster live: on the loopback, or in network namespaces on a bridge, whose ways can be cut.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Frames to it go nowhere.
const NOBODY: &str = "02:00:00:00:00:01";
/// The device of a node in its namespace.
const DEVICE: &str = "eth0";

const HTTP_PORT: u16 = 9009;
/// Of all nodes.
pub const GRPC_PORT: u16 = 9095;

/// A network for nodes, which are numbered from 0.
pub enum Network {
    /// All on the loopback, with these three numbers first in their addresses: nothing can be cut.
    Loopback(String),
    /// Each node in a namespace of its own; this process, queriers and store-gateways are on the bridge between them.
    Bridge(Bridge),
}

/// Needs root and iproute2. Deletes what it made when it is dropped.
pub struct Bridge {
    name: String,
    /// The first three numbers of the addresses.
    net: String,
    nodes: usize,
}

impl Network {
    /// On the loopback.
    pub fn loopback() -> Self {
        let number = number();
        Self::Loopback(format!("127.{}.{}", 1 + number / 250 % 250, number % 250))
    }

    /// A host for what is no node.
    pub fn host(&self) -> String {
        match self {
            Self::Loopback(_) => "127.0.0.1".to_owned(),
            Self::Bridge(bridge) => bridge.address(None),
        }
    }

    /// HTTP and gRPC addresses for a node, which stay the same.
    pub fn node(&self, node: usize) -> (String, String) {
        let host = match self {
            Self::Loopback(net) => address(net, Some(node)),
            Self::Bridge(bridge) => bridge.address(Some(node)),
        };
        (format!("{host}:{HTTP_PORT}"), format!("{host}:{GRPC_PORT}"))
    }

    /// The binary as it is started for a node.
    pub fn command(&self, node: usize) -> Command {
        let binary = env!("CARGO_BIN_EXE_latewood");
        match self {
            Self::Loopback(_) => Command::new(binary),
            Self::Bridge(bridge) => {
                // It becomes the program: the process has the number of `ip`.
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &bridge.namespace(node), binary]);
                command
            }
        }
    }

    /// The bridge.
    pub fn bridge(&self) -> &Bridge {
        match self {
            Self::Loopback(_) => panic!("the loopback cannot be cut"),
            Self::Bridge(bridge) => bridge,
        }
    }
}

impl Bridge {
    /// Namespaces for so many nodes.
    pub fn new(nodes: usize) -> Self {
        let number = number();
        let net = format!("10.{}.{}", 100 + number / 250 % 150, number % 250);
        let bridge = Self { name: format!("lw{number}"), net, nodes };
        bridge.remove();
        bridge.make();
        bridge
    }

    fn make(&self) {
        let name = &self.name;
        ip(&format!("link add {name} type bridge"));
        ip(&format!("addr add {}/24 dev {name}", self.address(None)));
        ip(&format!("link set {name} up"));
        for node in 0..self.nodes {
            let (namespace, port) = (self.namespace(node), self.port(node));
            ip(&format!("netns add {namespace}"));
            ip(&format!("link add {port} type veth peer name {DEVICE} netns {namespace}"));
            ip(&format!("link set {port} master {name} up"));
            ip(&format!("-n {namespace} addr add {}/24 dev {DEVICE}", self.address(Some(node))));
            ip(&format!("-n {namespace} link set {DEVICE} up"));
            ip(&format!("-n {namespace} link set lo up"));
        }
    }

    fn remove(&self) {
        for node in 0..self.nodes {
            try_ip(&format!("netns del {}", self.namespace(node))).ok();
        }
        try_ip(&format!("link del {}", self.name)).ok();
    }

    fn namespace(&self, node: usize) -> String {
        format!("{}-{node}", self.name)
    }

    fn port(&self, node: usize) -> String {
        format!("{}-{node}", self.name)
    }

    /// Of a node, or of the bridge.
    fn address(&self, node: Option<usize>) -> String {
        address(&self.net, node)
    }

    /// Packets from one to the other (none: those on the bridge) are lost, and nobody is told.
    pub fn lose(&self, from: Option<usize>, to: Option<usize>) {
        let (at, to) = (self.at(from), self.address(to));
        ip(&format!("{at} neigh replace {to} lladdr {NOBODY} nud permanent dev {}", self.device(from)));
    }

    fn find(&self, from: Option<usize>, to: Option<usize>) {
        let (at, to) = (self.at(from), self.address(to));
        try_ip(&format!("{at} neigh del {to} dev {}", self.device(from))).ok();
    }

    fn at(&self, from: Option<usize>) -> String {
        from.map(|node| format!("-n {}", self.namespace(node))).unwrap_or_default()
    }

    fn device(&self, from: Option<usize>) -> &str {
        if from.is_some() { DEVICE } else { &self.name }
    }

    /// Packets between the two are lost, both ways.
    pub fn part(&self, one: Option<usize>, other: Option<usize>) {
        self.lose(one, other);
        self.lose(other, one);
    }

    /// Packets between these nodes and all others are lost, those on the bridge included.
    pub fn cut(&self, nodes: &[usize]) {
        for &node in nodes {
            let others = (0..self.nodes).filter(|other| !nodes.contains(other)).map(Some);
            others.chain([None]).for_each(|other| self.part(Some(node), other));
        }
    }

    /// The link of a node is pulled out, or put in again.
    pub fn link(&self, node: usize, is_up: bool) {
        ip(&format!("link set {} {}", self.port(node), if is_up { "up" } else { "down" }));
    }

    /// All packets get through again.
    pub fn heal(&self) {
        let all = || (0..self.nodes).map(Some).chain([None]);
        all().for_each(|from| all().for_each(|to| self.find(from, to)));
        (0..self.nodes).for_each(|node| self.link(node, true));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Another one each time, and in other processes.
fn number() -> u32 {
    static MADE: AtomicU32 = AtomicU32::new(0);
    std::process::id().wrapping_mul(64).wrapping_add(MADE.fetch_add(1, Ordering::SeqCst))
}

fn address(net: &str, node: Option<usize>) -> String {
    format!("{net}.{}", node.map_or(1, |node| node + 10))
}

fn ip(arguments: &str) {
    if let Err(problem) = try_ip(arguments) {
        panic!(
            "`ip {arguments}`: {problem}. Network namespaces are needed here: run this as root, with iproute2"
        );
    }
}

fn try_ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
