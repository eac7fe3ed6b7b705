//! Writes find their leader, whatever nodes say and while leaders change.

use std::collections::BTreeMap;

use latewood_cluster::{ClusterError, ClusterView, ControlCommand, ShardView};
use latewood_model::{Labels, Sample, TenantId};
use latewood_proto::cluster::wire::{
    ChangeRequest, ChangeResponse, NotLeader, ReplicateRequest, ReplicateResponse, WhoRequest, WhoResponse,
    WriteResponse,
};
use parking_lot::Mutex;

use super::*;
use crate::BatchBuilder;
use crate::ring::service::RingService;
use crate::ring::{Changed, Met};

/// What a node does with a write.
#[derive(Clone, Debug)]
enum Does {
    Takes,
    Refuses(Vec<(u32, Cause)>),
    Names(Option<u64>),
    /// It names who leads, unless it is told to pass on to it.
    PassesOn(u64),
    Fails(ErrorKind),
    Hangs,
}

/// All nodes as a test wants them. Node 1 is this one.
#[derive(Clone, Debug, Default)]
struct Nodes3(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    does: BTreeMap<u64, Does>,
    here: Option<u64>,
    asked: Vec<u64>,
    took: Vec<Vec<String>>,
}

impl Nodes3 {
    fn new(does: &[(u64, Does)]) -> Self {
        let does = does.iter().cloned().collect();
        Self(Arc::new(Mutex::new(World { does, ..World::default() })))
    }

    fn set(&self, node: u64, does: Does) {
        self.0.lock().does.insert(node, does);
    }

    fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().asked)
    }

    fn did(&self, node: u64) -> Does {
        let mut world = self.0.lock();
        world.asked.push(node);
        world.does.get(&node).cloned().unwrap_or(Does::Fails(ErrorKind::Unavailable))
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::new(Routes {
            node: 1,
            cluster: Ulid::from_parts(1, 1),
            shards: Arc::new(self.clone()),
            control: Arc::new(self.clone()),
            nodes: Arc::new(self.clone()),
            leaders: Arc::default(),
            offload: Offload::inline(),
            patience: Duration::from_secs(5),
        })
    }

    async fn write(&self, routes: &Arc<Routes>) -> Result<WriteOutcome, (ErrorKind, String)> {
        let written = routes.writers(1)[0].write(part()).await;
        written.map_err(|error| (error.kind(), error.to_string()))
    }
}

#[async_trait]
impl ShardWriter for Nodes3 {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        let shard = part.shard();
        let names =
            |part: &ShardPart| part.series().map(|(_, series)| series.to_labels().to_string()).collect();
        match self.did(1) {
            Does::Takes => self.0.lock().took.push(names(&part)),
            Does::Refuses(rows) => {
                let refused = |(row, cause)| RefusedRow { row, cause, message: "no".into() };
                return Ok(WriteOutcome { refused: rows.into_iter().map(refused).collect() });
            }
            Does::Names(leader) => return Err(IngestError::NotLeader { shard, leader }),
            Does::Fails(kind) => {
                return Err(IngestError::Shard { shard, kind, message: "told to".to_owned() });
            }
            Does::PassesOn(_) | Does::Hangs => std::future::pending().await,
        }
        Ok(WriteOutcome::default())
    }
}

impl LocalShards for Nodes3 {
    fn writer(&self, _: u32) -> Option<Arc<dyn ShardWriter>> {
        self.0.lock().does.contains_key(&1).then(|| Arc::new(self.clone()) as Arc<dyn ShardWriter>)
    }

    fn leader(&self, _: u32) -> Option<u64> {
        self.0.lock().here
    }
}

#[async_trait]
impl Control for Nodes3 {
    async fn change(&self, _: ControlCommand) -> Result<Changed, ClusterError> {
        Ok(Changed::NotLeader(None))
    }

    fn view(&self) -> Arc<ClusterView> {
        let replicas = self.0.lock().does.keys().copied().collect();
        let shard = ShardView { replicas, leader: Some(2), ..ShardView::new(1024) };
        Arc::new(ClusterView { generation: 3, shards: vec![shard], ..ClusterView::default() })
    }
}

impl Nodes for Nodes3 {
    fn node(&self, node: u64) -> Option<Arc<dyn ClusterApi>> {
        Some(Arc::new(Remote(node, self.clone())))
    }
}

/// One of the other nodes.
struct Remote(u64, Nodes3);

#[async_trait]
impl ClusterApi for Remote {
    async fn write(&self, request: WriteRequest) -> Result<WriteResponse, StoreError> {
        let part = crate::ring::read_part(&request.part, request.shard).unwrap();
        let outcome = match self.1.did(self.0) {
            Does::PassesOn(leader) if request.relay_to != leader => {
                write_response::Outcome::NotLeader(NotLeader { leader })
            }
            Does::Takes | Does::PassesOn(_) => {
                let names = part.series().map(|(_, series)| series.to_labels().to_string()).collect();
                self.1.0.lock().took.push(names);
                write_response::Outcome::Written(Written::default())
            }
            Does::Refuses(rows) => {
                let refused = rows.into_iter().map(|(row, cause)| {
                    let (cause, message) = (cause.as_str().to_owned(), "no".to_owned());
                    latewood_proto::cluster::wire::RefusedRow { row, cause, message }
                });
                write_response::Outcome::Written(Written { refused: refused.collect() })
            }
            Does::Names(leader) => {
                write_response::Outcome::NotLeader(NotLeader { leader: leader.unwrap_or(0) })
            }
            Does::Fails(kind) => return Err(StoreError::new(kind, "told to")),
            Does::Hangs => std::future::pending().await,
        };
        Ok(WriteResponse { outcome: Some(outcome) })
    }

    async fn replicate(&self, _: ReplicateRequest) -> Result<ReplicateResponse, StoreError> {
        Err(StoreError::new(ErrorKind::NotFound, "not here"))
    }

    async fn who(&self, _: WhoRequest) -> Result<WhoResponse, StoreError> {
        Ok(WhoResponse::default())
    }

    async fn change(&self, _: ChangeRequest) -> Result<ChangeResponse, StoreError> {
        Ok(ChangeResponse::default())
    }
}

/// Rows 1 and 3 of a batch of four.
fn part() -> ShardPart {
    let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
    for number in 0..4 {
        let labels = Labels::from_pairs([("__name__", "up"), ("n", &number.to_string())]);
        builder.push(&labels, &[Sample { timestamp: 5, value: 1.0 }]);
    }
    ShardPart::new(Arc::new(builder.build()), 0, [1, 3].into())
}

#[tokio::test(start_paused = true)]
async fn the_leader_is_found_by_what_others_say_and_then_asked_first() {
    let nodes = Nodes3::new(&[(1, Does::Names(Some(3))), (2, Does::Names(Some(3))), (3, Does::Takes)]);
    let routes = nodes.routes();
    nodes.write(&routes).await.unwrap();
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [2, 3, 3]);
    let took = nodes.0.lock().took.clone();
    assert_eq!(took[0], [r#"{__name__="up", n="1"}"#, r#"{__name__="up", n="3"}"#]);
    // It leads no more, and does not know who does.
    nodes.set(3, Does::Names(None));
    nodes.set(1, Does::Takes);
    nodes.set(2, Does::Fails(ErrorKind::Unavailable));
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [3, 2, 1]);
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_without_a_leader_is_waited_for() {
    let nodes =
        Nodes3::new(&[(1, Does::Names(None)), (2, Does::Names(None)), (3, Does::Fails(ErrorKind::Timeout))]);
    let routes = nodes.routes();
    let writing = tokio::spawn({
        let (nodes, routes) = (nodes.clone(), Arc::clone(&routes));
        async move { nodes.write(&routes).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!writing.is_finished());
    assert!(nodes.asked().len() < 60, "with pauses");
    nodes.set(2, Does::Takes);
    assert_eq!(writing.await.unwrap(), Ok(WriteOutcome::default()));
    // And in the end it is an error to be retried.
    nodes.set(2, Does::Names(Some(3)));
    let begun = Instant::now();
    let (kind, text) = nodes.write(&routes).await.unwrap_err();
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(text.contains("write_patience_ms") && text.contains("node 0000000000000003: told to"), "{text}");
    let waited = begun.elapsed();
    assert!((4500..=5500).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_does_not_mend_is_told_at_once() {
    for kind in [ErrorKind::Overloaded, ErrorKind::Unprocessable, ErrorKind::Internal, ErrorKind::TooLarge] {
        for node in [1, 2] {
            let mut does = vec![(1, Does::Names(Some(2))), (2, Does::Names(Some(1))), (3, Does::Takes)];
            does[node as usize - 1].1 = Does::Fails(kind);
            let nodes = Nodes3::new(&does);
            assert_eq!(nodes.write(&nodes.routes()).await.unwrap_err().0, kind);
            assert!(!nodes.asked().contains(&3));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refused_rows_are_those_of_the_sender() {
    let refuses = |rows: &[u32]| Does::Refuses(rows.iter().map(|row| (*row, Cause::TooOld)).collect());
    for (far, here, expected) in [(vec![1_u32], None, vec![3_u32]), (vec![], Some(vec![3]), vec![3])] {
        let leader = if here.is_some() { 1 } else { 2 };
        let nodes = Nodes3::new(&[(1, refuses(&here.unwrap_or_default())), (2, refuses(&far))]);
        let routes = nodes.routes();
        routes.leaders.set(0, Way::direct(leader));
        let outcome = nodes.write(&routes).await.unwrap();
        let rows: Vec<u32> = outcome.refused.iter().map(|refused| refused.row).collect();
        assert_eq!(rows, expected);
        assert_eq!((outcome.refused[0].cause, &*outcome.refused[0].message), (Cause::TooOld, "no"));
    }
    let nodes = Nodes3::new(&[(2, refuses(&[2]))]);
    assert_eq!(
        nodes.write(&nodes.routes()).await.unwrap_err().0,
        ErrorKind::Internal,
        "there is no such row"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_left_when_another_comes_to_lead() {
    let nodes = Nodes3::new(&[(1, Does::Names(Some(2))), (2, Does::Hangs), (3, Does::Takes)]);
    nodes.0.lock().here = Some(2);
    let routes = nodes.routes();
    let begun = Instant::now();
    let writing = tokio::spawn({
        let (nodes, routes) = (nodes.clone(), Arc::clone(&routes));
        async move { nodes.write(&routes).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    nodes.0.lock().here = Some(3);
    writing.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(nodes.asked(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_out_of_reach_is_written_to_through_who_reaches_it() {
    let away = || Does::Fails(ErrorKind::Unavailable);
    let nodes = Nodes3::new(&[(1, Does::Names(Some(3))), (2, Does::PassesOn(3)), (3, away())]);
    nodes.0.lock().here = Some(3);
    let routes = nodes.routes();
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [3, 2, 1, 2]);
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [2], "it is known to pass on");
    // Once it says who it is, it is asked itself again.
    nodes.set(3, Does::Takes);
    tokio::time::sleep(Duration::from_secs(3)).await;
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [2]);
    tokio::task::yield_now().await;
    nodes.write(&routes).await.unwrap();
    assert_eq!(nodes.asked(), [3]);
}

/// The service of one node behind the routes of another.
#[tokio::test(start_paused = true)]
async fn a_write_that_was_sent_is_as_good_as_one_that_came_here() {
    let far = Nodes3::new(&[(1, Does::Refuses(vec![(0, Cause::SeriesLimit)]))]);
    let service = RingService::new(Offload::inline());
    let cluster = Ulid::from_parts(1, 1);
    let founding = latewood_catalog::ClusterRecord {
        cluster,
        replication_factor: 3,
        shards: vec![1024],
        founders: Vec::new(),
        at_ms: 0,
    };
    let (address, founding) = ("a:1".to_owned(), Some(founding));
    service.introduce(Met { node: 2, address, zone: String::new(), founders: 3, founding });
    #[derive(Debug)]
    struct One(Arc<RingService>);
    impl Nodes for One {
        fn node(&self, _: u64) -> Option<Arc<dyn ClusterApi>> {
            Some(Arc::clone(&self.0) as Arc<dyn ClusterApi>)
        }
    }
    let near = Nodes3::new(&[(2, Does::Takes)]);
    let routes = near.routes();
    let routes = Arc::new(Routes {
        nodes: Arc::new(One(Arc::clone(&service))),
        shards: Arc::clone(&routes.shards),
        control: Arc::clone(&routes.control),
        leaders: Arc::default(),
        offload: Offload::inline(),
        ..*routes
    });
    let (kind, text) = near.write(&routes).await.unwrap_err();
    assert!(kind == ErrorKind::Unavailable && text.contains("is starting"), "{text}");
    service.serve(Arc::new(far.clone()), Arc::new(far.clone()), Arc::new(far.clone()));
    let outcome = near.write(&routes).await.unwrap();
    assert_eq!(outcome.refused, [RefusedRow { row: 1, cause: Cause::SeriesLimit, message: "no".into() }]);
    far.set(1, Does::Fails(ErrorKind::Overloaded));
    let (kind, text) = near.write(&routes).await.unwrap_err();
    assert_eq!((kind, text.as_str()), (ErrorKind::Overloaded, "shard 0: told to"));
    far.set(1, Does::Names(Some(9)));
    assert_eq!(near.write(&routes).await.unwrap_err().0, ErrorKind::Unavailable);
}
