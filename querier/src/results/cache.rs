//! Entries by key, bounded in bytes; the one that was not asked for longest gives way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::Entry;
use super::key::ResultKey;
use super::metrics::ResultsMetrics;

/// One entry may take this part of all.
const LARGEST_PART: u64 = 8;

/// Entries by key. What is counted never exceeds the limit; an entry that gave way while a query reads it lives as long
/// as that query.
pub(super) struct ResultsCache {
    max_bytes: u64,
    kept: Mutex<Kept>,
    metrics: ResultsMetrics,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Arc<ResultKey>, Slot>,
    /// The keys by when they were asked for last.
    by_age: BTreeMap<u64, Arc<ResultKey>>,
    bytes: u64,
    now: u64,
}

struct Slot {
    entry: Arc<Entry>,
    bytes: u64,
    asked: u64,
}

impl Kept {
    fn remove(&mut self, key: &ResultKey) {
        if let Some(slot) = self.entries.remove(key) {
            self.by_age.remove(&slot.asked);
            self.bytes -= slot.bytes;
        }
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl ResultsCache {
    pub(super) fn new(max_bytes: u64, metrics: ResultsMetrics) -> Self {
        Self { max_bytes, kept: Mutex::default(), metrics }
    }

    /// The most bytes that an entry may have.
    pub(super) fn largest(&self) -> u64 {
        self.max_bytes / LARGEST_PART
    }

    /// What is kept under a key.
    pub(super) fn get(&self, key: &ResultKey) -> Option<Arc<Entry>> {
        let mut kept = self.kept.lock();
        let now = kept.tick();
        let kept = &mut *kept;
        let slot = kept.entries.get_mut(key)?;
        if let Some(key) = kept.by_age.remove(&slot.asked) {
            kept.by_age.insert(now, key);
        }
        slot.asked = now;
        Some(Arc::clone(&slot.entry))
    }

    /// Keeps an entry in place of the one before, unless it is too large.
    pub(super) fn put(&self, key: ResultKey, entry: Entry) {
        let bytes = entry.size(&key);
        let mut kept = self.kept.lock();
        kept.remove(&key);
        if bytes > self.largest() {
            self.metrics.too_large.inc();
        } else {
            while kept.bytes + bytes > self.max_bytes {
                let Some(oldest) = kept.by_age.first_key_value().map(|(_, key)| Arc::clone(key)) else {
                    break;
                };
                kept.remove(&oldest);
                self.metrics.evictions.inc();
            }
            let (asked, key) = (kept.tick(), Arc::new(key));
            kept.bytes += bytes;
            kept.by_age.insert(asked, Arc::clone(&key));
            kept.entries.insert(key, Slot { entry: Arc::new(entry), bytes, asked });
        }
        self.metrics.bytes.set(i64::try_from(kept.bytes).unwrap_or(i64::MAX));
        self.metrics.entries.set(i64::try_from(kept.entries.len()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::{Labels, TenantId};
    use latewood_promql::{MatrixSeries, Point};

    use super::*;

    fn key(expression: &str) -> ResultKey {
        ResultKey {
            tenant: TenantId::anonymous(),
            expression: expression.to_owned(),
            step_ms: 1,
            phase_ms: 0,
            lookback_ms: 1,
            replica_labels: Vec::new(),
            resolution: Default::default(),
        }
    }

    fn entry(points: usize) -> Entry {
        let points = vec![Point { timestamp: 0, value: 0.0 }; points];
        let series =
            MatrixSeries { labels: Labels::from_pairs([("a", "b")]), points, histograms: Vec::new() };
        Entry { series: vec![series], ..Entry::default() }
    }

    #[test]
    fn who_was_not_asked_for_longest_gives_way_and_the_limit_is_kept() {
        let metrics = ResultsMetrics::default();
        let size = entry(100).size(&key("a"));
        let cache = ResultsCache::new(size * 10 - 1, metrics.clone());
        let names: Vec<String> = (0..9).map(|number| char::from(b'a' + number).to_string()).collect();
        names.iter().for_each(|name| cache.put(key(name), entry(100)));
        assert_eq!((metrics.entries.get(), metrics.evictions.get()), (9, 0));
        assert!(cache.get(&key("a")).is_some());
        cache.put(key("z"), entry(100));
        assert!(cache.get(&key("b")).is_none() && cache.get(&key("a")).is_some());
        assert_eq!((metrics.entries.get(), metrics.evictions.get()), (9, 1));
        assert_eq!(metrics.bytes.get(), 9 * size as i64);
        cache.put(key("a"), entry(1));
        assert_eq!(metrics.bytes.get(), 8 * size as i64 + entry(1).size(&key("a")) as i64);
    }

    #[test]
    fn what_is_too_large_is_not_kept_nor_is_what_it_should_replace() {
        let metrics = ResultsMetrics::default();
        let cache = ResultsCache::new(entry(100).size(&key("a")) * 8, metrics.clone());
        cache.put(key("a"), entry(100));
        assert!(cache.get(&key("a")).is_some());
        cache.put(key("a"), entry(101));
        assert!(cache.get(&key("a")).is_none());
        assert_eq!((metrics.bytes.get(), metrics.entries.get(), metrics.too_large.get()), (0, 0, 1));
    }
}
