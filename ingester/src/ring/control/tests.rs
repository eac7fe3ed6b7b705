use std::collections::BTreeMap;

use bytes::Bytes;
use latewood_base::Kinded;
use latewood_proto::cluster::ClusterApi;
use latewood_proto::cluster::wire::{
    ChangeResponse, NotLeader, ReplicateRequest, ReplicateResponse, WhoRequest, WhoResponse, WriteRequest,
    WriteResponse,
};
use parking_lot::Mutex;

use super::*;

/// Nodes, and what each says to a change; the others are away. Notes who was asked.
#[derive(Clone, Debug, Default)]
struct Say(Arc<Mutex<SaidAndAsked>>);

type SaidAndAsked = (BTreeMap<u64, Changed>, Vec<u64>);

struct Node(u64, Say);

impl Nodes for Say {
    fn node(&self, node: u64) -> Option<Arc<dyn ClusterApi>> {
        (node < 10).then(|| Arc::new(Node(node, self.clone())) as Arc<dyn ClusterApi>)
    }
}

fn away() -> StoreError {
    StoreError::new(ErrorKind::Unavailable, "away")
}

#[async_trait]
impl ClusterApi for Node {
    async fn change(&self, request: ChangeRequest) -> Result<ChangeResponse, StoreError> {
        assert_eq!(ControlCommand::decode(request.command), Ok(ControlCommand::Drain { node: 7 }));
        assert_eq!(request.cluster, Ulid::from_parts(1, 1).to_string());
        let mut say = self.1.0.lock();
        say.1.push(self.0);
        let outcome = match say.0.get(&self.0).cloned().ok_or_else(away)? {
            Changed::Done(generation) => change_response::Outcome::Generation(generation),
            Changed::Refused(reason) => change_response::Outcome::Refused(reason),
            Changed::NotLeader(leader) => {
                change_response::Outcome::NotLeader(NotLeader { leader: leader.unwrap_or(0) })
            }
        };
        Ok(ChangeResponse { outcome: Some(outcome) })
    }

    async fn replicate(&self, _: ReplicateRequest) -> Result<ReplicateResponse, StoreError> {
        Ok(ReplicateResponse { answer: Bytes::new() })
    }

    async fn write(&self, _: WriteRequest) -> Result<WriteResponse, StoreError> {
        Err(away())
    }

    async fn who(&self, _: WhoRequest) -> Result<WhoResponse, StoreError> {
        Err(away())
    }
}

#[tokio::test]
async fn a_change_is_made_by_whoever_leads() {
    use Changed::{Done, NotLeader, Refused};

    let asked = async |nodes: &[u64], say: &[(u64, Changed)]| {
        let nodes_say = Say(Arc::new(Mutex::new((say.iter().cloned().collect(), Vec::new()))));
        let control = RemoteControl { nodes: Arc::new(nodes_say.clone()), cluster: Ulid::from_parts(1, 1) };
        let changed = control.change_somewhere(nodes, &ControlCommand::Drain { node: 7 }).await;
        let asked = nodes_say.0.lock().1.clone();
        (changed.map_err(|error| error.kind()), asked)
    };
    let first = [(1, NotLeader(Some(3))), (2, NotLeader(None)), (3, Done(5))];
    assert_eq!(
        asked(&[1, 2], &first).await,
        (Ok(Done(5)), vec![1, 3]),
        "who is named goes before the others"
    );
    assert_eq!(asked(&[4, 2, 3], &first).await, (Ok(Done(5)), vec![4, 2, 3]), "and who is away is passed by");
    let refused = [(1, Refused("no".to_owned()))];
    assert_eq!(asked(&[1, 2], &refused).await, (Ok(Refused("no".to_owned())), vec![1]));
    let circle = [(1, NotLeader(Some(2))), (2, NotLeader(Some(1)))];
    assert_eq!(asked(&[1], &circle).await, (Err(ErrorKind::Unavailable), vec![1, 2]));
    assert_eq!(
        asked(&[99], &circle).await,
        (Err(ErrorKind::Unavailable), vec![]),
        "it is not known where it is"
    );
    assert_eq!(asked(&[], &circle).await, (Err(ErrorKind::Unavailable), vec![]));
}
