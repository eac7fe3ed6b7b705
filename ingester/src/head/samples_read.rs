//! What is read of a series.

use std::sync::Arc;

use latewood_model::{NO_START, Sample, StartTimestamps, TimestampMs};

use super::histograms::HistogramsSnapshot;
use super::shared_times::SharedTimes;
use super::started::StartedSamples;

/// The samples of one series within a range, as they stood at one moment.
#[derive(Debug, Default)]
pub(super) struct SamplesRead {
    /// The times of the floats: ascending, each once.
    pub(super) timestamps: Arc<[TimestampMs]>,
    /// The floats.
    pub(super) values: Vec<f64>,
    /// Their start timestamps.
    pub(super) starts: StartTimestamps,
    /// The native histograms, to be unpacked without a lock.
    pub(super) histograms: HistogramsSnapshot,
}

impl SamplesRead {
    /// Floats in order.
    pub(super) fn new(floats: StartedSamples, times: &mut SharedTimes) -> Self {
        let (own, values, starts) = floats.into_columns();
        Self { timestamps: times.share(&own), values, starts, histograms: HistogramsSnapshot::default() }
    }

    /// One float.
    pub(super) fn of_one(sample: Sample, start: TimestampMs, times: &mut SharedTimes) -> Self {
        let started = Some((sample.timestamp, start)).filter(|_| start != NO_START);
        Self {
            timestamps: times.share(&[sample.timestamp]),
            values: vec![sample.value],
            starts: started.into_iter().collect(),
            histograms: HistogramsSnapshot::default(),
        }
    }
}
