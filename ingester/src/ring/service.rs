//! What other nodes ask of this one: who it is, at once; all else when the ingester has started.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::{ErrorKind, Offload};
use latewood_catalog::ClusterRecord;
use latewood_cluster::{Command, ControlCommand};
use latewood_proto::cluster::ClusterApi;
use latewood_proto::cluster::wire::{
    ChangeRequest, ChangeResponse, NotLeader, RefusedRow, ReplicateRequest, ReplicateResponse, WhoRequest,
    WhoResponse, WriteRequest, WriteResponse, Written, change_response, write_response,
};
use latewood_proto::store::StoreError;
use parking_lot::RwLock;

use super::{Changed, Control, Groups, Met, Nodes, read_part};
use crate::IngestError;
use crate::distributor::{ShardPart, ShardWriter, WriteOutcome};

/// The replicas of shards on this node.
pub trait LocalShards: Send + Sync + 'static {
    /// Writes to the replica of the shard in a place, if there is one: [`IngestError::NotLeader`] where it does not lead.
    fn writer(&self, place: u32) -> Option<Arc<dyn ShardWriter>>;
    /// The node that leads the shard in a place, as the replica here knows it.
    fn leader(&self, place: u32) -> Option<u64>;
}

/// Bytes of a part that are read where they came.
const INLINE_BYTES: usize = 16 << 10;

/// Answers other nodes. It is there before the ingester has started, so that nodes can find each other.
pub struct RingService {
    offload: Offload,
    groups: Groups,
    standing: RwLock<Standing>,
}

/// How far the ingester is.
#[derive(Default)]
struct Standing {
    address: Option<String>,
    this: Option<Arc<Met>>,
    running: Option<Running>,
}

#[derive(Clone)]
struct Running {
    shards: Arc<dyn LocalShards>,
    control: Arc<dyn Control>,
    nodes: Arc<dyn Nodes>,
}

impl std::fmt::Debug for RingService {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let this = self.standing.read().this.clone();
        out.debug_struct("RingService").field("this", &this).field("groups", &self.groups).finish()
    }
}

impl RingService {
    /// Of a node that does not know yet which it is. Large parts are read in `offload`.
    #[must_use]
    pub fn new(offload: Offload) -> Arc<Self> {
        Arc::new(Self { offload, groups: Groups::default(), standing: RwLock::default() })
    }

    /// Other nodes reach this one at `host:port`.
    pub fn listens_at(&self, address: &str) {
        self.standing.write().address = Some(address.to_owned());
    }

    /// `host:port` at which other nodes reach this one, once it listens.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        self.standing.read().address.clone()
    }

    /// This node is this one, from now on; again when it is of a cluster.
    pub fn introduce(&self, this: Met) {
        self.standing.write().this = Some(Arc::new(this));
    }

    /// This node's replicas: those that others may ask.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The ingester has started: writes and changes are taken, and passed on to these nodes.
    pub fn serve(&self, shards: Arc<dyn LocalShards>, control: Arc<dyn Control>, nodes: Arc<dyn Nodes>) {
        self.standing.write().running = Some(Running { shards, control, nodes });
    }

    /// The ingester stops: nothing is taken any more.
    pub fn leave(&self) {
        self.standing.write().running = None;
        self.groups.clear();
    }

    async fn read(&self, part: Bytes, shard: u32) -> Result<ShardPart, StoreError> {
        let part = if part.len() <= INLINE_BYTES {
            read_part(&part, shard)
        } else {
            let read = self.offload.run(move || read_part(&part, shard)).await;
            read.map_err(|error| StoreError::from_kinded(&error))?
        };
        part.map_err(|error| StoreError::from_kinded(&error))
    }

    fn this(&self) -> Result<Arc<Met>, StoreError> {
        self.standing.read().this.clone().ok_or_else(starting)
    }

    /// What runs here of this cluster.
    fn running(&self, cluster: &str) -> Result<(Arc<Met>, Running), StoreError> {
        let this = self.this()?;
        if this.cluster().map(|own| own.to_string()).as_deref() != Some(cluster) {
            let own = this.cluster().map_or_else(|| "no cluster".to_owned(), |own| format!("cluster {own}"));
            let text = format!("node {:016x} is of {own}, not of {cluster:?}", this.node);
            return Err(StoreError::new(ErrorKind::NotFound, text));
        }
        let running = self.standing.read().running.clone();
        Ok((this, running.ok_or_else(starting)?))
    }
}

impl Running {
    /// Writes to the node that leads for one that cannot reach it; it is not passed on further.
    async fn pass_on(&self, request: WriteRequest) -> Result<WriteResponse, StoreError> {
        let leader = request.relay_to;
        let node = self.nodes.node(leader).ok_or_else(|| {
            StoreError::new(ErrorKind::Unavailable, format!("it is not known where node {leader:016x} is"))
        })?;
        node.write(WriteRequest { relay_to: 0, ..request }).await
    }
}

fn starting() -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "the ingester is starting, or stopping: retry")
}

#[async_trait]
impl ClusterApi for RingService {
    async fn replicate(&self, request: ReplicateRequest) -> Result<ReplicateResponse, StoreError> {
        let this = self.this()?;
        let not_found = |text: String| StoreError::new(ErrorKind::NotFound, text);
        if request.to != this.node {
            return Err(not_found(format!("this is node {:016x}, not {:016x}", this.node, request.to)));
        }
        let replica = self.groups.get(request.group);
        let replica = replica.ok_or_else(|| {
            not_found(format!("node {:016x} has no replica of group {}", this.node, request.group))
        })?;
        let answer = replica.answer(request.request).await;
        Ok(ReplicateResponse { answer: answer.map_err(|error| StoreError::from_kinded(&error))? })
    }

    async fn write(&self, request: WriteRequest) -> Result<WriteResponse, StoreError> {
        let (this, running) = self.running(&request.cluster)?;
        let shard = request.shard;
        let led_by = running.shards.leader(shard);
        if request.relay_to != 0 && led_by != Some(this.node) {
            return running.pass_on(request).await;
        }
        let hint = |leader: Option<u64>| {
            let wanted = || running.control.view().shards.get(shard as usize).and_then(|shard| shard.leader);
            let leader = leader.or(led_by).or_else(wanted);
            let leader = leader.filter(|leader| *leader != this.node).unwrap_or(0);
            Ok(WriteResponse { outcome: Some(write_response::Outcome::NotLeader(NotLeader { leader })) })
        };
        let Some(writer) = running.shards.writer(shard) else { return hint(None) };
        match writer.write(self.read(request.part, shard).await?).await {
            Ok(outcome) => {
                Ok(WriteResponse { outcome: Some(write_response::Outcome::Written(written(&outcome))) })
            }
            Err(IngestError::NotLeader { leader, .. }) => hint(leader),
            Err(IngestError::Shard { kind, message, .. }) => Err(StoreError::new(kind, message)),
            Err(error) => Err(StoreError::from_kinded(&error)),
        }
    }

    async fn who(&self, _: WhoRequest) -> Result<WhoResponse, StoreError> {
        let this = self.this()?;
        Ok(WhoResponse {
            node: this.node,
            address: this.address.clone(),
            zone: this.zone.clone(),
            cluster: this.cluster().map(|cluster| cluster.to_string()).unwrap_or_default(),
            founders: u32::try_from(this.founders).unwrap_or(u32::MAX),
            founding: this.founding.as_ref().map(in_json).unwrap_or_default(),
        })
    }

    async fn change(&self, request: ChangeRequest) -> Result<ChangeResponse, StoreError> {
        let (_, Running { control, .. }) = self.running(&request.cluster)?;
        let command = ControlCommand::decode(request.command).map_err(|error| {
            StoreError::new(ErrorKind::Invalid, format!("a change of the cluster: {error}"))
        })?;
        let changed = control.change(command).await.map_err(|error| StoreError::from_kinded(&error))?;
        let outcome = match changed {
            Changed::Done(generation) => change_response::Outcome::Generation(generation),
            Changed::Refused(reason) => change_response::Outcome::Refused(reason),
            Changed::NotLeader(leader) => {
                change_response::Outcome::NotLeader(NotLeader { leader: leader.unwrap_or(0) })
            }
        };
        Ok(ChangeResponse { outcome: Some(outcome) })
    }
}

fn in_json(founding: &ClusterRecord) -> Bytes {
    // Numbers and texts are always JSON.
    serde_json::to_vec(founding).unwrap_or_default().into()
}

fn written(outcome: &WriteOutcome) -> Written {
    let refused = outcome.refused.iter().map(|refused| RefusedRow {
        row: refused.row,
        cause: refused.cause.as_str().to_owned(),
        message: refused.message.to_string(),
    });
    Written { refused: refused.collect() }
}

#[cfg(test)]
mod tests;
