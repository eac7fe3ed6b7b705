//! Series in memory as a source for the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use latewood_model::{
    FloatHistogram, HistogramSample, Labels, NativeHistogram, SeriesSamples, StartTimestamps, TimestampMs,
    storage_order,
};
use latewood_promql::{SampleValue, Select, SeriesCursor, SeriesSource, SourceError};

use super::hints::with_hint;

/// Series that a cursor hands out at once: small, so that batches matter in tests.
const BATCH: usize = 3;

/// Samples by series, then by time.
type Store = BTreeMap<Labels, BTreeMap<TimestampMs, SampleValue>>;

/// Samples in memory.
#[derive(Debug, Default)]
pub struct MemorySource {
    store: Mutex<Store>,
    foreign: Mutex<BTreeSet<Labels>>,
    touched: AtomicBool,
}

impl MemorySource {
    /// Adds a sample; a later one at the same time replaces it.
    pub fn add(&self, labels: &Labels, timestamp: TimestampMs, value: f64) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.entry(labels.clone()).or_default().insert(timestamp, SampleValue::Float(value));
    }

    /// Adds a native histogram; a later sample at the same time replaces it.
    pub fn add_histogram(&self, labels: &Labels, timestamp: TimestampMs, histogram: Arc<FloatHistogram>) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.entry(labels.clone()).or_default().insert(timestamp, SampleValue::Histogram(histogram));
    }

    /// Says that a series has more than the samples added: queries that select it cannot be judged.
    pub fn mark_foreign(&self, labels: &Labels) {
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        foreign.insert(labels.clone());
    }

    /// Whether a series that was marked has been selected since the last call.
    pub fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
        let foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        if foreign.iter().any(matches) {
            self.touched.store(true, Ordering::Relaxed);
        }
        let mut series: Vec<SeriesSamples> = store
            .iter()
            .filter(|(labels, _)| matches(labels))
            .map(|(labels, samples)| cut(labels, samples, select))
            .collect();
        series.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        Ok(Box::new(MemoryCursor(series.into_iter())))
    }
}

fn cut(labels: &Labels, samples: &BTreeMap<TimestampMs, SampleValue>, select: &Select) -> SeriesSamples {
    let (mut timestamps, mut values, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = None;
    for (&timestamp, sample) in samples {
        let inside = select.range.contains(timestamp);
        match sample {
            SampleValue::Float(value) => {
                before = None;
                if inside {
                    timestamps.push(timestamp);
                    values.push(*value);
                }
            }
            SampleValue::Histogram(histogram) => {
                let read = with_hint(before, histogram);
                before = Some(histogram);
                if inside {
                    histograms.push(HistogramSample::new(timestamp, NativeHistogram::from(read)));
                }
            }
        }
    }
    let (labels, starts) = (labels.clone(), StartTimestamps::none());
    SeriesSamples { labels, timestamps: Arc::from(timestamps), values, starts, histograms }
}

struct MemoryCursor(std::vec::IntoIter<SeriesSamples>);

impl SeriesCursor for MemoryCursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch: Vec<SeriesSamples> = self.0.by_ref().take(BATCH).collect();
        Ok((!batch.is_empty()).then_some(batch))
    }
}
