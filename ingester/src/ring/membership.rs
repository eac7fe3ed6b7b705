//! How an ingester comes to be a node of a cluster at its start.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Offload, Shutdown, Tasks};
use latewood_catalog::ClusterRecord;
use latewood_cluster::{ClusterError, ControlState, Group, GroupConfig, Member, MemberStatus, Transport};
use latewood_wal::Journal;

use super::control_group::{CONTROL_GROUP, ControlGroup, Itself};
use super::{AddressBook, FoundingParts, Groups, GrpcTransport, Met, NodeFile, Peers, RingService, find_cluster};
use crate::service::{IngesterConfig, IngesterDeps, StartError};

/// What an ingester that joins a cluster needs from outside.
#[derive(Clone, Debug)]
pub struct Seat {
    /// What answers other nodes: on the network before the ingester starts.
    pub service: Arc<RingService>,
    /// The port of the gRPC listener.
    pub grpc_port: u16,
}

/// A node of a cluster that has begun to take part in what the nodes agree on.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) record: ClusterRecord,
    pub(crate) control: ControlGroup,
    pub(crate) groups: Groups,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) book: Arc<AddressBook>,
    service: Arc<RingService>,
}

impl Membership {
    /// Finds the cluster, or founds it with others, and takes part in its control group.
    ///
    /// # Errors
    /// There is no cluster in time, or the data directory is not one of its nodes'.
    pub(crate) async fn begin(
        config: &IngesterConfig,
        deps: &IngesterDeps,
        journal: &Journal,
        (node, seat): (NodeFile, Seat),
        (shutdown, tasks): (&Shutdown, &Tasks),
    ) -> Result<Self, StartError> {
        let wire = config.ring.wire(&config.group);
        let address = config.ring.address(seat.grpc_port).map_err(StartError::Config)?;
        let this = Met {
            node: node.node,
            address: address.clone(),
            zone: config.ring.instance_availability_zone.clone(),
            founders: config.ring.founders(),
            founding: node.founding.clone(),
        };
        seat.service.introduce(this.clone());
        let peers = Peers::new(&config.ring, wire);
        let found = find_cluster(FoundingParts {
            data_dir: deps.data_dir.clone(),
            node,
            this: this.clone(),
            meeting: &peers,
            replication_factor: config.ring.replication_factor,
            shards: &|founders| config.new_cluster_shards(founders),
            patience: Duration::from_secs(config.ring.found_timeout_seconds),
            catalogs: Arc::clone(&deps.catalogs),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            offload: deps.offload.clone(),
        });
        let NodeFile { node, founding, .. } = Box::pin(found).await?;
        let record = founding.ok_or_else(|| StartError::Config("ring: a node without a cluster".to_owned()))?;
        seat.service.introduce(Met { founding: Some(record.clone()), ..this.clone() });
        let book = AddressBook::new(wire);
        book.learn_founders(&record);
        tasks.spawn("peers", peers.keep_up(Arc::clone(&book), shutdown.clone()));
        let transport: Arc<dyn Transport> = Arc::new(GrpcTransport::new(node, Arc::clone(&book)));
        let member = Member { address, zone: this.zone, status: MemberStatus::Active };
        let itself = Itself { node, member };
        let group = GroupConfig { node_id: node, ..config.group.clone() };
        let (state, known) = ControlState::new();
        let group =
            Group::start(CONTROL_GROUP, group, journal.clone(), Arc::clone(&transport), Offload::new(1), state);
        let group = Box::pin(group).await.map_err(StartError::Control)?;
        let groups = seat.service.groups().clone();
        groups.insert(CONTROL_GROUP, Arc::new(group.clone()));
        let control = ControlGroup::new(
            itself,
            record.clone(),
            config.ring.clone(),
            (group, known),
            Arc::clone(&book),
            deps.clock.clone(),
        );
        Ok(Self { record, control, groups, transport, book, service: seat.service })
    }

    /// The founders form the control group; they all say the same, whenever they start.
    ///
    /// # Errors
    /// The group has stopped.
    pub(crate) async fn form(&self) -> Result<(), ClusterError> {
        let founders: Vec<u64> = self.record.founders.iter().map(|founder| founder.node).collect();
        if founders.contains(&self.control.node()) && !self.control.view_is_founded() {
            self.control.group().form(&self.control.peers(&founders)).await?;
        }
        Ok(())
    }

    /// What answers other nodes.
    pub(crate) fn service(&self) -> &Arc<RingService> {
        &self.service
    }
}
