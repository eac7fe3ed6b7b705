//! Settings of an ingester as a node of a cluster.

use latewood_cluster::GroupConfig;
use latewood_discovery::{DiscoveryConfig, PeerAddr};
use latewood_proto::cluster::ClusterWire;
use serde::{Deserialize, Serialize};

/// The ingester as a node of a cluster, whose nodes have replicas of each other's shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingConfig {
    /// gRPC addresses of the ingesters of the cluster, this one among them or not: `host:port`; `dns+name:port`, whose A
    /// and AAAA records are one each; `dnssrv+_grpc._tcp.name`, whose SRV records are. Default none: the ingester stands
    /// alone.
    pub join_members: Vec<PeerAddr>,
    /// How those addresses are looked up.
    pub join_sd: DiscoveryConfig,
    /// How many replicas a shard has, on as many ingesters: with 3, one may be lost. Of a cluster that is founded: the one
    /// it was founded with stays.
    pub replication_factor: usize,
    /// How many ingesters must have found each other before a cluster is founded. Default: `replication_factor`.
    pub founders: Option<usize>,
    /// `host:port` at which the other ingesters reach this one. Default: the name of the machine, and the port of
    /// `service.grpc_addr`.
    pub instance_addr: Option<String>,
    /// What may fail as a whole, such as an availability zone: replicas of a shard are in as many as there are.
    pub instance_availability_zone: String,
    /// After how long an ingester that is not heard of has its replicas made anew on others, in seconds.
    pub forget_after_seconds: u64,
    /// How long a write waits for a shard that has no leader for now, in milliseconds, before it is refused as one to be
    /// retried.
    pub write_patience_ms: u64,
    /// How long a first start waits for the cluster to be founded, in seconds.
    pub found_timeout_seconds: u64,
    /// Whether requests of 4 KiB to 1 MiB between ingesters are compressed with zstd; they are always understood.
    pub compress: bool,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            join_members: Vec::new(),
            join_sd: DiscoveryConfig::default(),
            replication_factor: 3,
            founders: None,
            instance_addr: None,
            instance_availability_zone: String::new(),
            forget_after_seconds: 900,
            write_patience_ms: 5000,
            found_timeout_seconds: 300,
            compress: true,
        }
    }
}

/// The most replicas of a shard.
const MAX_REPLICAS: usize = 9;
/// The most first nodes of a cluster.
const MAX_FOUNDERS: usize = 1000;
/// The most bytes of the name of a zone.
const MAX_ZONE_BYTES: usize = 256;
/// About the most bytes of a part of a write that goes to another node at once.
pub(crate) const PART_BYTES: usize = 4 << 20;

impl RingConfig {
    /// Whether the ingester is to be a node of a cluster.
    #[must_use]
    pub fn joins(&self) -> bool {
        !self.join_members.is_empty()
    }

    /// How many nodes found a cluster.
    #[must_use]
    pub fn founders(&self) -> usize {
        self.founders.unwrap_or(self.replication_factor)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=MAX_REPLICAS).contains(&self.replication_factor) {
            return Err(format!("replication_factor must be between 1 and {MAX_REPLICAS}"));
        }
        if !(1..=MAX_FOUNDERS).contains(&self.founders()) {
            return Err(format!("founders must be between 1 and {MAX_FOUNDERS}"));
        }
        if self.instance_addr.as_deref().is_some_and(|addr| !is_one_peer(addr)) {
            return Err("instance_addr must be host:port, such as ingester-0.ingesters:9095".to_owned());
        }
        if self.instance_availability_zone.len() > MAX_ZONE_BYTES {
            return Err(format!("instance_availability_zone must have at most {MAX_ZONE_BYTES} bytes"));
        }
        if self.forget_after_seconds < 10 {
            return Err("forget_after_seconds must be at least 10".to_owned());
        }
        if self.found_timeout_seconds == 0 {
            return Err("found_timeout_seconds must be at least 1".to_owned());
        }
        self.join_sd.validate().map_err(|error| format!("join_sd.{error}"))
    }

    /// `host:port` at which other nodes reach this one, whose gRPC listener has this port.
    ///
    /// # Errors
    /// The machine's name is none by which it could be reached.
    pub fn address(&self, grpc_port: u16) -> Result<String, String> {
        if let Some(address) = &self.instance_addr {
            return Ok(address.clone());
        }
        let uname = rustix::system::uname();
        let address = format!("{}:{grpc_port}", uname.nodename().to_string_lossy());
        if is_one_peer(&address) {
            return Ok(address);
        }
        Err(format!("instance_addr must be set: {address:?}, by the machine's name, is no host and port"))
    }

    /// Bounds on what nodes send each other: an append of a group has about as many bytes as are read of the log at a time, or
    /// one entry; twice that is always enough.
    #[must_use]
    pub fn wire(&self, group: &GroupConfig) -> ClusterWire {
        let largest = group.max_command_bytes.max(group.replay_chunk_bytes).max(PART_BYTES);
        ClusterWire { max_message_bytes: 2 * largest + (1 << 20), compress: self.compress }
    }
}

pub(crate) fn is_one_peer(text: &str) -> bool {
    text.parse::<PeerAddr>().is_ok_and(|addr| !addr.is_looked_up())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused_by_name() {
        let default = RingConfig::default;
        assert_eq!((default().validate(), default().founders(), default().joins()), (Ok(()), 3, false));
        let addr = |text: &str| Some(text.to_owned());
        for (config, field) in [
            (RingConfig { replication_factor: 0, ..default() }, "replication_factor"),
            (RingConfig { replication_factor: 10, ..default() }, "replication_factor"),
            (RingConfig { founders: Some(0), ..default() }, "founders"),
            (RingConfig { instance_addr: addr("dns+ingesters:9095"), ..default() }, "instance_addr"),
            (RingConfig { instance_addr: addr("ingester-0"), ..default() }, "instance_addr"),
            (
                RingConfig { instance_availability_zone: "z".repeat(300), ..default() },
                "instance_availability",
            ),
            (RingConfig { forget_after_seconds: 9, ..default() }, "forget_after_seconds"),
            (RingConfig { found_timeout_seconds: 0, ..default() }, "found_timeout_seconds"),
        ] {
            let problem = config.validate().unwrap_err();
            assert!(problem.starts_with(field), "{problem}");
        }
    }

    #[test]
    fn a_node_is_reached_at_its_machine_s_name_unless_it_is_told_otherwise() {
        let told = RingConfig { instance_addr: Some("a:1".to_owned()), ..RingConfig::default() };
        assert_eq!(told.address(7), Ok("a:1".to_owned()));
        let address = RingConfig::default().address(9095).unwrap();
        assert!(address.ends_with(":9095") && address.len() > 5, "{address}");
    }
}
