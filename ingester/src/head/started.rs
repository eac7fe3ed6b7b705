//! Samples in columns, with their start timestamps.

use latewood_model::{NO_START, Sample, StartTimestamps, TimeRange, TimestampMs, preferred_started};

/// Samples, unpacked. Start timestamps are kept from the first sample on that has one: there are as many as samples, or
/// fewer, and then those behind have none.
#[derive(Clone, Debug, Default)]
pub(super) struct StartedSamples {
    times: Vec<TimestampMs>,
    values: Vec<f64>,
    starts: Vec<TimestampMs>,
}

impl StartedSamples {
    /// None yet, with room for some.
    pub(super) fn with_room(samples: usize) -> Self {
        let (times, values) = (Vec::with_capacity(samples), Vec::with_capacity(samples));
        Self { times, values, starts: Vec::new() }
    }

    /// Adds a sample.
    #[inline]
    pub(super) fn push(&mut self, sample: Sample, start: TimestampMs) {
        if start != NO_START {
            self.starts.resize(self.times.len(), NO_START);
            self.starts.push(start);
        }
        self.times.push(sample.timestamp);
        self.values.push(sample.value);
    }

    /// Adds those of another that lie in a range.
    pub(super) fn extend_within(&mut self, other: &Self, range: TimeRange) {
        let inside = other.started().filter(|(sample, _)| range.contains(sample.timestamp));
        inside.for_each(|(sample, start)| self.push(sample, start));
    }

    /// Adds samples without start timestamps, as many to one column as to the other.
    pub(super) fn extend_columns(&mut self, add: impl FnOnce(&mut Vec<TimestampMs>, &mut Vec<f64>)) {
        add(&mut self.times, &mut self.values);
    }

    /// Leaves of the samples from the `first`th on, which ascend and have no start timestamps, those in a range.
    pub(super) fn cut(&mut self, first: usize, range: TimeRange) {
        let times = self.times.get(first..).unwrap_or_default();
        let end = first + times.partition_point(|time| *time <= range.end);
        let start = first + times.partition_point(|time| *time < range.start);
        self.times.truncate(end);
        self.values.truncate(end);
        self.times.drain(first..start.min(end));
        self.values.drain(first..start.min(end));
    }

    /// Their times.
    pub(super) fn times(&self) -> &[TimestampMs] {
        &self.times
    }

    /// Their values.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many samples.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether any sample has a start timestamp.
    pub(super) fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// The samples with their start timestamps.
    pub(super) fn started(&self) -> impl Iterator<Item = (Sample, TimestampMs)> {
        let samples = self.times.iter().zip(&self.values);
        let samples = samples.map(|(&timestamp, &value)| Sample { timestamp, value });
        samples.zip(self.starts.iter().copied().chain(std::iter::repeat(NO_START)))
    }

    /// Times, values and start timestamps of samples in order.
    pub(super) fn into_columns(self) -> (Vec<TimestampMs>, Vec<f64>, StartTimestamps) {
        // One that has none ends the last run.
        let starts = self.starts.iter().copied().chain([NO_START]);
        let starts = self.times.iter().copied().zip(starts).filter(|_| self.has_starts()).collect();
        (self.times, self.values, starts)
    }

    /// Sorts by time and leaves of each time the one that the tie rule prefers.
    pub(super) fn put_in_order(&mut self) {
        if self.times.is_sorted_by(|a, b| a < b) {
            return;
        }
        let mut all: Vec<(Sample, TimestampMs)> = self.started().collect();
        all.sort_by_key(|(sample, _)| sample.timestamp);
        all.dedup_by(|(later, later_start), (kept, start)| {
            let same = later.timestamp == kept.timestamp;
            if same {
                (kept.value, *start) = preferred_started((kept.value, *start), (later.value, *later_start));
            }
            same
        });
        *self = Self::with_room(all.len());
        all.into_iter().for_each(|(sample, start)| self.push(sample, start));
    }

    /// Bytes of memory beside its own.
    pub(super) fn heap_size(&self) -> usize {
        (self.times.capacity() + self.values.capacity() + self.starts.capacity()) * size_of::<u64>()
    }
}
