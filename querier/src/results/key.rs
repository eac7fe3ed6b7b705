//! What a result is kept under.

use latewood_model::TenantId;

use crate::resolutions::SourceResolution;

/// All that decides a query's answer at a step, but for the data. What is the same for all queries of a process, such as
/// the features of the language, is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResultKey {
    pub(super) tenant: TenantId,
    /// As the engine prints it, so that spaces make no difference.
    pub(super) expression: String,
    pub(super) step_ms: i64,
    /// By how much the steps are behind multiples of their distance.
    pub(super) phase_ms: i64,
    pub(super) lookback_ms: i64,
    /// Sorted; none where replicas are series of their own.
    pub(super) replica_labels: Vec<String>,
    pub(super) resolution: SourceResolution,
}

impl ResultKey {
    /// Bytes of memory on the heap.
    pub(super) fn heap_size(&self) -> usize {
        let labels = self.replica_labels.iter().map(|name| name.len() + size_of::<String>());
        self.tenant.as_str().len() + self.expression.len() + labels.sum::<usize>()
    }
}
