use async_trait::async_trait;
use latewood_model::{Labels, Sample, TenantId};
use proptest::prelude::*;

use super::*;
use crate::BatchBuilder;

/// Fails as told, or takes everything.
struct Fixed(Option<ErrorKind>);

#[async_trait]
impl ShardWriter for Fixed {
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError> {
        match self.0 {
            None => Ok(WriteOutcome::default()),
            Some(kind) => Err(IngestError::Shard { shard: part.shard(), kind, message: format!("{kind:?}") }),
        }
    }
}

fn distributor(kinds: &[Option<ErrorKind>]) -> Distributor {
    let writers = kinds.iter().map(|&kind| Arc::new(Fixed(kind)) as Arc<dyn ShardWriter>);
    Distributor::new(writers.collect()).unwrap()
}

fn batch(series: usize) -> Arc<WriteBatch> {
    let mut builder = BatchBuilder::new(TenantId::anonymous(), &["replica"]);
    for number in 0..series {
        let number = number.to_string();
        for replica in ["1", "2"] {
            let labels = Labels::from_pairs([("__name__", "up"), ("n", &number), ("replica", replica)]);
            builder.push(&labels, &[Sample { timestamp: 1, value: 1.0 }]);
        }
    }
    Arc::new(builder.build())
}

async fn failure(kinds: &[Option<ErrorKind>]) -> Option<(ErrorKind, String)> {
    let distributor = distributor(kinds);
    let written = distributor.write(distributor.split(&batch(100))).await;
    written.failure.map(|error| (error.kind(), error.to_string()))
}

#[tokio::test]
async fn a_retryable_failure_wins_and_all_are_named() {
    use ErrorKind::{Internal, Invalid, Unavailable};
    assert_eq!(failure(&[None, None]).await, None);
    let (kind, text) = failure(&[Some(Internal), None, Some(Unavailable), Some(Invalid)]).await.unwrap();
    assert_eq!(kind, Unavailable);
    for part in ["shard 0: Internal", "shard 2: Unavailable", "shard 3: Invalid"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(failure(&[Some(Invalid), Some(Internal)]).await.unwrap().0, Internal);
    assert!(Distributor::new(Vec::new()).is_err());
}

#[tokio::test]
async fn what_other_shards_stored_is_counted() {
    let distributor = distributor(&[None, Some(ErrorKind::Unavailable)]);
    let parts = distributor.split(&batch(100));
    let stored = parts.iter().find(|part| part.shard() == 0).map(ShardPart::samples);
    let written = distributor.write(parts).await;
    assert_eq!(Some(written.samples as usize), stored);
    assert!((50..150).contains(&written.samples));
}

proptest! {
    #[test]
    fn every_series_is_in_one_part_and_pairs_stay_together(shards in 1_u32..9, series in 0_usize..50) {
        let batch = batch(series);
        let parts = split(ShardMap::new(shards), shards, &batch);
        let mut shard_of = vec![None; batch.len()];
        for part in &parts {
            prop_assert!(part.shard() < shards && !part.is_empty());
            for (row, _) in part.series() {
                prop_assert!(shard_of[row as usize].replace(part.shard()).is_none());
            }
        }
        prop_assert!(shard_of.iter().all(Option::is_some));
        prop_assert!(shard_of.chunks(2).all(|pair| pair[0] == pair[1]));
    }
}
