//! A validated write in columns: what push hands to the distributor, and the distributor to shards.
//!
//! Invariants: the labels of a series are sorted by name, names are unique and not empty, values are not
//! empty, all is UTF-8; the samples of a series are strictly ascending in time, and so are its histograms
//! (the tie rule has decided between equal times); both hashes are those of [`latewood_model::hash_pairs`]. Texts stay where they
//! arrived, in the request's body.

use std::sync::Arc;

use latewood_model::{HistogramSample, LabelPair, Labels, Sample, SeriesHash, TenantId, TimestampMs};
use latewood_proto::remote_write::{LabelSpan, Range32, text};

pub(crate) use buffers::{Buffers, BuffersPool};
pub use builder::BatchBuilder;
pub(crate) use hashing::HashScratch;
pub(crate) use settle::{settle, settle_histograms};

mod buffers;
mod builder;
mod hashing;
mod settle;

/// One validated series of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Range32,
    pub(crate) samples: Range32,
    pub(crate) exemplars: Range32,
    /// How many samples the sender sent for these: at least as many, equal times counted each.
    pub(crate) sent: u32,
    /// Rows of [`Buffers::histograms`].
    pub(crate) histograms: Range32,
    /// How many histograms the sender sent for these.
    pub(crate) sent_histograms: u32,
    pub(crate) hash: SeriesHash,
    pub(crate) routing: SeriesHash,
}

/// Series and samples of one tenant. Its memory goes back to a pool when the last holder drops it.
#[derive(Debug)]
pub struct WriteBatch {
    tenant: TenantId,
    buffers: Buffers,
    pool: Option<Arc<BuffersPool>>,
}

impl WriteBatch {
    pub(crate) fn new(tenant: TenantId, buffers: Buffers, pool: Option<Arc<BuffersPool>>) -> Self {
        Self { tenant, buffers, pool }
    }

    /// Whose series these are.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// How many rows; a series may stand in a batch more than once, or without samples when it only
    /// brings exemplars.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffers.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffers.rows.is_empty()
    }

    /// The series at a row.
    #[must_use]
    pub fn row(&self, row: u32) -> Option<SeriesRow<'_>> {
        let entry = self.buffers.rows.get(row as usize)?;
        Some(SeriesRow { batch: self, entry })
    }

    /// All series in the order of the request.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = SeriesRow<'_>> {
        self.buffers.rows.iter().map(|entry| SeriesRow { batch: self, entry })
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    pub(crate) fn view<'a>(&'a self, entry: &'a Row) -> SeriesRow<'a> {
        SeriesRow { batch: self, entry }
    }
}

impl Drop for WriteBatch {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_back(std::mem::take(&mut self.buffers));
        }
    }
}

/// A series of a [`WriteBatch`] with its samples.
#[derive(Clone, Copy, Debug)]
pub struct SeriesRow<'a> {
    batch: &'a WriteBatch,
    entry: &'a Row,
}

impl<'a> SeriesRow<'a> {
    /// The hash of all labels: [`latewood_model::hash_pairs`].
    #[must_use]
    pub fn hash(&self) -> SeriesHash {
        self.entry.hash
    }

    /// The hash of the labels without the replica labels: by this the series is routed.
    #[must_use]
    pub fn routing_hash(&self) -> SeriesHash {
        self.entry.routing
    }

    /// How many labels.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.entry.labels.len()
    }

    /// The labels, sorted by name. Checks UTF-8 again at each step: [`SeriesRow::label_bytes`] does not.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = LabelPair<'a>> + Clone + use<'a> {
        let body = &self.batch.buffers.body;
        self.spans().iter().map(move |label| (text(label.name, body), text(label.value, body)))
    }

    /// The labels, sorted by name, as the bytes of their UTF-8: for comparing and copying.
    pub fn label_bytes(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let body = &self.batch.buffers.body;
        self.spans().iter().map(move |label| (label.name.bytes(body), label.value.bytes(body)))
    }

    /// The labels as a set of their own.
    #[must_use]
    pub fn to_labels(&self) -> Labels {
        Labels::from_sorted(self.labels())
    }

    /// The samples, strictly ascending in time.
    #[must_use]
    pub fn samples(&self) -> &'a [Sample] {
        self.entry.samples.of(&self.batch.buffers.columns.samples)
    }

    /// The samples' start timestamps; nothing when no sample of the batch has one.
    #[must_use]
    pub fn starts(&self) -> &'a [TimestampMs] {
        self.entry.samples.of(&self.batch.buffers.columns.starts)
    }

    /// How many samples the sender sent for this row: more than [`SeriesRow::samples`] when it sent one
    /// time twice.
    #[must_use]
    pub fn sent_samples(&self) -> u64 {
        self.entry.sent.into()
    }

    /// The native histograms, strictly ascending in time.
    #[must_use]
    pub fn histograms(&self) -> &'a [HistogramSample] {
        self.entry.histograms.of(&self.batch.buffers.histograms)
    }

    /// How many histograms the sender sent for this row.
    #[must_use]
    pub fn sent_histograms(&self) -> u64 {
        self.entry.sent_histograms.into()
    }

    /// Whether it brings samples of any kind.
    #[must_use]
    pub fn has_samples(&self) -> bool {
        !(self.entry.samples.is_empty() && self.entry.histograms.is_empty())
    }

    fn spans(&self) -> &'a [LabelSpan] {
        self.entry.labels.of(&self.batch.buffers.columns.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_back_labels_samples_and_hashes() {
        let set = Labels::from_pairs([("__name__", "up"), ("replica", "1"), ("ä", "ö")]);
        let samples = [Sample { timestamp: -5, value: 1.0 }, Sample { timestamp: 7, value: f64::NAN }];
        let mut builder = BatchBuilder::new(TenantId::anonymous(), &["replica"]);
        builder.push(&set, &samples);
        builder.push(&Labels::empty(), &[]);
        builder.push_started(&set, &[(samples[1], 3), (samples[0], 0)]);
        let batch = builder.build();
        let row = batch.row(0).unwrap();
        assert_eq!((row.to_labels(), row.samples()), (set.clone(), samples.as_slice()));
        assert_eq!(row.hash(), set.hash128());
        assert_eq!(row.routing_hash(), set.without(&["replica"]).hash128());
        assert_eq!(
            (batch.row(2).unwrap().samples(), batch.row(2).unwrap().starts()),
            (&samples[..], &[0, 3][..])
        );
        assert_eq!((batch.len(), batch.row(3).is_none()), (3, true));
        assert_eq!(batch.row(1).unwrap().to_labels(), Labels::empty());
    }
}
