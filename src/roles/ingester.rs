//! The ingester in this process.

use std::sync::Arc;

use latewood_ingester::{Ingester, IngesterDeps, RawRetention};

use super::{Context, Started};

/// Starts it: replays the journal, then takes writes.
pub async fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let deps = IngesterDeps {
        bucket: Arc::clone(&context.bucket),
        catalogs: Arc::clone(&context.catalogs),
        clock: context.clock.clone(),
        ids: context.ids.clone(),
        rng: context.rng.clone(),
        data_dir: context.config.data_dir.clone(),
        offload: context.offload.clone(),
        dialer: context.dialer.clone(),
        shutdown: context.shutdown.child(),
    };
    let mut config = context.config.ingester.clone();
    config.push.type_and_unit_labels |= context.features.iter().any(|name| name == "type-and-unit-labels");
    let compactor = &context.config.compactor;
    let of_tenants = compactor.tenant_retention.iter();
    config.push.raw_retention = RawRetention {
        seconds: compactor.retention.resolution_raw_seconds,
        tenants: of_tenants.map(|(tenant, kept)| (tenant.clone(), kept.resolution_raw_seconds)).collect(),
    };
    let ingester = Ingester::start(config, deps, context.ring.clone(), &mut context.registry).await?;
    started.mount(ingester.routes());
    started.newest = Some(ingester.store());
    started.deletion = Some(ingester.deletion());
    started.ingester = Some(ingester);
    Ok(())
}
