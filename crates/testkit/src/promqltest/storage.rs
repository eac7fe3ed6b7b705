//! Series in memory as a source for the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use latewood_model::{
    FloatHistogram, HistogramSample, Labels, NO_START, NativeHistogram, SeriesSamples, StartTimestamps,
    TimestampMs, storage_order,
};
use latewood_promql::{SampleValue, Select, SeriesCursor, SeriesSource, SourceError};

use super::hints::with_hint;

/// Series that a cursor hands out at once: small, so that batches matter in tests.
const BATCH: usize = 3;

/// Samples with their start timestamps by series, then by time.
type Store = BTreeMap<Labels, BTreeMap<TimestampMs, (SampleValue, TimestampMs)>>;

/// Samples in memory.
#[derive(Debug, Default)]
pub struct MemorySource {
    store: Mutex<Store>,
}

impl MemorySource {
    /// Adds a sample; a later one at the same time replaces it.
    pub fn add(&self, labels: &Labels, timestamp: TimestampMs, value: f64) {
        self.add_started(labels, timestamp, SampleValue::Float(value), NO_START);
    }

    /// Adds a sample with its start timestamp.
    pub fn add_started(&self, labels: &Labels, at: TimestampMs, value: SampleValue, start: TimestampMs) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.entry(labels.clone()).or_default().insert(at, (value, start));
    }

    /// Adds a native histogram; a later sample at the same time replaces it.
    pub fn add_histogram(&self, labels: &Labels, timestamp: TimestampMs, histogram: Arc<FloatHistogram>) {
        self.add_started(labels, timestamp, SampleValue::Histogram(histogram), NO_START);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl SeriesSource for MemorySource {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = |labels: &Labels| {
            let value = |name| labels.get(name).unwrap_or_default();
            select.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
        };
        let mut series: Vec<SeriesSamples> = store
            .iter()
            .filter(|(labels, _)| matches(labels))
            .map(|(labels, samples)| cut(labels, samples, select))
            .collect();
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        Ok(Box::new(MemoryCursor(series.into_iter())))
    }
}

fn cut(
    labels: &Labels,
    samples: &BTreeMap<TimestampMs, (SampleValue, TimestampMs)>,
    select: &Select,
) -> SeriesSamples {
    let (mut timestamps, mut values, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    let mut starts = StartTimestamps::none();
    let mut before = None;
    for (&timestamp, (sample, start)) in samples {
        let inside = select.range.contains(timestamp);
        match sample {
            SampleValue::Float(value) => {
                before = None;
                if inside {
                    timestamps.push(timestamp);
                    values.push(*value);
                    starts.push(timestamp, *start);
                }
            }
            SampleValue::Histogram(histogram) => {
                let read = with_hint(before, histogram);
                before = Some(histogram);
                if inside {
                    histograms.push(HistogramSample {
                        timestamp,
                        histogram: NativeHistogram::from(read),
                        start: *start,
                    });
                }
            }
        }
    }
    let labels = labels.clone();
    SeriesSamples { labels, timestamps: Arc::from(timestamps), values, starts, histograms }
}

struct MemoryCursor(std::vec::IntoIter<SeriesSamples>);

impl SeriesCursor for MemoryCursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch: Vec<SeriesSamples> = self.0.by_ref().take(BATCH).collect();
        Ok((!batch.is_empty()).then_some(batch))
    }
}
