//! One tenant's catalog.

use std::sync::Arc;

use latewood_model::TenantId;
use parking_lot::Mutex;

use crate::catalogs::Shared;
use crate::{CatalogError, Change, Commit, View};

/// One tenant's catalog: the newest view known here, and the way to newer ones.
#[derive(Debug)]
pub struct TenantCatalog {
    tenant: TenantId,
    shared: Arc<Shared>,
    known: Mutex<Option<Arc<View>>>,
}

impl TenantCatalog {
    pub(crate) fn new(tenant: TenantId, shared: Arc<Shared>) -> Self {
        Self {
            tenant,
            shared,
            known: Mutex::new(None),
        }
    }

    /// Whose.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The newest view known here; loads the log on first use, else does no I/O.
    ///
    /// # Errors
    /// [`CatalogError`] when the log cannot be read.
    pub async fn view(&self) -> Result<Arc<View>, CatalogError> {
        let mut known = self.known.lock();
        let empty = || Arc::new(View::empty(self.tenant.clone()));
        Ok(Arc::clone(known.get_or_insert_with(empty)))
    }

    /// Reads the commits that follow, to the end of the log; concurrent callers share one read.
    ///
    /// # Errors
    /// [`CatalogError::Behind`] when the log ends before `at_least`.
    pub async fn refresh(&self, at_least: u64) -> Result<Arc<View>, CatalogError> {
        let view = self.view().await?;
        if view.version < at_least {
            return Err(CatalogError::Behind {
                tenant: self.tenant.to_string(),
                wanted: at_least,
                found: view.version,
            });
        }
        Ok(view)
    }

    /// Commits a change and returns the view after it.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when it does not fit the newest view.
    pub async fn commit(&self, change: Change) -> Result<Arc<View>, CatalogError> {
        let view = self.view().await?;
        let commit = Commit {
            tenant: self.tenant.clone(),
            sequence: view.version + 1,
            id: self.shared.ids.next(),
            at_ms: self.shared.clock.now_ms(),
            change,
        };
        let next = view.apply(&commit).map_err(|conflict| CatalogError::Conflict {
            tenant: self.tenant.to_string(),
            conflict,
        })?;
        let next = Arc::new(next);
        *self.known.lock() = Some(Arc::clone(&next));
        Ok(next)
    }
}
