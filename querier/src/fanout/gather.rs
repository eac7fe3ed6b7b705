//! Reading series together with their replicas.
//!
//! The labels are asked for first. They say which series are replicas of each other, so that an hour more is read only
//! if there are any, and in which order the series without replica labels come.

use latewood_base::ErrorKind;
use latewood_model::dedup::{Group, Groups};
use latewood_model::{Labels, Matcher, MatcherError, SeriesSamples};
use latewood_promql::{Control, Reservation, Select};
use latewood_proto::store::{BatchBounds, Detail, Lane, StoreError, work_ahead};
use tokio::sync::mpsc;

use futures::StreamExt;

use super::replicas::Replicas;
use super::share::Share;
use super::source::{Batch, Fetched};
use super::{Fanout, Pinned, Wanted};

/// A series and the replicas that it is made of, in their rank.
pub(super) struct Gathered {
    pub(super) labels: Labels,
    pub(super) replicas: Vec<SeriesSamples>,
}

/// Reads the series of one selection in groups.
pub(super) struct Gatherer<'a> {
    pub(super) fanout: &'a Fanout,
    pub(super) pinned: &'a Pinned,
    pub(super) select: &'a Select,
    pub(super) share: &'a Share,
    pub(super) replicas: &'a Replicas,
    pub(super) control: &'a Control,
}

impl Gatherer<'_> {
    /// Sends the groups in storage order, until nobody wants them any more.
    pub(super) async fn run(&self, sender: &mpsc::Sender<Batch>) -> Result<(), StoreError> {
        let (groups, _booked) = self.groups().await?;
        let (tenant, matchers) = (&self.pinned.tenant, &self.select.matchers);
        self.fanout.hints.set(tenant, matchers, self.share.stock, groups.have_labels);
        let mut lanes = self.lanes(&groups.streams, groups.have_pairs).await?;
        let bounds = BatchBounds::default();
        let (mut batch, mut weight) = (Vec::new(), 0);
        for group in groups.groups {
            let gathered = take(&mut lanes, group).await?;
            weight += gathered.replicas.iter().map(SeriesSamples::weight).sum::<usize>();
            if !gathered.replicas.is_empty() {
                batch.push(gathered);
            }
            if batch.len() >= bounds.series || weight >= bounds.samples {
                weight = 0;
                if sender.send(Ok(Fetched::Groups(std::mem::take(&mut batch)))).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.is_empty() {
            // Fails only when the cursor is gone.
            let _ = sender.send(Ok(Fetched::Groups(batch))).await;
        }
        Ok(())
    }

    async fn groups(&self) -> Result<(Groups, Reservation), StoreError> {
        let wanted = Wanted { detail: Detail::Labels, starts: false, limit: 0 };
        let reads = self.share.wide_reads(&self.replicas.labels);
        let mut batches = self.fanout.select_of(self.pinned, &self.select.matchers, &reads, wanted).await?;
        let booked = |error| StoreError::from_kinded(&error);
        let (mut found, mut booking) = (Vec::new(), self.control.reserve(0).map_err(booked)?);
        while let Some(batch) = batches.next().await {
            let labels = batch?.into_iter().map(|series| series.labels);
            let before = found.len();
            found.extend(labels);
            let new = found.iter().skip(before);
            // With replica labels and without, and their places.
            let bytes: usize = new.map(|labels: &Labels| 2 * labels.heap_size() + size_of::<Group>()).sum();
            booking.grow(bytes as u64).map_err(booked)?;
        }
        let labels = self.replicas.labels.clone();
        let groups = self.fanout.lane.run(move || Groups::new(found, &labels)).await;
        Ok((groups.map_err(|error| StoreError::from_kinded(&error))?.map_err(not_expected)?, booking))
    }

    async fn lanes(
        &self,
        streams: &[Vec<Matcher>],
        have_pairs: bool,
    ) -> Result<Vec<Lane<'_, Reservation>>, StoreError> {
        let Select { starts, newest_only, .. } = self.select;
        // The newest sample of a series may be one that is not kept, or between segments.
        let newest_only = *newest_only && !have_pairs && self.share.is_single();
        let detail = if newest_only { Detail::Newest } else { Detail::Samples };
        let labels = &self.replicas.labels;
        let reads = if have_pairs { self.share.wide_reads(labels) } else { self.share.reads(labels) };
        let wanted = Wanted { detail, starts: *starts, limit: 0 };
        let mut lanes = Vec::with_capacity(streams.len());
        for more in streams {
            let matchers = [self.select.matchers.as_slice(), more].concat();
            let series = self.fanout.select_of(self.pinned, &matchers, &reads, wanted).await?;
            let book = |bytes| self.control.reserve(bytes).map_err(|error| StoreError::from_kinded(&error));
            lanes.push(Lane::new(work_ahead(series), book));
        }
        Ok(lanes)
    }
}

/// The replicas of a group that have samples in the range.
async fn take(lanes: &mut [Lane<'_, Reservation>], group: Group) -> Result<Gathered, StoreError> {
    let mut replicas = Vec::with_capacity(group.replicas.len());
    for (lane, labels) in &group.replicas {
        if let Some(lane) = lanes.get_mut(*lane) {
            replicas.extend(lane.take(labels).await?);
        }
    }
    Ok(Gathered { labels: group.labels, replicas })
}

/// A matcher for equality cannot be wrong.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_expected(error: MatcherError) -> StoreError {
    StoreError::new(ErrorKind::Internal, error)
}
