//! Cardinality over heads and local blocks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use latewood_base::Offload;
use latewood_block::BlockStatistics;
use latewood_proto::store::StoreError;
use latewood_proto::store::wire::{Count, StatisticsResponse};

use super::reads::Reads;
use super::store::store_error;
use crate::head::{HeadPart, HeadStatistics};

/// The most entries of a list.
const MAX_LIMIT: u64 = 10_000;

/// Cardinality, each list by falling count. Shards are added up, because their series differ; of the
/// generations of a shard, which share most series, the greater number counts.
pub(super) async fn statistics(
    reads: Reads,
    limit: u64,
    offload: &Offload,
) -> Result<StatisticsResponse, StoreError> {
    let limit = usize::try_from(limit.min(MAX_LIMIT)).unwrap_or(usize::MAX);
    let mut all = HeadStatistics::default();
    for parts in reads.shards {
        let mut shard = HeadStatistics::default();
        for part in parts {
            shard.widen(of_part(part.part, offload).await?);
        }
        all.add(shard);
    }
    Ok(StatisticsResponse {
        series: all.series,
        label_pairs: all.label_pairs,
        chunks: all.chunks,
        min_time_ms: all.span.start,
        max_time_ms: all.span.end,
        series_by_metric: top(all.series_by_metric, limit),
        values_by_label: top(all.values_by_label, limit),
        bytes_by_label: top(all.bytes_by_label, limit),
        series_by_pair: top(all.series_by_pair, limit),
    })
}

async fn of_part(part: HeadPart, offload: &Offload) -> Result<HeadStatistics, StoreError> {
    match part {
        HeadPart::Memory(head) => {
            let work = move || head.statistics();
            offload.run(work).await.map_err(|error| store_error(&error))
        }
        HeadPart::Local(local) => {
            let limit = usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX);
            let open = local.open().await.map_err(|error| store_error(&error))?;
            let found = open.block().statistics(limit).await;
            Ok(of_block(found.map_err(|error| store_error(&error))?))
        }
    }
}

fn of_block(block: BlockStatistics) -> HeadStatistics {
    let map = |counts: Vec<latewood_block::Count>| {
        counts.into_iter().map(|count| (count.name, count.value)).collect()
    };
    HeadStatistics {
        series: block.series,
        label_pairs: block.label_pairs,
        chunks: block.series,
        span: block.range,
        series_by_metric: map(block.series_by_metric),
        values_by_label: map(block.values_by_label),
        bytes_by_label: map(block.bytes_by_label),
        series_by_pair: map(block.series_by_pair),
    }
}

fn top(counts: BTreeMap<String, u64>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<_> = counts.into_iter().map(|(name, value)| Count { name, value }).collect();
    counts.sort_by_key(|count| Reverse(count.value));
    counts.truncate(limit);
    counts
}
