//! Samples with their start timestamps, unpacked.

use latewood_model::{NO_START, Sample, StartTimestamps, TimeRange, TimestampMs, preferred};

use crate::write::settle_started;

/// Samples and, from the first one on that has any, their start timestamps: as many as samples, or fewer, and then
/// those behind have none.
#[derive(Clone, Debug, Default)]
pub(super) struct StartedSamples {
    samples: Vec<Sample>,
    starts: Vec<TimestampMs>,
}

impl StartedSamples {
    /// Adds a sample.
    pub(super) fn push(&mut self, sample: Sample, start: TimestampMs) {
        if start != NO_START {
            self.starts.resize(self.samples.len(), NO_START);
            self.starts.push(start);
        }
        self.samples.push(sample);
    }

    /// Adds those of another that lie in a range.
    pub(super) fn extend_within(&mut self, other: &Self, range: TimeRange) {
        let starts = other.starts.iter().copied().chain(std::iter::repeat(NO_START));
        let inside = other.samples.iter().zip(starts).filter(|(sample, _)| range.contains(sample.timestamp));
        inside.for_each(|(&sample, start)| self.push(sample, start));
    }

    /// Makes room.
    pub(super) fn reserve(&mut self, samples: usize) {
        self.samples.reserve(samples);
    }

    /// How many samples.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// The samples.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The samples with their start timestamps, if any has one.
    pub(super) fn started(&self) -> impl Iterator<Item = (Sample, TimestampMs)> {
        let starts = self.starts.iter().copied().chain(std::iter::repeat(NO_START));
        self.samples.iter().copied().zip(starts)
    }

    /// The start timestamps of samples in order.
    pub(super) fn starts(&self) -> StartTimestamps {
        if self.starts.is_empty() {
            return StartTimestamps::none();
        }
        self.started().map(|(sample, start)| (sample.timestamp, start)).collect()
    }

    /// Whether any sample has a start timestamp.
    pub(super) fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Sorts by time and leaves of each time the one that the tie rule prefers.
    pub(super) fn put_in_order(&mut self) {
        if self.samples.is_sorted_by(|a, b| a.timestamp < b.timestamp) {
            return;
        }
        if self.starts.is_empty() {
            put_in_order(&mut self.samples);
            return;
        }
        self.starts.resize(self.samples.len(), NO_START);
        let kept = settle_started(&mut self.samples, &mut self.starts);
        self.samples.truncate(kept);
        self.starts.truncate(kept);
    }

    /// Bytes of memory beside its own.
    pub(super) fn heap_size(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>() + self.starts.capacity() * size_of::<TimestampMs>()
    }
}

fn put_in_order(samples: &mut Vec<Sample>) {
    samples.sort_by_key(|sample| sample.timestamp);
    samples.dedup_by(|later, kept| {
        let same = later.timestamp == kept.timestamp;
        if same {
            kept.value = preferred(kept.value, later.value);
        }
        same
    });
}
