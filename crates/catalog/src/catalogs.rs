//! The catalogs of all tenants of a bucket.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latewood_base::{Clock, Ids, Offload};
use latewood_model::TenantId;
use latewood_objstore::Bucket;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::metrics::Metrics;
use crate::{CatalogConfig, CatalogError, TenantCatalog};

/// The catalogs of all tenants of a bucket. One for a process.
#[derive(Debug)]
pub struct Catalogs {
    shared: Arc<Shared>,
    tenants: Mutex<HashMap<TenantId, Arc<TenantCatalog>>>,
}

/// What the catalogs of all tenants use.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bucket: Bucket,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) config: CatalogConfig,
    /// Large logs are parsed here.
    pub(crate) offload: Offload,
    pub(crate) metrics: Metrics,
    /// How often views were doubted.
    pub(crate) doubts: AtomicU64,
}

/// How many tenants are kept; beyond it those that nobody holds are dropped and loaded anew when asked for.
const MAX_TENANTS: usize = 16_384;

impl Catalogs {
    /// The catalogs of a bucket. Reads nothing yet.
    #[must_use]
    pub fn new(bucket: Bucket, clock: Clock, ids: Ids, config: CatalogConfig) -> Arc<Self> {
        let shared = Shared {
            bucket,
            clock,
            ids,
            config,
            offload: Offload::per_core(),
            metrics: Metrics::default(),
            doubts: AtomicU64::new(0),
        };
        Arc::new(Self { shared: Arc::new(shared), tenants: Mutex::new(HashMap::new()) })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Registers the metrics; once for a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// The catalog of a tenant. Reads nothing yet.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Arc<TenantCatalog> {
        let mut tenants = self.tenants.lock();
        if let Some(known) = tenants.get(tenant) {
            return Arc::clone(known);
        }
        if tenants.len() >= MAX_TENANTS {
            // First those without data, which strangers may have made up. Should a tenant be held twice,
            // nothing is wrong: each holder reads the same log.
            tenants.retain(|_, catalog| Arc::strong_count(catalog) > 1 || has_data(catalog));
        }
        if tenants.len() >= MAX_TENANTS {
            tenants.retain(|_, catalog| Arc::strong_count(catalog) > 1);
        }
        let catalog = Arc::new(TenantCatalog::new(tenant.clone(), Arc::clone(&self.shared)));
        tenants.insert(tenant.clone(), Arc::clone(&catalog));
        catalog
    }

    /// Somebody who would have told of newer commits is gone: what is known of each tenant is compared with its log
    /// before [`TenantCatalog::view`] hands it out again.
    pub fn doubt_views(&self) {
        self.shared.doubts.fetch_add(1, Ordering::SeqCst);
    }

    /// The tenants that have a folder in the bucket. Lists folders: never on a hot path.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`].
    pub async fn tenants(&self) -> Result<Vec<TenantId>, CatalogError> {
        let folders = self.shared.bucket.list_folders("").await?;
        Ok(folders.iter().filter_map(|name| TenantId::new(name).ok()).collect())
    }
}

fn has_data(catalog: &TenantCatalog) -> bool {
    catalog.known_view().is_some_and(|view| view.version > 0)
}
