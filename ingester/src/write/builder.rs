//! Making a batch from label sets instead of a request: for tests, replay tools and generators.

use latewood_model::{HistogramSample, Labels, NO_START, Sample, TenantId, TimestampMs};
use latewood_proto::remote_write::{LabelSpan, Range32, Span};

use super::{Buffers, HashScratch, Row, WriteBatch, settle, settle_histograms};

/// Collects series and makes a [`WriteBatch`] of them.
#[derive(Debug)]
pub struct BatchBuilder {
    tenant: TenantId,
    replica_labels: Vec<String>,
    buffers: Buffers,
    scratch: HashScratch,
}

impl BatchBuilder {
    /// An empty batch of a tenant; the replica labels are left out of routing hashes.
    #[must_use]
    pub fn new(tenant: TenantId, replica_labels: &[&str]) -> Self {
        Self {
            tenant,
            replica_labels: replica_labels.iter().map(|&name| name.to_owned()).collect(),
            buffers: Buffers::default(),
            scratch: HashScratch::default(),
        }
    }

    /// Adds a series with its samples in any order.
    pub fn push(&mut self, labels: &Labels, samples: &[Sample]) -> &mut Self {
        self.push_row(labels, samples, &[], &[])
    }

    /// Adds a series with its samples and their start timestamps in any order.
    pub fn push_started(&mut self, labels: &Labels, samples: &[(Sample, TimestampMs)]) -> &mut Self {
        let (samples, starts): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        self.push_row(labels, &samples, &starts, &[])
    }

    /// Adds a series with native histograms in any order.
    pub fn push_histograms(&mut self, labels: &Labels, histograms: &[HistogramSample]) -> &mut Self {
        self.push_row(labels, &[], &[], histograms)
    }

    fn push_row(
        &mut self,
        labels: &Labels,
        samples: &[Sample],
        starts: &[TimestampMs],
        histograms: &[HistogramSample],
    ) -> &mut Self {
        let first_label = self.buffers.columns.labels.len();
        for (name, value) in labels.iter() {
            let label = LabelSpan { name: self.text(name), value: self.text(value) };
            self.buffers.columns.labels.push(label);
        }
        let (mut sorted, mut sorted_starts) = (samples.to_vec(), starts.to_vec());
        let kept = settle(&mut sorted, &mut sorted_starts);
        sorted.truncate(kept);
        sorted_starts.truncate(kept);
        let columns = &mut self.buffers.columns;
        let first_sample = columns.samples.len();
        columns.samples.extend(sorted);
        if !(columns.starts.is_empty() && sorted_starts.is_empty()) {
            columns.starts.resize(first_sample, NO_START);
            columns.starts.extend(sorted_starts);
            columns.starts.resize(columns.samples.len(), NO_START);
        }
        let first_histogram = self.buffers.histograms.len();
        self.buffers.histograms.extend_from_slice(histograms);
        settle_histograms(&mut self.buffers.histograms, first_histogram);
        let labels = range(first_label, self.buffers.columns.labels.len());
        let (hash, routing) = self.scratch.hash(
            labels.of(&self.buffers.columns.labels),
            &self.buffers.body,
            &self.replica_labels,
        );
        self.buffers.rows.push(Row {
            labels,
            samples: range(first_sample, self.buffers.columns.samples.len()),
            exemplars: Range32::default(),
            sent: u32::try_from(samples.len()).unwrap_or(u32::MAX),
            histograms: range(first_histogram, self.buffers.histograms.len()),
            sent_histograms: u32::try_from(histograms.len()).unwrap_or(u32::MAX),
            hash,
            routing,
        });
        self
    }

    /// The batch.
    #[must_use]
    pub fn build(self) -> WriteBatch {
        WriteBatch::new(self.tenant, self.buffers, None)
    }

    fn text(&mut self, text: &str) -> Span {
        let start = u32::try_from(self.buffers.body.len()).unwrap_or(u32::MAX);
        self.buffers.body.extend_from_slice(text.as_bytes());
        Span { start, len: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }
}

fn range(start: usize, end: usize) -> Range32 {
    Range32 { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
}
