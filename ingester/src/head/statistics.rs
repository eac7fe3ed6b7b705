//! Cardinality of what a head holds, as `status/tsdb` shows it.

use std::collections::{BTreeMap, HashMap};

use latewood_model::TimeRange;
use parking_lot::RwLock;

use super::table::SeriesTable;

/// Series looked at under one hold of the lock.
const HOLD: usize = 1024;

/// Cardinality of a tenant's part of one generation, or of several added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadStatistics {
    /// How many series.
    pub series: u64,
    /// How many distinct label pairs.
    pub label_pairs: u64,
    /// How many chunks.
    pub chunks: u64,
    /// The span of all samples.
    pub span: TimeRange,
    /// Series by metric name.
    pub series_by_metric: BTreeMap<String, u64>,
    /// Distinct values by label name.
    pub values_by_label: BTreeMap<String, u64>,
    /// Bytes of distinct values by label name.
    pub bytes_by_label: BTreeMap<String, u64>,
    /// Series by `name=value`.
    pub series_by_pair: BTreeMap<String, u64>,
}

impl Default for HeadStatistics {
    fn default() -> Self {
        Self {
            series: 0,
            label_pairs: 0,
            chunks: 0,
            span: TimeRange::EMPTY,
            series_by_metric: BTreeMap::new(),
            values_by_label: BTreeMap::new(),
            bytes_by_label: BTreeMap::new(),
            series_by_pair: BTreeMap::new(),
        }
    }
}

impl HeadStatistics {
    pub(super) fn of(table: &RwLock<SeriesTable>) -> Self {
        let mut statistics = Self::default();
        let mut by_pair: HashMap<u32, u64> = HashMap::new();
        let mut next = 0;
        loop {
            let table = table.read();
            let all = table.len() as u32;
            let end = all.min(next + HOLD as u32);
            for reference in next..end {
                statistics.chunks += table.samples_of(reference).map_or(0, |samples| samples.chunks() as u64);
                for &pair in table.pairs_of(reference) {
                    *by_pair.entry(pair).or_default() += 1;
                }
            }
            next = end;
            if next >= all {
                statistics.series = all.into();
                statistics.span = table.span();
                break;
            }
        }
        let pairs: Vec<_> = by_pair.into_iter().collect();
        for chunk in pairs.chunks(HOLD) {
            let table = table.read();
            for &(pair, series) in chunk {
                statistics.count_pair(table.pair_text(pair), series);
            }
        }
        statistics
    }

    fn count_pair(&mut self, (name, value): (&str, &str), series: u64) {
        self.label_pairs += 1;
        if name == latewood_model::METRIC_NAME {
            *self.series_by_metric.entry(value.to_owned()).or_default() += series;
        }
        *self.values_by_label.entry(name.to_owned()).or_default() += 1;
        *self.bytes_by_label.entry(name.to_owned()).or_default() += value.len() as u64;
        *self.series_by_pair.entry(format!("{name}={value}")).or_default() += series;
    }

    /// Adds another shard's numbers, whose series are others. Values that stand in both count twice.
    pub fn add(&mut self, other: Self) {
        self.combine(other, |mine, others| mine + others);
    }

    /// Takes in another generation of the same shard: most series are the same ones, so the greater
    /// number counts.
    pub fn widen(&mut self, other: Self) {
        self.combine(other, u64::max);
    }

    fn combine(&mut self, other: Self, one: impl Fn(u64, u64) -> u64) {
        self.series = one(self.series, other.series);
        self.label_pairs = one(self.label_pairs, other.label_pairs);
        self.chunks += other.chunks;
        self.span = self.span.union(other.span);
        let maps = [
            (&mut self.series_by_metric, other.series_by_metric),
            (&mut self.values_by_label, other.values_by_label),
            (&mut self.bytes_by_label, other.bytes_by_label),
            (&mut self.series_by_pair, other.series_by_pair),
        ];
        for (mine, others) in maps {
            for (name, value) in others {
                let known = mine.entry(name).or_default();
                *known = one(*known, value);
            }
        }
    }
}
