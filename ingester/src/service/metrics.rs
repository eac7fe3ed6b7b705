//! What the shards hold, as metrics: read when they are scraped.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::Shard;
use crate::shards::Shards;

/// Gauges over all shards of a node.
#[derive(Debug)]
pub(super) struct ShardsCollector(pub(super) Shards);

impl Collector for ShardsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let shards = self.0.all();
        let sum = |of: &dyn Fn(&Shard) -> u64| {
            let total: u64 = shards.iter().map(|shard| of(shard)).sum();
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        let memory = |shard: &Shard| {
            let (open, closed) = shard.head().memory();
            (open + closed) as u64
        };
        let unflushed = shards.first().map_or(0, |shard| shard.unflushed_bytes());
        let open_blocks = shards.first().map_or(0, |shard| shard.open_block_bytes());
        let gauges = [
            (
                "latewood_ingester_head_series",
                "Series of the open generations",
                sum(&|shard| shard.head().open().series()),
            ),
            (
                "latewood_ingester_head_samples",
                "Samples of the open generations",
                sum(&|shard| shard.head().open().samples()),
            ),
            (
                "latewood_ingester_head_bytes",
                "Memory of generations that are not in local blocks",
                sum(&memory),
            ),
            (
                "latewood_ingester_closed_generations",
                "Generations that are frozen and not dropped",
                sum(&|shard| shard.head().closed().len() as u64),
            ),
            ("latewood_ingester_shards", "Replicas of shards on this node", sum(&|_| 1)),
            (
                "latewood_ingester_led_shards",
                "Shards that this node leads: it takes their writes and answers for them",
                sum(&|shard| u64::from(shard.leads())),
            ),
            (
                "latewood_ingester_failed_shards",
                "Shards whose log takes no more entries because of the disk; a restart opens it again",
                sum(&|shard| u64::from(shard.has_failed())),
            ),
            (
                "latewood_ingester_queued_bytes",
                "Bytes of writes that wait to be proposed",
                sum(&|shard| shard.queued_bytes()),
            ),
            (
                "latewood_ingester_open_block_bytes",
                "Memory of local blocks that stay open",
                i64::try_from(open_blocks).unwrap_or(i64::MAX),
            ),
            (
                "latewood_ingester_unflushed_bytes",
                "Bytes of local blocks",
                i64::try_from(unflushed).unwrap_or(i64::MAX),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
