//! Metrics of the catalogs.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::CatalogError;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    commits: Family<OutcomeLabels, Counter>,
    pub(crate) races_lost: Counter,
    pub(crate) replies_lost: Counter,
    pub(crate) commits_read: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) checkpoint_failures: Counter,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("latewood_catalog_commits", "Commits by outcome", self.commits.clone());
        let counters = [
            ("races_lost", "Places in a log that another committer took first", &self.races_lost),
            ("replies_lost", "Commits whose outcome had to be looked up", &self.replies_lost),
            ("commits_read", "Commits read", &self.commits_read),
            ("checkpoints", "Checkpoints written", &self.checkpoints),
            ("checkpoint_failures", "Checkpoints that could not be written", &self.checkpoint_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(format!("latewood_catalog_{name}"), help, counter.clone());
        }
    }

    pub(crate) fn count_commit<T>(&self, result: &Result<T, CatalogError>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(CatalogError::Conflict { .. }) => "conflict",
            Err(CatalogError::OutcomeUnknown { .. }) => "unknown",
            Err(_) => "error",
        };
        self.commits.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}
