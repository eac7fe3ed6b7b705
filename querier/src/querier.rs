//! The querier: what it is made of, and its routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use latewood_base::{Clock, Ids, Offload};
use latewood_catalog::Catalogs;
use latewood_model::TimestampMs;
use latewood_service::LogLimit;
use prometheus_client::registry::Registry;

use crate::QuerierConfig;
use crate::evaluate::Evaluator;
use crate::fanout::Fanout;
use crate::gate::QueryGate;
use crate::http::{self, Api, Parser};
use crate::metrics::Metrics;
use crate::stores::Stores;

/// What `status/*` tells of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusInfo {
    /// This release's version.
    pub version: String,
    /// The commit that it was built from.
    pub revision: String,
    /// The branch that it was built from.
    pub branch: String,
    /// When it was built.
    pub build_date: String,
    /// The compiler.
    pub compiler: String,
    /// The flags it was started with, by name, for `status/flags`.
    pub flags: BTreeMap<String, String>,
    /// The configuration as YAML, secrets removed, for `status/config`.
    pub config_yaml: String,
    /// When the process was started, in milliseconds since the Unix epoch.
    pub started_ms: TimestampMs,
    /// When its configuration was read, in milliseconds since the Unix epoch.
    pub configured_ms: TimestampMs,
    /// The machine's name.
    pub hostname: String,
    /// The folder that the process runs in.
    pub working_dir: String,
    /// How long data are kept; empty is without end.
    pub retention: String,
}

/// What the querier needs.
pub struct QuerierDeps {
    /// The catalogs of the tenants.
    pub catalogs: Arc<Catalogs>,
    /// All ingesters, local or remote.
    pub ingesters: Stores,
    /// All store-gateways, local or remote. Each block is asked of one of them at a time.
    pub gateways: Stores,
    /// The clock.
    pub clock: Clock,
    /// Ids of deletions.
    pub ids: Ids,
    /// Where long expressions are parsed; long queries share its turns.
    pub offload: Offload,
    /// What `status/*` tells.
    pub status: StatusInfo,
}

/// Answers the Prometheus API over a fan-out of stores.
pub struct Querier(Arc<Api>);

impl Querier {
    /// A querier; registers its metrics. Queries are evaluated on threads of its own, as many as may run at
    /// once, because they wait for stores: sharing a lane with what decodes blocks would let each keep the
    /// other from going on.
    #[must_use]
    pub fn new(config: QuerierConfig, deps: QuerierDeps, registry: &mut Registry) -> Self {
        let metrics = Metrics::new(registry);
        let fanout = Fanout::new(deps.catalogs, deps.ingesters, deps.gateways, &config, metrics.clone());
        let fanout = Arc::new(fanout);
        let (clock, turns) = (deps.clock.clone(), Arc::clone(deps.offload.turns()));
        let evaluator = Evaluator::new(&config, Arc::clone(&fanout), clock, metrics.clone(), turns);
        Self(Arc::new(Api {
            parser: Parser::new(&config.engine, deps.offload),
            evaluator,
            listings: QueryGate::new(
                config.max_concurrent_queries,
                config.max_outstanding_requests_per_tenant,
            ),
            fanout,
            metrics,
            log: LogLimit::new(deps.clock.clone()),
            clock: deps.clock,
            ids: deps.ids,
            status: deps.status,
            config,
        }))
    }

    /// The Prometheus API under `/api/v1` and `/prometheus/api/v1`, and 200 on `/`.
    pub fn routes(&self) -> Router {
        http::routes(&self.0)
    }
}
