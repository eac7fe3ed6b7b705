//! The stores of one kind that are known now.

use std::sync::Arc;

use latewood_proto::deletion::DeletionApi;
use latewood_proto::store::StoreApi;
use parking_lot::RwLock;

/// A store by its name.
#[derive(Clone)]
pub struct NamedStore {
    /// How errors call it, and what decides which blocks it is asked for; no two stores share one.
    pub name: Arc<str>,
    /// The way to it.
    pub api: Arc<dyn StoreApi>,
    /// The way to have it delete; none of a store-gateway.
    pub deletion: Option<Arc<dyn DeletionApi>>,
}

/// The stores of one kind that are known now. Clones share them: whoever finds others out tells all readers.
#[derive(Clone, Default)]
pub struct Stores(Arc<RwLock<Arc<[NamedStore]>>>);

impl Stores {
    /// These are known.
    #[must_use]
    pub fn new(stores: Vec<NamedStore>) -> Self {
        Self(Arc::new(RwLock::new(stores.into())))
    }

    /// From now on these are known. Reads that have begun go on with those that they know.
    pub fn set(&self, stores: Vec<NamedStore>) {
        *self.0.write() = stores.into();
    }

    pub(crate) fn now(&self) -> Arc<[NamedStore]> {
        Arc::clone(&self.0.read())
    }
}
