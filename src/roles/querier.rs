//! The querier in this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use latewood_discovery::PeerAddr;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::store::StoreApi;
use latewood_querier::{NamedStore, Querier, QuerierDeps, StatusInfo};

use super::peers::{LOCAL, Peers};
use super::{Context, Started};
use crate::build_info;

/// Starts it over the stores that have started, and those of other processes.
pub async fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let mut config = context.config.querier.clone();
    let has = |local: bool, addrs: &[PeerAddr]| local || !addrs.is_empty();
    anyhow::ensure!(
        has(started.newest.is_some(), &config.ingester_addrs)
            && has(started.blocks.is_some(), &config.store_gateway_addrs),
        "a querier asks ingesters and store-gateways: give --ingester-addr and --store-gateway-addr"
    );
    let peers = Peers::new(context);
    let (ingesters, gateways) = tokio::join!(
        peers.follow(&config.ingester_addrs, local(started.newest.as_ref(), started.deletion.as_ref())),
        peers.follow(&config.store_gateway_addrs, local(started.blocks.as_ref(), None)),
    );
    let deps = QuerierDeps {
        catalogs: Arc::clone(&context.catalogs),
        ingesters,
        gateways,
        clock: context.clock.clone(),
        ids: context.ids.clone(),
        offload: context.offload.clone(),
        status: status(context)?,
    };
    context.features.iter().for_each(|name| config.engine.features.enable(name));
    started.mount(Querier::new(config, deps, &mut context.registry).routes());
    Ok(())
}

/// A store in this process.
fn local(api: Option<&Arc<dyn StoreApi>>, deletion: Option<&Arc<dyn DeletionApi>>) -> Option<NamedStore> {
    Some(NamedStore { name: LOCAL.into(), api: Arc::clone(api?), deletion: deletion.cloned() })
}

fn joined(addrs: &[PeerAddr]) -> String {
    addrs.iter().map(PeerAddr::as_str).collect::<Vec<_>>().join(",")
}

fn path(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn status(context: &Context) -> anyhow::Result<StatusInfo> {
    let (service, querier) = (&context.config.service, &context.config.querier);
    let flags = BTreeMap::from([
        ("data-dir".to_owned(), context.config.data_dir.display().to_string()),
        ("http-addr".to_owned(), service.http_addr.to_string()),
        ("grpc-addr".to_owned(), service.grpc_addr.to_string()),
        ("web.config.file".to_owned(), path(service.web_config_file.as_deref())),
        ("bucket".to_owned(), context.config.bucket.url.clone().unwrap_or_default()),
        ("s3-endpoint".to_owned(), context.config.bucket.s3_endpoint.clone().unwrap_or_default()),
        ("enable-feature".to_owned(), context.features.join(",")),
        ("query-replica-label".to_owned(), querier.replica_labels.join(",")),
        ("log-level".to_owned(), context.config.log.level.clone()),
        ("ingester-addr".to_owned(), joined(&querier.ingester_addrs)),
        ("store-gateway-addr".to_owned(), joined(&querier.store_gateway_addrs)),
    ]);
    Ok(StatusInfo {
        version: build_info::VERSION.to_owned(),
        revision: build_info::REVISION.to_owned(),
        branch: build_info::BRANCH.to_owned(),
        build_date: build_info::DATE.to_owned(),
        compiler: build_info::COMPILER.to_owned(),
        flags,
        config_yaml: serde_saphyr::to_string(&context.config)?,
        // The configuration is read once, as the process starts.
        started_ms: context.started_ms,
        configured_ms: context.started_ms,
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        working_dir: std::env::current_dir()?.display().to_string(),
        // Nothing deletes samples yet.
        retention: String::new(),
    })
}
