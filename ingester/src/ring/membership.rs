//! How an ingester comes to be a node of a cluster at its start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Offload, Shutdown, Tasks};
use latewood_catalog::ClusterRecord;
use latewood_cluster::{ControlState, Group, GroupConfig, Member, Transport};
use latewood_proto::store::Ring;
use latewood_wal::Journal;
use parking_lot::Mutex;

use super::control_group::{CONTROL_GROUP, ControlGroup, Itself};
use super::{
    AddressBook, Control, FoundingParts, GrpcTransport, LocalShards, Met, NodeFile, Peers, Replicas,
    RingService, Routes, find_cluster, room,
};
use crate::deletion::DeletedVersions;
use crate::distributor::ShardWriter;
use crate::service::{IngesterConfig, IngesterDeps, StartError};
use crate::shard::ShardContext;
use crate::shards::Shards;
use crate::store_api::{ShardReader, ShardReaders};

/// A node of a cluster that has begun to take part in what the nodes agree on.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) record: ClusterRecord,
    pub(crate) control: ControlGroup,
    pub(crate) transport: Arc<dyn Transport>,
    book: Arc<AddressBook>,
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
        (node, service): (NodeFile, Arc<RingService>),
        (shutdown, tasks): (&Shutdown, &Tasks),
    ) -> Result<Self, StartError> {
        let wire = config.ring.wire(&config.group);
        let silent =
            || StartError::Config("ring.join_members: this process does not listen for others".to_owned());
        let address = service.address().ok_or_else(silent)?;
        let this = Met {
            node: node.node,
            address: address.clone(),
            zone: config.ring.instance_availability_zone.clone(),
            founders: config.ring.founders(),
            founding: node.founding.clone(),
        };
        service.introduce(this.clone());
        let peers = Peers::new(&config.ring, wire, deps.dialer.clone());
        let shards = |founders| config.new_cluster_shards(founders);
        let found = find_cluster(FoundingParts {
            data_dir: deps.data_dir.clone(),
            node,
            this: this.clone(),
            meeting: &peers,
            replication_factor: config.ring.replication_factor,
            shards: &shards,
            patience: Duration::from_secs(config.ring.found_timeout_seconds),
            catalogs: Arc::clone(&deps.catalogs),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            offload: deps.offload.clone(),
        });
        let NodeFile { node, founding, .. } = Box::pin(found).await?;
        let record =
            founding.ok_or_else(|| StartError::Config("ring: a node without a cluster".to_owned()))?;
        service.introduce(Met { founding: Some(record.clone()), ..this.clone() });
        let book = AddressBook::new(wire, deps.dialer.clone());
        book.learn_founders(&record);
        tasks.spawn("peers", peers.keep_up(Arc::clone(&book), shutdown.clone()));
        let transport: Arc<dyn Transport> = Arc::new(GrpcTransport::new(node, Arc::clone(&book)));
        let member = Member::new(address, this.zone);
        let itself = Itself { node, member };
        let group = GroupConfig { node_id: node, ..config.group.clone() };
        let (state, known) = ControlState::new();
        let group = Group::start(
            CONTROL_GROUP,
            group,
            journal.clone(),
            Arc::clone(&transport),
            Offload::new(1),
            state,
        );
        let group = Box::pin(group).await.map_err(StartError::Control)?;
        service.groups().insert(CONTROL_GROUP, Arc::new(group.clone()));
        let control = ControlGroup::new(
            itself,
            record.clone(),
            config.ring.clone(),
            (group, known),
            Arc::clone(&book),
            deps.clock.clone(),
        );
        Ok(Self { record, control, transport, book, service })
    }

    /// Has the node take part: in the control group, and in the shards that the view gives it, until the shutdown.
    ///
    /// # Errors
    /// The control group has stopped.
    pub(crate) async fn run(
        self,
        context: &ShardContext,
        versions: &Arc<DeletedVersions>,
        (shutdown, tasks): (&Shutdown, &Tasks),
    ) -> Result<Access, StartError> {
        let Self { record, control, book, service, .. } = self;
        let founders: Vec<u64> = record.founders.iter().map(|founder| founder.node).collect();
        // They all say the same, whenever they start.
        if founders.contains(&control.node()) && !control.view().is_founded() {
            let formed = control.group().form(&control.peers(&founders)).await;
            formed.map_err(StartError::Control)?;
        }
        let (local, shards) = (Arc::new(context.shards.clone()), context.shards.clone());
        let routes = Arc::new(Routes {
            node: control.node(),
            cluster: record.cluster,
            shards: local.clone(),
            control: Arc::new(control.clone()),
            nodes: book.clone(),
            leaders: Arc::default(),
            offload: context.deps.offload.clone(),
            patience: Duration::from_millis(context.config.ring.write_patience_ms),
        });
        service.serve(local, Arc::new(control.clone()), book);
        let replicas =
            Replicas { context: context.clone(), control: control.clone(), service, tasks: tasks.clone() };
        tasks.spawn("control", control.clone().run(shutdown.clone()));
        tasks.spawn("announce", control.clone().announce(shutdown.clone()));
        let (budget, clock) = (Arc::clone(&context.local.budget), context.deps.clock.clone());
        tasks.spawn("room", room::run(budget, control.clone(), clock, shutdown.clone()));
        tasks.spawn("replicas", replicas.clone().run(shutdown.clone()));
        Ok(Access {
            writers: routes.writers(u32::try_from(record.shards.len()).unwrap_or(u32::MAX)),
            readers: Arc::new(LedShards {
                shards,
                control,
                record,
                versions: Arc::clone(versions),
                terms: Mutex::default(),
            }),
            replicas: Some(replicas),
        })
    }
}

/// How an ingester's shards are written to and read.
pub(crate) struct Access {
    /// One for each shard there is, by place.
    pub(crate) writers: Vec<Arc<dyn ShardWriter>>,
    pub(crate) readers: Arc<dyn ShardReaders>,
    pub(crate) replicas: Option<Replicas>,
}

/// The shards that a node of a cluster leads.
#[derive(Debug)]
struct LedShards {
    shards: Shards,
    control: ControlGroup,
    record: ClusterRecord,
    versions: Arc<DeletedVersions>,
    /// The terms in which shards were led when they were last read.
    terms: Mutex<BTreeMap<u32, u64>>,
}

impl LedShards {
    fn led(&self) -> BTreeMap<u32, u64> {
        let led = self.shards.all().into_iter();
        led.filter_map(|shard| Some((shard.place(), shard.group().leader_term()?))).collect()
    }
}

impl ShardReaders for LedShards {
    fn readers(&self) -> Vec<ShardReader> {
        let led = self.led();
        let before = std::mem::replace(&mut *self.terms.lock(), led.clone());
        if led.iter().any(|(place, term)| before.get(place) != Some(term)) {
            self.versions.doubt();
        }
        let led = self.shards.all().into_iter().filter(|shard| shard.answers());
        led.map(|shard| shard.reader()).collect()
    }

    fn leaderless(&self) -> Vec<ShardReader> {
        let leaderless = self.shards.all().into_iter().filter(|shard| shard.group().is_leaderless());
        leaderless.map(|shard| shard.reader()).collect()
    }

    fn ring(&self) -> Ring {
        let number = |place: u32| self.record.shards.get(place as usize).copied();
        let led = self.led().into_iter().filter_map(|(place, term)| Some((number(place)?, term)));
        let leaderless = self.leaderless();
        let leaderless = leaderless.iter().filter_map(|reader| Some((reader.shard, reader.leaderless()?)));
        Ring {
            leaderless: leaderless.collect(),
            cluster: self.record.cluster,
            node: self.control.node(),
            members: u32::try_from(self.control.view().members.len()).unwrap_or(u32::MAX).max(1),
            shards: self.record.shards.iter().copied().collect(),
            led: led.collect(),
        }
    }
}

impl LocalShards for Shards {
    fn writer(&self, place: u32) -> Option<Arc<dyn ShardWriter>> {
        self.get(place).map(|shard| shard as Arc<dyn ShardWriter>)
    }

    fn leader(&self, place: u32) -> Option<u64> {
        self.get(place)?.group().leader()
    }
}
