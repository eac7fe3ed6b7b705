use latewood_base::{Kinded, Ulid};
use latewood_cluster::{ClusterError, ClusterView, ShardView};
use latewood_model::{Labels, Sample, TenantId};
use latewood_proto::Dialer;
use latewood_proto::cluster::ClusterWire;
use parking_lot::Mutex;

use super::*;
use crate::distributor::ShardPart;
use crate::journal::spell_out;
use crate::ring::{AddressBook, Replica};
use crate::{BatchBuilder, Cause};

const WIRE: ClusterWire = ClusterWire { max_message_bytes: 1 << 20, compress: false };

/// The nodes that one reaches.
#[derive(Debug)]
struct Reached(u64, Arc<RingService>);

impl Nodes for Reached {
    fn node(&self, node: u64) -> Option<Arc<dyn ClusterApi>> {
        (node == self.0).then(|| Arc::clone(&self.1) as Arc<dyn ClusterApi>)
    }
}

/// A node that does as it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Result<WriteOutcome, IngestError>>>>);

#[async_trait]
impl ShardWriter for Told {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        assert_eq!((part.len(), part.samples()), (1, 1));
        self.0.lock().clone().unwrap()
    }
}

impl LocalShards for Told {
    fn writer(&self, place: u32) -> Option<Arc<dyn ShardWriter>> {
        (place == 0).then(|| Arc::new(self.clone()) as Arc<dyn ShardWriter>)
    }

    fn leader(&self, place: u32) -> Option<u64> {
        (place == 0).then_some(4)
    }
}

#[async_trait]
impl Control for Told {
    async fn change(&self, command: ControlCommand) -> Result<Changed, ClusterError> {
        match command {
            ControlCommand::Drain { node: 1 } => Ok(Changed::Done(9)),
            ControlCommand::Drain { node } => Ok(Changed::Refused(format!("not {node}"))),
            _ => Ok(Changed::NotLeader(Some(6))),
        }
    }

    fn view(&self) -> Arc<ClusterView> {
        let shard = |leader| ShardView { leader: Some(leader), ..ShardView::new(1024) };
        Arc::new(ClusterView { shards: vec![shard(8), shard(5)], ..ClusterView::default() })
    }
}

#[async_trait]
impl Replica for Told {
    async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError> {
        if request.is_empty() {
            return Err(ClusterError::Request { group: 3, problem: "it is empty".to_owned() });
        }
        Ok(request)
    }
}

fn cluster() -> Ulid {
    Ulid::from_parts(1, 1)
}

fn this(is_founded: bool) -> Met {
    let founding = is_founded.then(|| ClusterRecord {
        cluster: cluster(),
        replication_factor: 3,
        shards: vec![1024, 1025],
        founders: Vec::new(),
        at_ms: 0,
    });
    Met { node: 7, address: "a:1".to_owned(), zone: "z".to_owned(), founders: 3, founding }
}

fn write(shard: u32) -> WriteRequest {
    let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
    builder.push(&Labels::from_pairs([("__name__", "up")]), &[Sample { timestamp: 1, value: 1.0 }]);
    let part = spell_out(&ShardPart::whole(Arc::new(builder.build()), 0), 1 << 20).remove(0).bytes;
    WriteRequest { cluster: cluster().to_string(), shard, part, relay_to: 0 }
}

#[tokio::test]
async fn it_says_who_it_is_before_anything_else() {
    let service = RingService::new(Offload::inline());
    let kind = |error: StoreError| error.kind();
    assert_eq!(service.who(WhoRequest {}).await.map_err(kind), Err(ErrorKind::Unavailable));
    service.introduce(this(false));
    let who = service.who(WhoRequest {}).await.unwrap();
    assert_eq!((who.node, who.address.as_str(), who.zone.as_str(), who.founders), (7, "a:1", "z", 3));
    assert_eq!((who.cluster.as_str(), who.founding.len()), ("", 0));
    assert_eq!(service.write(write(0)).await.map_err(kind), Err(ErrorKind::NotFound));
    service.introduce(this(true));
    let who = service.who(WhoRequest {}).await.unwrap();
    assert_eq!(who.cluster, cluster().to_string());
    assert_eq!(serde_json::from_slice::<ClusterRecord>(&who.founding).ok(), this(true).founding);
    assert_eq!(service.write(write(0)).await.map_err(kind), Err(ErrorKind::Unavailable));
}

#[tokio::test]
async fn requests_of_replicas_reach_the_one_that_is_meant() {
    let service = RingService::new(Offload::inline());
    let ask = |group, to, request: &'static str| {
        let request = ReplicateRequest { group, from: 1, to, request: request.into() };
        let service = Arc::clone(&service);
        async move { service.replicate(request).await.map(|answer| answer.answer).map_err(|error| error.kind()) }
    };
    service.groups().insert(3, Arc::new(Told::default()));
    assert_eq!(ask(3, 7, "x").await, Err(ErrorKind::Unavailable), "it is not known which node it is");
    service.introduce(this(true));
    assert_eq!(ask(3, 7, "x").await, Ok(Bytes::from_static(b"x")));
    assert_eq!(ask(3, 8, "x").await, Err(ErrorKind::NotFound));
    assert_eq!(ask(4, 7, "x").await, Err(ErrorKind::NotFound));
    assert_eq!(ask(3, 7, "").await, Err(ErrorKind::Invalid));
    service.groups().remove(3);
    assert_eq!(ask(3, 7, "x").await, Err(ErrorKind::NotFound));
}

#[tokio::test]
async fn writes_are_taken_refused_or_sent_to_who_leads() {
    let (service, told) = (RingService::new(Offload::inline()), Told::default());
    service.introduce(this(true));
    service.serve(Arc::new(told.clone()), Arc::new(told.clone()), AddressBook::new(WIRE, Dialer::default()));
    let does = |does| *told.0.lock() = Some(does);
    let outcome = |shard| {
        let service = Arc::clone(&service);
        async move {
            let answer = service.write(write(shard)).await;
            answer.map(|answer| answer.outcome.unwrap()).map_err(|error| (error.kind(), error.to_string()))
        }
    };
    let leader = |leader| Ok(write_response::Outcome::NotLeader(NotLeader { leader }));
    let refused = crate::distributor::RefusedRow { row: 0, cause: Cause::TooOld, message: "old".into() };
    does(Ok(WriteOutcome { refused: vec![refused] }));
    let row = RefusedRow { row: 0, cause: "too_old".to_owned(), message: "old".to_owned() };
    assert_eq!(outcome(0).await, Ok(write_response::Outcome::Written(Written { refused: vec![row] })));
    does(Err(IngestError::NotLeader { shard: 0, leader: Some(9) }));
    assert_eq!(outcome(0).await, leader(9));
    does(Err(IngestError::NotLeader { shard: 0, leader: None }));
    assert_eq!(outcome(0).await, leader(4), "as the replica here knows");
    does(Err(IngestError::NotLeader { shard: 0, leader: Some(7) }));
    assert_eq!(outcome(0).await, leader(0), "not itself");
    assert_eq!(outcome(1).await, leader(5), "as it is wanted");
    assert_eq!(outcome(2).await, leader(0));
    does(Err(IngestError::Shard { shard: 0, kind: ErrorKind::Overloaded, message: "full".to_owned() }));
    assert_eq!(outcome(0).await, Err((ErrorKind::Overloaded, "full".to_owned())));
    does(Err(IngestError::TenantDeleted(TenantId::anonymous())));
    assert_eq!(outcome(0).await.unwrap_err().0, ErrorKind::Unprocessable);
    let damaged = WriteRequest { part: Bytes::from(vec![4; 20_000]), ..write(0) };
    assert_eq!(service.write(damaged).await.unwrap_err().kind(), ErrorKind::Invalid);
    let other = WriteRequest { cluster: Ulid::from_parts(2, 2).to_string(), ..write(0) };
    assert_eq!(service.write(other).await.unwrap_err().kind(), ErrorKind::NotFound);
    service.leave();
    assert_eq!(outcome(0).await.unwrap_err().0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_write_is_passed_on_once_to_a_leader_that_its_sender_cannot_reach() {
    let [near, far] = [(); 2].map(|()| (RingService::new(Offload::inline()), Told::default()));
    near.0.introduce(this(true));
    far.0.introduce(Met { node: 9, ..this(true) });
    let nodes = Arc::new(Reached(9, Arc::clone(&far.0)));
    near.0.serve(Arc::new(near.1.clone()), Arc::new(near.1.clone()), nodes);
    far.0.serve(Arc::new(far.1.clone()), Arc::new(far.1.clone()), AddressBook::new(WIRE, Dialer::default()));
    let relay = |relay_to| {
        let service = Arc::clone(&near.0);
        async move { service.write(WriteRequest { relay_to, ..write(0) }).await }
    };
    *far.1.0.lock() = Some(Ok(WriteOutcome::default()));
    let written = write_response::Outcome::Written(Written::default());
    assert_eq!(relay(9).await.unwrap().outcome, Some(written));
    *far.1.0.lock() = Some(Err(IngestError::NotLeader { shard: 0, leader: Some(3) }));
    let not_leader = write_response::Outcome::NotLeader(NotLeader { leader: 3 });
    assert_eq!(relay(9).await.unwrap().outcome, Some(not_leader));
    assert_eq!(relay(8).await.unwrap_err().kind(), ErrorKind::Unavailable, "it is not known where it is");
}

#[tokio::test]
async fn changes_are_made_refused_or_sent_on() {
    let (service, told) = (RingService::new(Offload::inline()), Arc::new(Told::default()));
    service.introduce(this(true));
    service.serve(told.clone(), told, AddressBook::new(WIRE, Dialer::default()));
    let change = |command: Bytes| {
        let request = ChangeRequest { cluster: cluster().to_string(), command };
        let service = Arc::clone(&service);
        async move { service.change(request).await.map(|answer| answer.outcome.unwrap()) }
    };
    let drain = |node| ControlCommand::Drain { node }.encode();
    assert_eq!(change(drain(1)).await.unwrap(), change_response::Outcome::Generation(9));
    assert_eq!(change(drain(2)).await.unwrap(), change_response::Outcome::Refused("not 2".to_owned()));
    let forget = ControlCommand::Forget { node: 1 }.encode();
    let not_leader = change_response::Outcome::NotLeader(NotLeader { leader: 6 });
    assert_eq!(change(forget).await.unwrap(), not_leader);
    assert_eq!(change("{}".into()).await.unwrap_err().kind(), ErrorKind::Invalid);
}
