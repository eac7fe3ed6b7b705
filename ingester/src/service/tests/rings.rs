//! What an ingester tells of its shards, and answers for those that are named.

use latewood_proto::deletion::wire::LogRequest;
use latewood_proto::store::Ring;

use super::*;

impl Node {
    pub(super) async fn ring(&self) -> Ring {
        Ring::from_wire(&self.ingester.store().ring(wire::RingRequest {}).await.unwrap()).unwrap()
    }

    /// How many series it answers of these shards.
    async fn count(&self, shards: &[u32]) -> Result<usize, StoreError> {
        let mut scope = self.scope(None);
        scope.view = Some(wire::View { shards: shards.to_vec(), ..wire::View::default() });
        let request = wire::SelectRequest { scope: Some(scope), ..wire::SelectRequest::default() };
        let mut batches = self.ingester.store().select(request).await?;
        let mut count = 0;
        while let Some(batch) = batches.next().await {
            count += batch?.series.len();
        }
        Ok(count)
    }

    async fn log(&self, shards: &[u32]) -> Result<Vec<u32>, StoreError> {
        let (tenant, shards) = (self.tenant.to_string(), shards.to_vec());
        let logged =
            self.ingester.deletion().log(LogRequest { tenant, selections: Vec::new(), shards }).await;
        Ok(logged?.open.into_iter().map(|open| open.shard).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_alone_leads_all_its_shards_under_its_journals_name() {
    let (dir, other, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), memory());
    let first = Node::start(dir.path(), &bucket, 3).await;
    let ring = first.ring().await;
    assert!(ring.stands_alone() && !ring.cluster.is_nil());
    assert!(ring.shards.len() == 3 && ring.led.keys().eq(ring.shards.iter()));
    let second = Node::start(other.path(), &bucket, 2).await.ring().await;
    assert!(second.cluster != ring.cluster && second.shards.is_disjoint(&ring.shards));
    first.ingester.stop().await;
    let again = Node::start(dir.path(), &bucket, 3).await.ring().await;
    assert_eq!((again.cluster, again.node, again.shards), (ring.cluster, ring.node, ring.shards));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_shards_that_are_named_answer_and_others_are_refused() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), memory());
    let node = Node::start(dir.path(), &bucket, 3).await;
    node.write(60, 0, &mut Data::new()).await;
    let shards: Vec<u32> = node.ring().await.shards.into_iter().collect();
    assert_eq!(node.count(&[]).await.unwrap(), 60);
    assert_eq!(node.count(&shards).await.unwrap(), 60);
    assert_eq!(node.count(&shards[1..2]).await.unwrap(), 20);
    assert_eq!(node.log(&shards[..2]).await.unwrap(), shards[..2]);
    assert_eq!(node.log(&[]).await.unwrap(), shards);
    let unknown = [shards[0], 999_999, 7];
    let refused = [node.count(&unknown).await.map(drop), node.log(&unknown).await.map(drop)];
    for error in refused.map(Result::unwrap_err) {
        assert!(matches!(&error, StoreError::NotLeader { shards } if *shards == [7, 999_999]), "{error}");
    }
    assert_eq!(node.count(&[shards[0]; 2]).await.unwrap_err().kind(), ErrorKind::Invalid);
}
