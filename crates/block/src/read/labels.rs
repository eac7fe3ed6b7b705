//! Questions about labels and metadata: answered from the series table and the spans alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use latewood_model::{Matcher, MetricMetadata, TimeRange};

use super::series_table::SeriesTable;
use super::tables::Tables;
use super::{BlockStatistics, Count};
use crate::BlockMeta;

impl Tables {
    /// The series that match and may have samples in a range.
    fn select_rows(&self, matchers: &[Matcher], range: TimeRange) -> Vec<u32> {
        let mut rows = self.series.matching(matchers);
        rows.retain(|&series| self.spans.overlaps(series, range));
        rows
    }

    /// The names of their labels.
    pub(super) fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
        let rows = self.select_rows(matchers, range);
        let mut names = BTreeSet::new();
        for (name, column) in &self.series.hot {
            let held = |&row: &u32| column.codes.get(row as usize) != 0;
            if rows.iter().any(held) {
                names.insert(name.to_string());
            }
        }
        let mut rest = vec![false; self.series.rest.names.len()];
        for &(name, _) in rows.iter().flat_map(|&row| self.series.rest.pairs(row as usize)) {
            if let Some(seen) = rest.get_mut(name as usize) {
                *seen = true;
            }
        }
        let rest = self.series.rest.names.iter().zip(rest).filter(|(_, seen)| *seen);
        names.extend(rest.map(|(name, _)| name.to_owned()));
        names.into_iter().collect()
    }

    /// The values of one of their labels.
    pub(super) fn label_values(&self, name: &str, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
        let rows = self.select_rows(matchers, range);
        let mut values = BTreeSet::new();
        if let Some(column) = self.series.column(name) {
            let mut seen = vec![false; column.values.len() + 1];
            for code in rows.iter().map(|&row| column.codes.get(row as usize)) {
                if let Some(seen) = seen.get_mut(code as usize) {
                    *seen = true;
                }
            }
            let seen = column.values.iter().zip(seen.iter().skip(1)).filter(|(_, seen)| **seen);
            values.extend(seen.map(|(value, _)| value.to_owned()));
        }
        let rest = &self.series.rest;
        if let Some(number) = rest.names.iter().position(|known| known == name) {
            let pairs = rows.iter().flat_map(|&row| rest.pairs(row as usize));
            let wanted: BTreeSet<u32> =
                pairs.filter(|pair| pair.0 as usize == number).map(|pair| pair.1).collect();
            values.extend(wanted.into_iter().map(|value| rest.values.get(value).to_owned()));
        }
        values.into_iter().collect()
    }
}

impl SeriesTable {
    /// What is known of all metrics, or of one.
    pub(super) fn all_metadata(&self, metric: Option<&str>) -> Vec<(String, MetricMetadata)> {
        let mut found = BTreeSet::new();
        let mut before: Option<(&str, Option<MetricMetadata>)> = None;
        for row in 0..self.len() {
            let name = self.metric(row);
            if metric.is_some_and(|wanted| wanted != name) {
                continue;
            }
            let known = self.metadata(row);
            if before.as_ref() == Some(&(name, known.clone())) {
                continue;
            }
            if let Some(known) = &known {
                found.insert((name.to_owned(), known.clone()));
            }
            before = Some((name, known));
        }
        found.into_iter().collect()
    }

    /// Cardinality; each list has at most `limit` entries.
    pub(super) fn statistics(&self, meta: &BlockMeta, limit: usize) -> BlockStatistics {
        let mut names: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (name, column) in &self.hot {
            let mut counts = vec![0u64; column.values.len() + 1];
            for code in column.codes.iter() {
                if let Some(count) = counts.get_mut(code as usize) {
                    *count += 1;
                }
            }
            let values = names.entry(name).or_default();
            for (value, count) in column.values.iter().zip(counts.iter().skip(1)) {
                *values.entry(value).or_default() += count;
            }
        }
        for &(name, value) in self.rest.all_pairs() {
            let values = names.entry(self.rest.names.get(name)).or_default();
            *values.entry(self.rest.values.get(value)).or_default() += 1;
        }
        let metrics = names.get(latewood_model::METRIC_NAME).into_iter().flatten();
        let pairs = names.iter().flat_map(|(name, values)| {
            let pair = move |(value, count): (&&str, &u64)| (format!("{name}={value}"), *count);
            values.iter().map(pair)
        });
        let bytes = |values: &BTreeMap<&str, u64>| values.keys().map(|value| value.len() as u64).sum();
        BlockStatistics {
            series: meta.series,
            samples: meta.samples,
            label_pairs: names.values().map(|values| values.len() as u64).sum(),
            range: meta.range,
            series_by_metric: top(metrics.map(|(name, count)| ((*name).to_owned(), *count)), limit),
            values_by_label: top(
                names.iter().map(|(name, values)| ((*name).to_owned(), values.len() as u64)),
                limit,
            ),
            bytes_by_label: top(
                names.iter().map(|(name, values)| ((*name).to_owned(), bytes(values))),
                limit,
            ),
            series_by_pair: top(pairs, limit),
        }
    }
}

/// The greatest counts, by falling count and then by name.
fn top(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.map(|(name, value)| Count { name, value }).collect();
    counts.sort_unstable_by(|a, b| (Reverse(a.value), &a.name).cmp(&(Reverse(b.value), &b.name)));
    counts.truncate(limit);
    counts
}
