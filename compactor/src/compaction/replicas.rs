//! The series of HA replicas as one, in storage order of the labels without those of replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::{ErrorKind, Offload};
use latewood_block::SelectSpec;
use latewood_model::dedup::{Deduplicator, Group, Groups, LOOKBACK_MS, ReplicaLabels};
use latewood_model::{Labels, SeriesSamples, TimeRange};
use latewood_proto::store::{BatchBounds, Lane, SeriesStream, StoreError};

use super::all_of;
use super::inputs::Inputs;
use crate::CompactError;

/// Bytes of series that may be held because they come before their turn.
const MAX_HELD_BYTES: u64 = 256 << 20;

/// The inputs' series in a window, those of replicas as one. What the inputs have of the hour before decides which
/// samples stand at its beginning.
pub(super) async fn deduplicated(
    inputs: &Inputs,
    replicas: &ReplicaLabels,
    window: TimeRange,
    offload: &Offload,
) -> Result<SeriesStream, CompactError> {
    let wide = TimeRange::new(window.start.saturating_sub(LOOKBACK_MS), window.end);
    let spec = all_of(wide);
    let names = inputs.merged(&SelectSpec { skip_samples: true, ..spec.clone() });
    let found: Vec<Vec<SeriesSamples>> =
        names.try_collect().await.map_err(|error| inputs.failed().unwrap_or(error.into()))?;
    let labels = replicas.clone();
    let grouped = move || {
        let found = found.into_iter().flatten().map(|series| series.labels);
        Groups::new(found.collect(), &labels)
    };
    let groups = offload.background().run(grouped).await?.map_err(not_expected)?;
    let held = Arc::new(AtomicU64::new(0));
    let lanes = groups.streams.iter().map(|more| {
        let (series, held) =
            (inputs.merged(&SelectSpec { matchers: more.clone(), ..spec.clone() }), Arc::clone(&held));
        Lane::new(series, move |bytes| Held::book(&held, bytes))
    });
    let gathering = Gathering {
        lanes: lanes.collect(),
        groups: groups.groups.into_iter(),
        deduplicator: Deduplicator::new(window.start),
    };
    let batches = stream::try_unfold(gathering, |mut gathering| async move {
        let batch = gathering.next_batch().await?;
        Ok::<_, StoreError>((!batch.is_empty()).then_some((batch, gathering)))
    });
    Ok(batches.boxed())
}

/// Groups being taken from their lanes.
struct Gathering {
    lanes: Vec<Lane<'static, Held>>,
    groups: std::vec::IntoIter<Group>,
    deduplicator: Deduplicator,
}

impl Gathering {
    async fn next_batch(&mut self) -> Result<Vec<SeriesSamples>, StoreError> {
        let (bounds, mut batch, mut weight) = (BatchBounds::default(), Vec::new(), 0);
        while batch.len() < bounds.series && weight < bounds.samples {
            let Some(Group { labels, replicas }) = self.groups.next() else { break };
            let series = self.take(labels, replicas).await?;
            weight += series.weight();
            if !series.is_empty() {
                batch.push(series);
            }
        }
        Ok(batch)
    }

    async fn take(
        &mut self,
        labels: Labels,
        members: Vec<(usize, Labels)>,
    ) -> Result<SeriesSamples, StoreError> {
        let mut replicas = Vec::with_capacity(members.len());
        for (lane, labels) in members {
            if let Some(lane) = self.lanes.get_mut(lane) {
                replicas.extend(lane.take(&labels).await?);
            }
        }
        Ok(self.deduplicator.merge(labels, replicas))
    }
}

/// A share of the memory for series that wait.
struct Held {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Held {
    fn book(all: &Arc<AtomicU64>, bytes: u64) -> Result<Self, StoreError> {
        let held = Self { all: Arc::clone(all), bytes };
        if all.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MAX_HELD_BYTES {
            let text = format!(
                "replicas come in so different an order that more than {MAX_HELD_BYTES} bytes of series would wait \
                 for their turn"
            );
            return Err(StoreError::new(ErrorKind::Unprocessable, text));
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A matcher for equality cannot be wrong.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_expected(error: latewood_model::MatcherError) -> StoreError {
    StoreError::new(ErrorKind::Internal, error)
}
