//! What parts are started with, and what they leave when they have started.

use std::sync::Arc;

use axum::Router;
use latewood_base::{Clock, Ids, Offload, Rng, Shutdown, Tasks};
use latewood_catalog::Catalogs;
use latewood_ingester::ring::RingService;
use latewood_model::TimestampMs;
use latewood_objstore::Bucket;
use latewood_proto::Dialer;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::store::StoreApi;
use prometheus_client::registry::Registry;

use crate::config::Config;

/// What the parts of a process share.
pub struct Context {
    /// All settings.
    pub config: Config,
    /// The features that were enabled.
    pub features: Vec<String>,
    /// When the process was started, in milliseconds since the Unix epoch.
    pub started_ms: TimestampMs,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
    /// Ids.
    pub ids: Ids,
    /// Where blocks live.
    pub bucket: Bucket,
    /// What blocks there are.
    pub catalogs: Arc<Catalogs>,
    /// The lane for work that would block the runtime.
    pub offload: Offload,
    /// How other processes are reached.
    pub dialer: Dialer,
    /// What other nodes ask of the ingester in this process, if it is to be one of a cluster.
    pub ring: Option<Arc<RingService>>,
    /// The process's metrics.
    pub registry: Registry,
    /// Given when the process stops.
    pub shutdown: Shutdown,
    /// Background tasks, waited for at the stop.
    pub tasks: Tasks,
}

/// What has started.
#[derive(Default)]
pub struct Started {
    /// HTTP routes of all parts.
    pub routes: Router,
    /// The ingester in this process.
    pub newest: Option<Arc<dyn StoreApi>>,
    /// Deletion by the ingester in this process.
    pub deletion: Option<Arc<dyn DeletionApi>>,
    /// The store-gateway in this process.
    pub blocks: Option<Arc<dyn StoreApi>>,
    /// The ingester that must be stopped in order.
    pub ingester: Option<latewood_ingester::Ingester>,
}

impl Started {
    /// Adds a part's routes.
    pub fn mount(&mut self, routes: Router) {
        self.routes = std::mem::take(&mut self.routes).merge(routes);
    }
}
