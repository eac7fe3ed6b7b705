//! The querier in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_querier::{Querier, QuerierDeps, StatusInfo};

use super::{Context, Started};

/// Starts it over the stores that have started.
pub fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let deps = QuerierDeps {
        catalogs: Arc::clone(&context.catalogs),
        ingesters: started.ingesters.clone(),
        gateways: started.gateways.clone(),
        clock: context.clock.clone(),
        status: status(context)?,
    };
    let mut config = context.config.querier.clone();
    context.features.iter().for_each(|name| config.engine.features.enable(name));
    started.mount(Querier::new(config, deps, &mut context.registry).routes());
    Ok(())
}

fn status(context: &Context) -> anyhow::Result<StatusInfo> {
    let service = &context.config.service;
    let flags = BTreeMap::from([
        ("data-dir".to_owned(), context.config.data_dir.display().to_string()),
        ("http-addr".to_owned(), service.http_addr.to_string()),
        ("grpc-addr".to_owned(), service.grpc_addr.to_string()),
        ("bucket".to_owned(), context.config.bucket.url.clone().unwrap_or_default()),
        ("s3-endpoint".to_owned(), context.config.bucket.s3_endpoint.clone().unwrap_or_default()),
        ("enable-feature".to_owned(), context.features.join(",")),
        ("log-level".to_owned(), context.config.log.level.clone()),
    ]);
    Ok(StatusInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        flags,
        config_yaml: serde_saphyr::to_string(&context.config)?,
        ..StatusInfo::default()
    })
}
