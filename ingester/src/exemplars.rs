//! The newest exemplars of each tenant, in memory.
//!
//! Bounded three ways: exemplars a tenant (the oldest go first), bytes of all tenants together, and the
//! length of one exemplar's labels. They do not survive a restart. The rules are Prometheus's: an
//! exemplar equal to its series' newest is taken once, one older than it is not kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use latewood_model::{Exemplar, Labels, Matcher, SeriesHash, TenantId, TimeRange};
use parking_lot::{Mutex, RwLock};

use crate::PushConfig;

/// The longest label set of an exemplar, names and values together, in characters (OpenMetrics).
pub const MAX_EXEMPLAR_CHARACTERS: usize = 128;

/// Series whose exemplars are copied under one hold of a tenant's lock.
const HOLD: usize = 256;

/// What became of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemplarOutcome {
    /// Kept, or there already.
    Kept,
    /// Older than the newest of its series, or sorted before it at the same time.
    OutOfOrder,
    /// Its labels are longer than [`MAX_EXEMPLAR_CHARACTERS`].
    TooLong,
    /// There is no room: other tenants hold it, or nothing is kept at all.
    NoRoom,
}

/// Keeps exemplars of all tenants.
#[derive(Debug)]
pub struct ExemplarStore {
    per_tenant: usize,
    max_bytes: usize,
    bytes: AtomicUsize,
    tenants: RwLock<HashMap<TenantId, Arc<Mutex<TenantExemplars>>>>,
}

#[derive(Debug, Default)]
struct TenantExemplars {
    series: HashMap<SeriesHash, SeriesExemplars>,
    /// The series of every exemplar kept, oldest first.
    order: VecDeque<SeriesHash>,
}

#[derive(Debug)]
struct SeriesExemplars {
    labels: Labels,
    /// In the order in which they came, which is that of their times.
    exemplars: VecDeque<Exemplar>,
}

impl ExemplarStore {
    /// An empty store with the limits of the settings.
    #[must_use]
    pub fn new(config: &PushConfig) -> Self {
        Self {
            per_tenant: config.max_exemplars_per_tenant,
            max_bytes: config.max_exemplar_bytes,
            bytes: AtomicUsize::new(0),
            tenants: RwLock::default(),
        }
    }

    /// Adds an exemplar of a series; `hash` is that of its labels, which are only asked for when the
    /// exemplar is new.
    pub fn add(
        &self,
        tenant: &TenantId,
        hash: SeriesHash,
        labels: impl FnOnce() -> Labels,
        exemplar: Exemplar,
    ) -> ExemplarOutcome {
        let characters = |(name, value): (&str, &str)| name.chars().count() + value.chars().count();
        if exemplar.labels.iter().map(characters).sum::<usize>() > MAX_EXEMPLAR_CHARACTERS {
            return ExemplarOutcome::TooLong;
        }
        if self.per_tenant == 0 {
            return ExemplarOutcome::NoRoom;
        }
        let mine = self.tenant(tenant);
        let mut mine = mine.lock();
        match mine.series.get(&hash).and_then(|series| series.exemplars.back()) {
            Some(newest) if same(newest, &exemplar) => return ExemplarOutcome::Kept,
            Some(newest) if !after(&exemplar, newest) => return ExemplarOutcome::OutOfOrder,
            _ => {}
        }
        let (known, labels) = (mine.series.contains_key(&hash), labels());
        if mine.series.get(&hash).is_some_and(|series| series.labels != labels) {
            // Two series of one hash: the first keeps the place.
            return ExemplarOutcome::NoRoom;
        }
        let labels = (!known).then_some(labels);
        let size = exemplar_size(&exemplar) + labels.as_ref().map_or(0, series_size);
        while mine.order.len() >= self.per_tenant
            || self.bytes.load(Ordering::Relaxed) + size > self.max_bytes
        {
            if !self.evict_oldest(&mut mine, hash, known) {
                return ExemplarOutcome::NoRoom;
            }
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        mine.order.push_back(hash);
        if let Some(labels) = labels {
            let exemplars = VecDeque::new();
            mine.series.insert(hash, SeriesExemplars { labels, exemplars });
        }
        if let Some(series) = mine.series.get_mut(&hash) {
            series.exemplars.push_back(exemplar);
        }
        ExemplarOutcome::Kept
    }

    /// The exemplars in a range of the series that any of the selectors matches, by series in the order
    /// of their labels. Looks at every series of the tenant: call it off the async runtime. Writers wait
    /// for a copy of the label sets at most, never for a regular expression.
    #[must_use]
    pub fn query(
        &self,
        tenant: &TenantId,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Vec<(Labels, Vec<Exemplar>)> {
        let Some(mine) = self.tenants.read().get(tenant).map(Arc::clone) else {
            return Vec::new();
        };
        let all: Vec<(SeriesHash, Labels)> = {
            let mine = mine.lock();
            mine.series.iter().map(|(&hash, series)| (hash, series.labels.clone())).collect()
        };
        let matches = |labels: &Labels| {
            let all = |matchers: &Vec<Matcher>| {
                matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
            };
            selectors.iter().any(all)
        };
        let mut found = Vec::new();
        let matching: Vec<_> = all.into_iter().filter(|(_, labels)| matches(labels)).collect();
        for chunk in matching.chunks(HOLD) {
            let mine = mine.lock();
            for (hash, labels) in chunk {
                // Evicted meanwhile, it has none.
                let kept = mine.series.get(hash).into_iter().flat_map(|series| &series.exemplars);
                let in_range = kept.filter(|one| range.contains(one.timestamp));
                let exemplars: Vec<Exemplar> = in_range.cloned().collect();
                if !exemplars.is_empty() {
                    found.push((labels.clone(), exemplars));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Bytes that all tenants' exemplars hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<Mutex<TenantExemplars>> {
        if let Some(mine) = self.tenants.read().get(tenant) {
            return Arc::clone(mine);
        }
        Arc::clone(self.tenants.write().entry(tenant.clone()).or_default())
    }

    /// Drops the tenant's oldest exemplar. Returns false when there is none. The series `keep` stays
    /// known when `keep_it` says so, because an exemplar of it is about to be added.
    fn evict_oldest(&self, mine: &mut TenantExemplars, keep: SeriesHash, keep_it: bool) -> bool {
        let Some(hash) = mine.order.pop_front() else {
            return false;
        };
        let Some(series) = mine.series.get_mut(&hash) else {
            return true;
        };
        let mut freed = series.exemplars.pop_front().as_ref().map_or(0, exemplar_size);
        if series.exemplars.is_empty() && !(keep_it && hash == keep) {
            freed += series_size(&series.labels);
            mine.series.remove(&hash);
        }
        self.bytes.fetch_sub(freed, Ordering::Relaxed);
        true
    }
}

fn exemplar_size(exemplar: &Exemplar) -> usize {
    exemplar.labels.heap_size() + size_of::<Exemplar>() + size_of::<SeriesHash>()
}

fn series_size(labels: &Labels) -> usize {
    labels.heap_size() + size_of::<SeriesExemplars>() + size_of::<SeriesHash>()
}

fn same(a: &Exemplar, b: &Exemplar) -> bool {
    a.timestamp == b.timestamp && a.value.to_bits() == b.value.to_bits() && a.labels == b.labels
}

/// Whether `new` comes after `newest`: by time, then value, then the labels' hash, as in Prometheus.
fn after(new: &Exemplar, newest: &Exemplar) -> bool {
    new.timestamp
        .cmp(&newest.timestamp)
        .then(new.value.total_cmp(&newest.value))
        .then_with(|| new.labels.hash128().cmp(&newest.labels.hash128()))
        .is_gt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use latewood_model::MatchOp;

    fn exemplar(timestamp: i64, trace: &str) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("trace_id", trace)]), value: 1.0, timestamp }
    }

    struct Fixture(ExemplarStore, TenantId);

    impl Fixture {
        fn new(per_tenant: usize, bytes: usize) -> Self {
            let config = PushConfig {
                max_exemplars_per_tenant: per_tenant,
                max_exemplar_bytes: bytes,
                ..PushConfig::default()
            };
            Self(ExemplarStore::new(&config), TenantId::anonymous())
        }

        fn add(&self, series: &str, exemplar: Exemplar) -> ExemplarOutcome {
            let labels = Labels::from_pairs([("__name__", series)]);
            self.0.add(&self.1, labels.hash128(), || labels.clone(), exemplar)
        }

        fn times(&self, pattern: &str, range: TimeRange) -> Vec<i64> {
            let matcher = Matcher::new(MatchOp::Regex, "__name__", pattern).unwrap();
            let found = self.0.query(&self.1, &[vec![matcher]], range);
            found.iter().flat_map(|(_, all)| all.iter().map(|one| one.timestamp)).collect()
        }
    }

    #[test]
    fn duplicates_are_taken_once_and_older_ones_are_not_kept() {
        let store = Fixture::new(10, 1 << 20);
        assert_eq!(store.add("a", exemplar(5, "x")), ExemplarOutcome::Kept);
        assert_eq!(store.add("a", exemplar(5, "x")), ExemplarOutcome::Kept);
        assert_eq!(store.add("a", exemplar(4, "y")), ExemplarOutcome::OutOfOrder);
        assert_eq!(store.add("b", exemplar(4, "y")), ExemplarOutcome::Kept);
        let long = "x".repeat(MAX_EXEMPLAR_CHARACTERS - 7);
        assert_eq!(store.add("a", exemplar(6, &long)), ExemplarOutcome::TooLong);
        assert_eq!(store.times(".*", TimeRange::ALL), [5, 4]);
        assert_eq!(store.times("b", TimeRange::new(5, 9)), [] as [i64; 0]);
        let other = TenantId::new("other").unwrap();
        assert!(store.0.query(&other, &[vec![]], TimeRange::ALL).is_empty());
    }

    #[test]
    fn the_oldest_go_when_a_tenant_is_full() {
        let store = Fixture::new(3, 1 << 20);
        for (time, series) in [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")] {
            assert_eq!(store.add(series, exemplar(time, "x")), ExemplarOutcome::Kept);
        }
        assert_eq!(store.times(".*", TimeRange::ALL), [3, 4, 5]);
        let alone = Fixture::new(1, 1 << 20);
        for time in 1..5 {
            assert_eq!(alone.add("a", exemplar(time, "x")), ExemplarOutcome::Kept);
        }
        assert_eq!(alone.times("a", TimeRange::ALL), [4]);
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let store = Fixture::new(1_000, 2_000);
        for time in 0..100 {
            let outcome = store.add(&format!("s{time}"), exemplar(time, "0123456789"));
            assert_eq!(outcome, ExemplarOutcome::Kept);
            assert!(store.0.bytes() <= 2_000);
        }
        assert!((2..100).contains(&store.times(".*", TimeRange::ALL).len()));
        let mine = store.0.tenant(&store.1);
        while store.0.evict_oldest(&mut mine.lock(), SeriesHash(0), false) {}
        assert_eq!((store.0.bytes(), mine.lock().series.len()), (0, 0));
        assert_eq!(Fixture::new(10, 10).add("a", exemplar(1, "x")), ExemplarOutcome::NoRoom);
    }
}
