//! A process's life: open what is shared, start the role's parts, serve, and stop in the opposite order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use latewood_base::{Clock, ErrorKind, Ids, Kinded, Offload, Rng, Shutdown, Tasks};
use latewood_catalog::Catalogs;
use latewood_ingester::IngesterConfig;
use latewood_ingester::ring::RingService;
use latewood_objstore::{Bucket, ProbeError, Proven, open_bucket, reach};
use latewood_proto::cluster::{ClusterApi, ClusterService};
use latewood_proto::deletion::DeletionService;
use latewood_proto::store::{StoreService, WireLimits};
use latewood_proto::{Dialer, TlsClient};
use latewood_service::{
    GrpcTls, Guard, Health, HttpServer, LateRoutes, ReloadMetrics, Serves, Web, init_logs, metrics_routes,
    register_process_metrics, serve_grpc, with_middleware,
};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::service::Routes;

use crate::config::Config;
use crate::roles::{Context, Role, Started, needs, served_store, services_routes, with_fallbacks};
use crate::{build_info, features};

/// How long the start waits for the bucket's answer before it goes on with what can do without.
const BUCKET_PATIENCE: Duration = Duration::from_secs(10);

/// Runs a role until the process is told to stop.
///
/// # Errors
/// When something cannot be opened or started; the text says what and why.
pub async fn run(role: &'static Role, config: Config) -> anyhow::Result<()> {
    init_logs(&config.log)?;
    let mut stop = pin!(stop_signal()?);
    let reloads = ReloadMetrics::default();
    let web = Web::open(&config.service, &Rng::system(), &reloads)?;
    let grpc_tls = GrpcTls::open(&config.service, &reloads)?;
    let http = HttpServer::bind(&config.service, &web).await?;
    let admin = HttpServer::bind_admin(&config.service, &web).await?;
    let (http_addr, health, late) = (http.addr(), Health::new(), LateRoutes::new());
    let listening = Shutdown::new();
    // Probes are answered while the parts start, which may take as long as a journal or a bucket wants.
    tokio::spawn(web.clone().follow(listening.clone()));
    tokio::spawn(grpc_tls.clone().follow(listening.clone()));
    let routes = with_middleware(health.routes().merge(late.routes()), &web);
    let served = tokio::spawn(http.serve(routes, listening.clone()));
    let late_admin = LateRoutes::new();
    let serves = if admin.is_some() { Serves::AllButAdmin } else { Serves::All };
    let served_admin = admin.map(|admin| {
        tracing::info!(admin_addr = %admin.addr(), "administrators have an address of their own");
        let routes = with_middleware(health.routes().merge(late_admin.routes()), &web);
        tokio::spawn(admin.serve(routes, listening.clone()))
    });
    tracing::info!(role = role.name, %http_addr, version = build_info::VERSION, "latewood is starting");
    let running = tokio::select! {
        () = &mut stop => {
            // Nothing was acknowledged yet, and a start is as safe to cut short as a process to kill.
            tracing::info!("told to stop before the start was done");
            return Ok(());
        }
        started = start(role, config, grpc_tls) => started?,
    };
    let Running { mut context, mut started, bucket, grpc_addr, grpc } = running;
    if web.asks() && context.config.service.grpc_tls.client_ca_file.is_none() && !grpc_addr.ip().is_loopback()
    {
        tracing::warn!(
            %grpc_addr,
            "HTTP asks who somebody is, and gRPC does not: set service.grpc_tls.client_ca_file, or let nobody else reach it"
        );
    }
    let guard = Guard::new(web, needs, context.clock.clone());
    guard.register_metrics(&mut context.registry);
    reloads.register(&mut context.registry);
    let registry = Arc::new(std::mem::take(&mut context.registry));
    let routes = std::mem::take(&mut started.routes)
        .merge(metrics_routes(registry))
        .merge(services_routes(role, health.clone()));
    let routes = with_fallbacks(routes, role);
    late_admin.set(guard.of(Serves::AdminAlone).protect(routes.clone()));
    late.set(guard.of(serves).protect(routes));
    if let Some(ingester) = &started.ingester {
        health.also_ask(ingester.readiness());
    }
    health.set_ready(true);
    let (bucket_url, data_dir) = (context.config.bucket.url.as_deref(), context.config.data_dir.display());
    tracing::info!(role = role.name, %http_addr, %grpc_addr, bucket = bucket_url, %data_dir, "latewood is ready");

    let outcome = tokio::select! {
        () = stop => Ok(()),
        wrong = bucket.refuted(), if role.commits() => Err(wrong.into()),
    };
    tracing::info!("stopping");
    health.set_ready(false);
    // Before the leads are given away: to one that is there they would be given back.
    tokio::time::sleep(Duration::from_secs(context.config.shutdown_delay_seconds)).await;
    if let Some(ingester) = &started.ingester {
        ingester.hand_over().await;
    }
    listening.begin();
    served.await.context("the HTTP listener")?;
    if let Some(served) = served_admin {
        served.await.context("the listener for administrators")?;
    }
    context.shutdown.begin();
    grpc.await.context("the gRPC listener")?;
    if let Some(ingester) = started.ingester.take() {
        ingester.stop().await;
    }
    context.tasks.join().await;
    tracing::info!("stopped");
    outcome
}

/// A process whose parts have started, but for HTTP.
struct Running {
    context: Context,
    started: Started,
    bucket: Arc<Proven>,
    grpc_addr: SocketAddr,
    grpc: JoinHandle<()>,
}

async fn start(role: &Role, config: Config, grpc_tls: GrpcTls) -> anyhow::Result<Running> {
    let (mut context, bucket) = open(role, config, dialer(&grpc_tls)).await?;
    // Nodes of a cluster find each other while they start.
    let late = LateRoutes::new();
    let routes = early_routes(context.ring.as_ref(), &context.config.ingester, &late);
    let (grpc_addr, grpc) =
        serve_grpc(&context.config.service, &grpc_tls, routes, context.shutdown.child()).await?;
    if let Some(ring) = &context.ring {
        let address = context.config.ingester.ring.address(grpc_addr.port()).map_err(anyhow::Error::msg)?;
        ring.listens_at(&address);
    }
    let grpc = tokio::spawn(grpc);
    let started = role.start(&mut context).await?;
    late.set(grpc_routes(&started, context.config.querier.enable_admin_api).into_axum_router());
    Ok(Running { context, started, bucket, grpc_addr, grpc })
}

/// How other processes are reached.
fn dialer(tls: &GrpcTls) -> Dialer {
    let Some(first) = tls.client() else { return Dialer::plain() };
    let tls = tls.clone();
    Dialer::encrypted(move || {
        let (config, server_name) = tls.client().unwrap_or_else(|| first.clone());
        TlsClient { config, server_name }
    })
}

/// What is served over gRPC while the parts start: of a node of a cluster, what other nodes ask. All else follows.
fn early_routes(ring: Option<&Arc<RingService>>, settings: &IngesterConfig, late: &LateRoutes) -> Routes {
    let late = late.routes().layer(map_response(in_grpc));
    let Some(ring) = ring else { return Routes::from(late) };
    let node = Arc::clone(ring) as Arc<dyn ClusterApi>;
    let nodes = ClusterService::server(node, settings.ring.wire(&settings.group));
    // A route of its own goes before the rest.
    Routes::from(late).add_service(nodes)
}

/// That the parts are starting, as clients of gRPC understand it: they would take a text for a broken message.
async fn in_grpc(response: Response) -> Response {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        Status::unavailable("Latewood is starting: retry").into_http()
    } else {
        response
    }
}

/// Opens what all parts share.
async fn open(role: &Role, mut config: Config, dialer: Dialer) -> anyhow::Result<(Context, Arc<Proven>)> {
    latewood_base::make_folder(&config.data_dir)
        .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    config.locate()?;
    let features = features::enable(&config.enable_features);
    let (clock, rng) = (Clock::system(), Rng::system());
    let ids = Ids::new(clock.clone(), rng.clone());
    let mut registry = Registry::default();
    build_info::register(&mut registry);
    register_process_metrics(&mut registry);
    let bucket = open_bucket(&config.bucket, clock.clone(), &mut registry).await?;
    let proven = Arc::new(Proven::new(bucket, ids.clone()));
    let bucket: Bucket = proven.clone();
    if role.commits() {
        if_there(proven.prove()).await?;
    } else {
        if_there(async { Ok(reach(&bucket).await?) }).await?;
    }
    let catalogs = Catalogs::new(Arc::clone(&bucket), clock.clone(), ids.clone(), config.catalog.clone());
    catalogs.register_metrics(&mut registry);
    let offload = Offload::per_core();
    let joins = role.takes_writes() && config.ingester.ring.joins();
    let context = Context {
        ring: joins.then(|| RingService::new(offload.clone())),
        config,
        features,
        started_ms: clock.now_ms(),
        clock,
        rng,
        ids,
        bucket,
        catalogs,
        offload,
        dialer,
        registry,
        shutdown: Shutdown::new(),
        tasks: Tasks::new(),
    };
    Ok((context, proven))
}

/// A look at the bucket. One that does not answer is waited for a while, and then left for later: what was acknowledged
/// is served from the journal meanwhile, and writes are taken.
async fn if_there(look: impl Future<Output = Result<(), ProbeError>>) -> Result<(), ProbeError> {
    let text = match tokio::time::timeout(BUCKET_PATIENCE, look).await {
        Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => error.to_string(),
        Ok(verdict) => return verdict,
        Err(_) => format!("no answer within {} s", BUCKET_PATIENCE.as_secs()),
    };
    tracing::warn!(error = text, "the bucket does not answer; what needs it will wait");
    Ok(())
}

/// Resolves at SIGTERM or SIGINT; installed at the start, so that no signal is missed.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The Store API, where this process has anything that queriers of others ask for, and deletion, where it is allowed.
fn grpc_routes(started: &Started, may_delete: bool) -> Routes {
    let mut routes = Routes::default();
    if let Some(store) = served_store(started) {
        routes = routes.add_service(StoreService::server(store, &WireLimits::default()));
    }
    if let Some(deletion) = started.deletion.as_ref().filter(|_| may_delete) {
        routes = routes.add_service(DeletionService::server(Arc::clone(deletion)));
    }
    routes
}

#[cfg(test)]
mod security_tests;

#[cfg(test)]
mod tests {
    use latewood_proto::cluster::RemoteCluster;
    use latewood_proto::cluster::wire::WhoRequest;
    use latewood_proto::store::wire::LabelNamesRequest;
    use latewood_proto::store::{RemoteStore, StoreApi};
    use latewood_service::ServiceConfig;

    use super::*;

    #[tokio::test]
    async fn nodes_are_answered_while_the_parts_start() {
        let (late, ring) = (LateRoutes::new(), RingService::new(Offload::inline()));
        let (settings, shutdown) = (IngesterConfig::default(), Shutdown::new());
        let service = ServiceConfig { grpc_addr: ([127, 0, 0, 1], 0).into(), ..ServiceConfig::default() };
        let routes = early_routes(Some(&ring), &settings, &late);
        let tls = GrpcTls::open(&service, &ReloadMetrics::default()).unwrap();
        let (addr, serving) = serve_grpc(&service, &tls, routes, shutdown.clone()).await.unwrap();
        let served = tokio::spawn(serving);
        let node =
            RemoteCluster::at(&addr.to_string(), settings.ring.wire(&settings.group), &Dialer::plain());
        let store = RemoteStore::new(
            latewood_proto::channel(&addr.to_string(), &Dialer::plain()),
            &WireLimits::default(),
        );
        let who = node.who(WhoRequest {}).await.unwrap_err();
        assert_eq!((who.kind(), who.to_string().contains("starting")), (ErrorKind::Unavailable, true));
        let names = store.label_names(LabelNamesRequest::default()).await.unwrap_err();
        assert_eq!(names.kind(), ErrorKind::Unavailable);
        late.set(Routes::default().into_axum_router());
        let names = store.label_names(LabelNamesRequest::default()).await.unwrap_err();
        assert_eq!(
            names.kind(),
            ErrorKind::Unsupported,
            "what is not served is told apart from what is late"
        );
        drop((node, store));
        shutdown.begin();
        served.await.unwrap();
    }
}
