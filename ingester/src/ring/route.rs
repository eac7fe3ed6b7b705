//! Writes to a shard of the cluster, wherever it is led: what a node that leads it not says is followed, and waited for.
//!
//! All writes may be made twice, so that one whose answer was lost is made again.

mod order;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latewood_base::{ErrorKind, Kinded, Offload, Ulid};
use latewood_proto::cluster::ClusterApi;
use latewood_proto::cluster::wire::{WhoRequest, WriteRequest, Written, write_response};
use latewood_proto::store::StoreError;
use tokio::time::Instant;

use self::order::{Known, Tried};
use super::config::PART_BYTES;
use super::control::known;
use super::{Control, Leaders, LocalShards, Nodes, Way};
use crate::distributor::{RefusedRow, ShardPart, ShardWriter, WriteOutcome};
use crate::journal::{SpelledOut, spell_out};
use crate::{Cause, IngestError};

/// The first pause after all replicas were asked; each is twice the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// How often it is looked whether another node has come to lead while one does not answer.
const LOOK: Duration = Duration::from_millis(100);
/// How long a node may take for a write. One that is gone is noticed before, by its connection.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long a node that was out of reach may take to say that it is there.
const PROBE: Duration = Duration::from_secs(1);
/// Samples of a part that are spelled out where it came.
const INLINE_SAMPLES: usize = 500;

/// What writing to the shards of a cluster needs.
pub struct Routes {
    /// This node.
    pub node: u64,
    /// The cluster.
    pub cluster: Ulid,
    /// The replicas here.
    pub shards: Arc<dyn LocalShards>,
    /// What the nodes agree on.
    pub control: Arc<dyn Control>,
    /// The other nodes.
    pub nodes: Arc<dyn Nodes>,
    /// Who was seen to lead what.
    pub leaders: Arc<Leaders>,
    /// Where large parts are spelled out.
    pub offload: Offload,
    /// How long a shard without a leader is waited for.
    pub patience: Duration,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Routes")
            .field("node", &self.node)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Routes {
    /// A writer for each shard of the cluster, by place.
    #[must_use]
    pub fn writers(self: &Arc<Self>, shards: u32) -> Vec<Arc<dyn ShardWriter>> {
        let writer =
            |place| Arc::new(RoutedShard { place, routes: Arc::clone(self) }) as Arc<dyn ShardWriter>;
        (0..shards).map(writer).collect()
    }
}

/// A shard of the cluster, wherever it is led.
#[derive(Clone, Debug)]
pub struct RoutedShard {
    place: u32,
    routes: Arc<Routes>,
}

/// Why a node did not take a part.
enum Miss {
    /// It does not lead; and who does, if it knows.
    NotLeader(Option<u64>),
    /// It does not answer, or not now.
    Away(String),
    /// Nobody would take it.
    Refused(IngestError),
}

/// A part, and what it is for other nodes once that is needed.
struct Sending<'a> {
    part: &'a ShardPart,
    spelled: Option<Vec<SpelledOut>>,
}

#[async_trait]
impl ShardWriter for RoutedShard {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        let Routes { leaders, patience, .. } = &*self.routes;
        let (deadline, mut pause) = (Instant::now() + *patience, FIRST_PAUSE);
        let mut sending = Sending { part: &part, spelled: None };
        let (mut tried, mut last) = (Tried::default(), "no node of the cluster is known".to_owned());
        loop {
            let Some(way) = tried.next(&self.known()) else {
                if Instant::now() + pause > deadline {
                    return Err(self.nobody_leads(&last));
                }
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
                tried = Tried::default();
                continue;
            };
            match self.attempt(way, &mut sending).await {
                Ok(outcome) => {
                    leaders.set(self.place, way);
                    self.probe();
                    return Ok(outcome);
                }
                Err(Miss::Refused(error)) => return Err(error),
                Err(Miss::NotLeader(leader)) => {
                    leaders.is_not(self.place, way.node, leader);
                    tried.is_not(way, leader);
                }
                Err(Miss::Away(reason)) => {
                    leaders.is_not(self.place, way.node, None);
                    tried.is_away(way);
                    last = format!("node {:016x}: {reason}", way.node);
                }
            }
            if Instant::now() > deadline {
                return Err(self.nobody_leads(&last));
            }
        }
    }
}

impl RoutedShard {
    /// What is known of where the shard is.
    fn known(&self) -> Known {
        let Routes { shards, leaders, control, .. } = &*self.routes;
        let view = control.view();
        let shard = view.shards.get(self.place as usize);
        Known {
            seen: leaders.get(self.place),
            here: shards.leader(self.place),
            wanted: shard.and_then(|shard| shard.leader),
            replicas: shard
                .map(|shard| [&shard.voters[..], &shard.replicas[..]].concat())
                .unwrap_or_default(),
        }
    }

    fn nobody_leads(&self, last: &str) -> IngestError {
        let waited = self.routes.patience.as_millis();
        let message = format!(
            "no node was found to lead it within {waited} ms (ring.write_patience_ms): {last}: retry"
        );
        IngestError::Shard { shard: self.place, kind: ErrorKind::Unavailable, message }
    }

    /// Now and then looks whether who leads is reached again from here, if another node passes on to it.
    fn probe(&self) {
        let (place, routes) = (self.place, Arc::clone(&self.routes));
        let Some(leader) = routes.leaders.probe(place) else { return };
        tokio::spawn(async move {
            let Some(remote) = routes.nodes.node(leader) else { return };
            let answer = tokio::time::timeout(PROBE, remote.who(WhoRequest {})).await;
            if matches!(answer, Ok(Ok(_))) {
                routes.leaders.set(place, Way::direct(leader));
            }
        });
    }

    async fn attempt(&self, way: Way, sending: &mut Sending<'_>) -> Result<WriteOutcome, Miss> {
        let Routes { shards, nodes, .. } = &*self.routes;
        let node = way.node;
        if node == self.routes.node {
            let writer = shards.writer(self.place).ok_or(Miss::NotLeader(None))?;
            return tokio::select! {
                written = writer.write(sending.part.clone()) => written.map_err(miss),
                () = self.is_led_no_more() => Err(Miss::Away("it does not lead any more".to_owned())),
            };
        }
        let away = |reason: &str| Miss::Away(reason.to_owned());
        let remote = nodes.node(node).ok_or_else(|| away("it is not known where it is"))?;
        let writing = tokio::time::timeout(ATTEMPT, self.send(&*remote, way, sending));
        tokio::select! {
            written = writing => written.map_err(|_| away("it does not answer"))?,
            () = self.another_leads(way.relay_to.unwrap_or(node)) => Err(away("another leads now")),
        }
    }

    /// Resolves when the replica here does not lead any more: what it was asked to write may never be decided.
    async fn is_led_no_more(&self) {
        let leads = || self.routes.shards.leader(self.place) == Some(self.routes.node);
        let led = leads();
        loop {
            tokio::time::sleep(LOOK).await;
            if led && !leads() {
                return;
            }
        }
    }

    /// Resolves when the replica here, if there is one, comes to know another leader.
    async fn another_leads(&self, node: u64) {
        let before = self.routes.shards.leader(self.place);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.routes.shards.leader(self.place);
            if now != before && now.is_some_and(|now| now != node) {
                return;
            }
        }
    }

    async fn send(
        &self,
        remote: &dyn ClusterApi,
        way: Way,
        sending: &mut Sending<'_>,
    ) -> Result<WriteOutcome, Miss> {
        let mut outcome = WriteOutcome::default();
        for piece in self.spelled(sending).await? {
            let cluster = self.routes.cluster.to_string();
            let relay_to = way.relay_to.unwrap_or(0);
            let request = WriteRequest { cluster, shard: self.place, part: piece.bytes.clone(), relay_to };
            let answer = remote.write(request).await.map_err(|error| self.miss_of(&error))?;
            match answer.outcome {
                Some(write_response::Outcome::Written(written)) => self.take(written, piece, &mut outcome)?,
                Some(write_response::Outcome::NotLeader(not)) => {
                    return Err(Miss::NotLeader(known(not.leader)));
                }
                None => return Err(self.internal("an answer to a write says nothing")),
            }
        }
        Ok(outcome)
    }

    /// The part for other nodes, spelled out once.
    async fn spelled<'s>(&self, sending: &'s mut Sending<'_>) -> Result<&'s [SpelledOut], Miss> {
        if sending.spelled.is_none() {
            let part = sending.part.clone();
            let spelled = if part.samples() <= INLINE_SAMPLES {
                spell_out(&part, PART_BYTES)
            } else {
                let spelled = self.routes.offload.run(move || spell_out(&part, PART_BYTES)).await;
                spelled.map_err(|error| Miss::Refused(error.into()))?
            };
            sending.spelled = Some(spelled);
        }
        Ok(sending.spelled.as_deref().unwrap_or_default())
    }

    /// Takes over what was refused of a piece; a row that was cut is refused once.
    fn take(&self, written: Written, piece: &SpelledOut, outcome: &mut WriteOutcome) -> Result<(), Miss> {
        for refused in written.refused {
            let row = piece.rows.get(refused.row as usize).copied();
            let (Some(row), Some(cause)) = (row, Cause::from_name(&refused.cause)) else {
                return Err(self.internal(&format!("row {} is refused as {:?}", refused.row, refused.cause)));
            };
            if outcome.refused.iter().all(|known| known.row != row) {
                outcome.refused.push(RefusedRow { row, cause, message: refused.message.into() });
            }
        }
        Ok(())
    }

    fn miss_of(&self, error: &StoreError) -> Miss {
        match error.kind() {
            // That it is of another cluster may be a node that took the address of one of ours.
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::NotFound => {
                Miss::Away(error.to_string())
            }
            kind => Miss::Refused(IngestError::Shard { shard: self.place, kind, message: error.to_string() }),
        }
    }

    fn internal(&self, message: &str) -> Miss {
        let (kind, message) = (ErrorKind::Internal, message.to_owned());
        Miss::Refused(IngestError::Shard { shard: self.place, kind, message })
    }
}

/// What an error of the replica here means.
fn miss(error: IngestError) -> Miss {
    match error {
        IngestError::NotLeader { leader, .. } => Miss::NotLeader(leader),
        error if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
            Miss::Away(error.to_string())
        }
        error => Miss::Refused(error),
    }
}

#[cfg(test)]
mod tests;
