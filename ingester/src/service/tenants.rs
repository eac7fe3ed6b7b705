//! What each tenant has in memory, as metrics: read when they are scraped.
//!
//! Only of shards that this node leads, so that a sum over the nodes of a cluster counts each series once.

use std::collections::BTreeMap;
use std::fmt;

use latewood_model::TenantId;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::shards::Shards;

/// How many tenants the metrics name, of more those with the most series: anybody may make up tenants, and whoever
/// scrapes has to keep them all.
const MAX_TENANTS: usize = 500;

/// What a tenant has in open generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holding {
    series: u64,
    bytes: u64,
}

/// Gauges for each tenant.
#[derive(Debug)]
pub(super) struct TenantsCollector(pub(super) Shards);

impl TenantsCollector {
    fn holdings(&self) -> BTreeMap<TenantId, Holding> {
        let mut holdings = BTreeMap::<TenantId, Holding>::new();
        for shard in self.0.all().iter().filter(|shard| shard.leads()) {
            let open = shard.head().open();
            for tenant in open.tenants() {
                let Some(head) = open.tenant(&tenant) else { continue };
                let holding = holdings.entry(tenant).or_default();
                holding.series += head.series() as u64;
                holding.bytes += head.heap_size() as u64;
            }
        }
        holdings
    }
}

impl Collector for TenantsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let holdings = self.holdings();
        let (name, help) =
            ("latewood_ingester_head_tenants", "Tenants with open generations led by this node");
        let tenants = gauge(holdings.len() as u64);
        tenants.encode(encoder.encode_descriptor(name, help, None, tenants.metric_type())?)?;
        let largest = largest(holdings, MAX_TENANTS);
        by_tenant(
            &mut encoder,
            "latewood_ingester_tenant_head_series",
            "Series of a tenant in open generations led by this node; of the 500 tenants with the most",
            largest.iter().map(|(tenant, holding)| (tenant, holding.series)),
        )?;
        by_tenant(
            &mut encoder,
            "latewood_ingester_tenant_head_bytes",
            "Memory of a tenant's open generations led by this node; of the 500 tenants with the most series",
            largest.iter().map(|(tenant, holding)| (tenant, holding.bytes)),
        )
    }
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

fn by_tenant<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a TenantId, u64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (tenant, value) in values {
        gauge(value).encode(family.encode_family(&[("tenant", tenant.as_str())])?)?;
    }
    Ok(())
}

/// The tenants with the most series, at most `count`.
fn largest(holdings: BTreeMap<TenantId, Holding>, count: usize) -> Vec<(TenantId, Holding)> {
    let mut all: Vec<_> = holdings.into_iter().collect();
    all.sort_by_key(|(_, holding)| std::cmp::Reverse(holding.series));
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_tenants_those_with_the_most_series_are_told() {
        let holdings = (0..20_u64).map(|number| {
            let tenant = TenantId::new(&format!("tenant-{number}")).unwrap();
            (tenant, Holding { series: number % 10, bytes: 1 })
        });
        let told = largest(holdings.collect(), 4);
        let told: Vec<_> = told.iter().map(|(tenant, holding)| (tenant.as_str(), holding.series)).collect();
        assert_eq!(told, [("tenant-19", 9), ("tenant-9", 9), ("tenant-18", 8), ("tenant-8", 8)]);
    }
}
