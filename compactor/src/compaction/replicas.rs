//! The series of HA replicas as one, in storage order of the labels without those of replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::{ErrorKind, Offload};
use latewood_block::SelectSpec;
use latewood_model::dedup::{Deduplicator, Group, Groups, ReplicaLabels, Segment};
use latewood_model::{Labels, SeriesSamples};
use latewood_proto::store::{BatchBounds, Lane, SeriesStream, StoreError};

use super::all_of;
use super::inputs::Inputs;
use crate::CompactError;

/// Makes one series of replicas.
pub(super) struct OneSeries<'a> {
    labels: &'a ReplicaLabels,
    offload: &'a Offload,
    held: Held,
}

impl<'a> OneSeries<'a> {
    /// By these labels; so many bytes of series may wait for their turn in all its streams together.
    pub(super) fn new(labels: &'a ReplicaLabels, offload: &'a Offload, max_waiting_bytes: u64) -> Self {
        Self { labels, offload, held: Held { bytes: Arc::default(), most: max_waiting_bytes } }
    }

    /// The series of a segment's range, those of replicas as one. What the inputs have before the range, as far as the
    /// segment looks back, decides which samples stand at its beginning.
    pub(super) async fn of(&self, inputs: &Inputs, segment: &Segment) -> Result<SeriesStream, CompactError> {
        if !inputs.have_any(self.labels).await? {
            return Ok(inputs.merged(&all_of(segment.range)));
        }
        let spec = all_of(segment.wide());
        let groups = self.groups(inputs, &spec).await?;
        let lanes = groups.streams.iter().map(|more| {
            let series = inputs.merged(&SelectSpec { matchers: more.clone(), ..spec.clone() });
            let held = self.held.clone();
            Lane::new(series, move |bytes| held.book(bytes))
        });
        let gathering = Gathering {
            lanes: lanes.collect(),
            groups: groups.groups.into_iter(),
            deduplicator: Deduplicator::new(segment.range.start),
        };
        let batches = stream::try_unfold(gathering, |mut gathering| async move {
            let batch = gathering.next_batch().await?;
            Ok::<_, StoreError>((!batch.is_empty()).then_some((batch, gathering)))
        });
        Ok(batches.boxed())
    }

    /// Which series are replicas of each other.
    async fn groups(&self, inputs: &Inputs, spec: &SelectSpec) -> Result<Groups, CompactError> {
        let names = inputs.merged(&SelectSpec { skip_samples: true, ..spec.clone() });
        let found: Vec<Vec<SeriesSamples>> =
            names.try_collect().await.map_err(|error| inputs.failed().unwrap_or(error.into()))?;
        let labels = self.labels.clone();
        let grouped = move || {
            let found = found.into_iter().flatten().map(|series| series.labels);
            Groups::new(found.collect(), &labels)
        };
        Ok(self.offload.background().run(grouped).await?.map_err(not_expected)?)
    }
}

/// Groups being taken from their lanes.
struct Gathering {
    lanes: Vec<Lane<'static, Share>>,
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

/// The memory of series that wait.
#[derive(Clone)]
struct Held {
    bytes: Arc<AtomicU64>,
    most: u64,
}

impl Held {
    fn book(&self, bytes: u64) -> Result<Share, StoreError> {
        let share = Share { all: Arc::clone(&self.bytes), bytes };
        if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.most {
            let text = format!(
                "replicas come in so different an order that more than {} bytes of series would wait for their turn \
                 (compactor.max_waiting_bytes)",
                self.most
            );
            return Err(StoreError::new(ErrorKind::Unprocessable, text));
        }
        Ok(share)
    }
}

/// A share of it.
struct Share {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A matcher for equality cannot be wrong.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_expected(error: latewood_model::MatcherError) -> StoreError {
    StoreError::new(ErrorKind::Internal, error)
}
