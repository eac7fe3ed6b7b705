//! The series of one tenant in one generation: labels, samples, and the ways to find them.
//!
//! A series is known by a reference that counts up from 0 in the order of definition; references and
//! everything they lead to are only ever added, so a reader may let go of the lock and come back.

use std::hint::black_box;

use hashbrown::HashTable;
use latewood_model::{
    HistogramSample, LabelPair, Labels, METRIC_NAME, Sample, SeriesHash, TimeRange, TimestampMs,
};
use latewood_proto::store::Detail;

use super::pairs::Pairs;
use super::series::{Appended, Samples};

/// Series are kept in pages of this many, so that growth never copies them nor wastes half.
const PAGE: usize = 512;

/// One series. Its labels are the pair numbers `start .. start + len` of the table's `labels`.
#[derive(Debug)]
struct Series {
    hash: u64,
    labels_start: u64,
    labels_len: u32,
    samples: Samples,
}

/// What appending did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendCounts {
    /// Series that were new.
    pub series: u64,
    /// Samples behind the newest of their series.
    pub in_order: u64,
    /// Samples kept aside: late, or another value for the newest time.
    pub late: u64,
    /// Samples that were there already, or lost by the tie rule.
    pub duplicates: u64,
}

impl AppendCounts {
    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.series += other.series;
        self.in_order += other.in_order;
        self.late += other.late;
        self.duplicates += other.duplicates;
    }
}

/// The series of one metric, in order of definition.
#[derive(Debug)]
struct Metric {
    /// The pair of the metric's name; `None` gathers the series without one.
    name: Option<u32>,
    series: Vec<u32>,
}

/// All series of a tenant in a generation.
#[derive(Debug, Default)]
pub(super) struct SeriesTable {
    pub(super) pairs: Pairs,
    pages: Vec<Vec<Series>>,
    /// Label pairs of all series one after another.
    labels: Vec<u32>,
    by_hash: HashTable<u32>,
    metrics: Vec<Metric>,
    metric_of_pair: hashbrown::HashMap<Option<u32>, u32, foldhash::fast::FixedState>,
    /// Bytes held by samples.
    samples_heap: usize,
    span: Option<TimeRange>,
}

impl SeriesTable {
    /// How many series.
    pub(super) fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// The span of all times.
    pub(super) fn span(&self) -> TimeRange {
        self.span.unwrap_or(TimeRange::EMPTY)
    }

    fn series(&self, reference: u32) -> Option<&Series> {
        let index = reference as usize;
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    /// The numbers of a series' label pairs, sorted by label name.
    pub(super) fn pairs_of(&self, reference: u32) -> &[u32] {
        self.series(reference).map_or(&[], |series| self.label_slice(series))
    }

    fn label_slice(&self, series: &Series) -> &[u32] {
        let start = series.labels_start as usize;
        let end = start + series.labels_len as usize;
        self.labels.get(start..end).unwrap_or(&[])
    }

    /// Name and value of a pair.
    pub(super) fn pair_text(&self, pair: u32) -> LabelPair<'_> {
        self.pairs.get(pair)
    }

    /// A series' label pairs, sorted by name.
    pub(super) fn label_pairs(&self, reference: u32) -> impl Iterator<Item = LabelPair<'_>> {
        self.pairs_of(reference).iter().map(|&pair| self.pair_text(pair))
    }

    /// A series' labels.
    pub(super) fn labels(&self, reference: u32) -> Labels {
        Labels::from_sorted(self.label_pairs(reference))
    }

    /// A series' samples.
    pub(super) fn samples_of(&self, reference: u32) -> Option<&Samples> {
        self.series(reference).map(|series| &series.samples)
    }

    /// Has the memory of series at hand that are read next. What a series leads to is looked at for all of them before what
    /// that leads to, so that the processor waits for many places at once and not for one after another.
    pub(super) fn warm(&self, references: &[u32], detail: Detail, range: TimeRange) {
        for depth in 0..Samples::DEPTH {
            let samples = references.iter().filter_map(|&reference| self.samples_of(reference));
            black_box(
                samples.map(|samples| samples.touch(depth, detail, range)).fold(0, usize::wrapping_add),
            );
        }
    }

    /// The reference of a label set, verified label by label; `pairs` are UTF-8, sorted by name.
    pub(super) fn find<'a>(
        &self,
        hash: SeriesHash,
        pairs: &(impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone),
    ) -> Option<u32> {
        let equal = |&reference: &u32| {
            self.series(reference).is_some_and(|series| {
                let known = self.label_slice(series);
                series.hash == hash.low()
                    && known.len() == pairs.len()
                    && known
                        .iter()
                        .zip(pairs.clone())
                        .all(|(&pair, (name, value))| self.pairs.is(pair, name, value))
            })
        };
        self.by_hash.find(hash.low(), equal).copied()
    }

    /// Whether there is a series of this half of a hash: for counting, a hash is no identity.
    pub(super) fn has_hash(&self, hash: u64) -> bool {
        let equal = |&reference: &u32| self.series(reference).is_some_and(|series| series.hash == hash);
        self.by_hash.find(hash, equal).is_some()
    }

    /// Half of a series' hash.
    pub(super) fn hash_of(&self, reference: u32) -> Option<u64> {
        self.series(reference).map(|series| series.hash)
    }

    /// The reference of a label set given as pair numbers sorted by label name; new sets get the next
    /// reference. The flag says whether it is new.
    pub(super) fn define(&mut self, hash: SeriesHash, pairs: &[u32]) -> (u32, bool) {
        let known = self.by_hash.find(hash.low(), |&reference| {
            self.series(reference)
                .is_some_and(|series| series.hash == hash.low() && self.label_slice(series) == pairs)
        });
        if let Some(&reference) = known {
            return (reference, false);
        }
        let reference = self.len() as u32;
        self.insert(reference, hash.low(), pairs);
        let pages = &self.pages;
        self.by_hash.insert_unique(hash.low(), reference, |&other| {
            let index = other as usize;
            let series = pages.get(index / PAGE).and_then(|page| page.get(index % PAGE));
            series.map_or(0, |series| series.hash)
        });
        (reference, true)
    }

    fn insert(&mut self, reference: u32, hash: u64, pairs: &[u32]) {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // The first page grows by need: most tenants of many are small.
            let room = if self.pages.is_empty() { 0 } else { PAGE };
            self.pages.push(Vec::with_capacity(room));
        }
        let labels_start = self.labels.len() as u64;
        if self.labels.capacity() - self.labels.len() < pairs.len() {
            self.labels.reserve_exact((self.labels.len() / 8).max(pairs.len() * 32));
        }
        self.labels.extend_from_slice(pairs);
        let series =
            Series { hash, labels_start, labels_len: pairs.len() as u32, samples: Samples::default() };
        if let Some(page) = self.pages.last_mut() {
            page.push(series);
        }
        self.index_metric(reference, pairs);
    }

    fn index_metric(&mut self, reference: u32, pairs: &[u32]) {
        let name = pairs.iter().copied().find(|&pair| self.pair_text(pair).0 == METRIC_NAME);
        let next = self.metrics.len() as u32;
        let metric = *self.metric_of_pair.entry(name).or_insert(next);
        if metric == next {
            self.metrics.push(Metric { name, series: Vec::new() });
        }
        if let Some(metric) = self.metrics.get_mut(metric as usize) {
            metric.series.push(reference);
        }
    }

    /// Appends one sample to a series.
    pub(super) fn append(
        &mut self,
        reference: u32,
        sample: Sample,
        start: TimestampMs,
        counts: &mut AppendCounts,
    ) {
        if let Some(samples) = self.samples_mut(reference) {
            let (appended, grown) = samples.push(sample, start);
            self.appended(sample.timestamp, appended, grown, counts);
        }
    }

    /// Appends one native histogram to a series.
    pub(super) fn append_histogram(
        &mut self,
        reference: u32,
        sample: &HistogramSample,
        counts: &mut AppendCounts,
    ) {
        if let Some(samples) = self.samples_mut(reference) {
            let (appended, grown) = samples.push_histogram(sample.clone());
            self.appended(sample.timestamp, appended, grown, counts);
        }
    }

    #[inline]
    fn samples_mut(&mut self, reference: u32) -> Option<&mut Samples> {
        let index = reference as usize;
        let series = self.pages.get_mut(index / PAGE).and_then(|page| page.get_mut(index % PAGE));
        debug_assert!(series.is_some(), "no series {reference}");
        series.map(|series| &mut series.samples)
    }

    #[inline]
    fn appended(&mut self, at: TimestampMs, appended: Appended, grown: isize, counts: &mut AppendCounts) {
        self.samples_heap = self.samples_heap.saturating_add_signed(grown);
        match appended {
            Appended::InOrder => counts.in_order += 1,
            Appended::Late => counts.late += 1,
            Appended::Duplicate => {
                counts.duplicates += 1;
                return;
            }
        }
        self.span.get_or_insert(TimeRange::EMPTY).include(at);
    }

    /// How many metrics, the nameless one included.
    pub(super) fn metric_count(&self) -> usize {
        self.metrics.len()
    }

    /// A metric's name; the empty one for series without a name.
    pub(super) fn metric_name(&self, metric: u32) -> &str {
        let name = self.metrics.get(metric as usize).and_then(|metric| metric.name);
        name.map_or("", |pair| self.pair_text(pair).1)
    }

    /// The metric of a name.
    pub(super) fn metric_by_name(&self, name: &str) -> Option<u32> {
        let pair = if name.is_empty() { None } else { Some(self.pairs.find(METRIC_NAME, name)?) };
        self.metric_of_pair.get(&pair).copied()
    }

    /// A metric's series in order of definition.
    pub(super) fn series_of_metric(&self, metric: u32) -> &[u32] {
        self.metrics.get(metric as usize).map_or(&[], |metric| &metric.series)
    }

    /// The storage order of two series of one metric: the other pairs, one by one.
    pub(super) fn compare(&self, metric: u32, a: u32, b: u32) -> std::cmp::Ordering {
        let name = self.metrics.get(metric as usize).and_then(|metric| metric.name);
        let rest = |reference| {
            let pairs = self.pairs_of(reference).iter().copied();
            pairs.filter(move |&pair| Some(pair) != name)
        };
        let (mut a, mut b) = (rest(a), rest(b));
        loop {
            match (a.next(), b.next()) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => return self.pair_text(a).cmp(&self.pair_text(b)),
                (a, b) => return a.is_some().cmp(&b.is_some()),
            }
        }
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let page = |page: &Vec<Series>| page.capacity() * size_of::<Series>();
        let metric = |metric: &Metric| size_of::<Metric>() + metric.series.capacity() * 4;
        self.pairs.heap_size()
            + self.pages.iter().map(page).sum::<usize>()
            + self.labels.capacity() * 4
            + self.by_hash.allocation_size()
            + self.metrics.iter().map(metric).sum::<usize>()
            + self.metric_of_pair.allocation_size()
            + self.samples_heap
    }
}
