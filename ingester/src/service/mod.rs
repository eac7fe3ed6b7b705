//! The ingester as one component: config, start, routes, stop.

mod admin;
mod config;
mod error;
mod ingester;
mod layout;
mod metrics;
mod standing;
mod tenants;
#[cfg(test)]
mod tests;

pub use config::IngesterConfig;
pub use error::StartError;
#[cfg(feature = "testing")]
pub(crate) use ingester::local_shared;
pub use ingester::{Ingester, IngesterDeps};
pub(crate) use layout::Layout;
