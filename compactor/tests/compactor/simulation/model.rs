//! What must be answered, whatever blocks there are: samples that were acknowledged, less what was deleted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_blockstore::Masks;
use latewood_catalog::{BlockEntry, View};
use latewood_compactor::CompactorConfig;
use latewood_model::dedup::{Deduplicator, LOOKBACK_MS, ReplicaLabels};
use latewood_model::rollup::{RollupWindows, SeriesRollups};
use latewood_model::{
    HistogramSample, Labels, Resolution, SeriesSamples, StartTimestamps, TimeRange, TimestampMs,
    preferred_started,
};

use super::scrapes::{PAIR, SCRAPED_EVERY};
use super::stored::Stored;
use super::world::DAY;
use crate::reader::Reader;
use crate::rollups::{Row, rows};

const ROLLUPS: [Resolution; 3] = [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay];

/// The samples of one series.
#[derive(Clone, Debug, Default)]
struct Samples {
    labels: Labels,
    floats: BTreeMap<TimestampMs, u64>,
    histograms: BTreeMap<TimestampMs, HistogramSample>,
}

type BySeries = BTreeMap<String, Samples>;

/// A window of a series.
type Key = (String, TimestampMs);

#[derive(Default)]
pub(super) struct Model {
    samples: BySeries,
    /// Whose label `pod`, and when.
    deletions: Vec<(String, TimeRange)>,
    /// Whether another replica's sample may stand where days meet: the replica labels were changed, or a day that had gone by its
    /// retention is back, which the day after it was made anew without.
    is_pair_vague: bool,
}

impl Model {
    pub(super) fn make_pair_vague(&mut self) {
        self.is_pair_vague = true;
    }

    pub(super) fn add(&mut self, series: &[SeriesSamples]) {
        series.iter().for_each(|series| add(&mut self.samples, series));
    }

    pub(super) fn delete(&mut self, pod: &str, range: TimeRange) {
        for series in self.samples.values_mut().filter(|series| series.labels.get("pod") == Some(pod)) {
            series.floats.retain(|at, _| !range.contains(*at));
            series.histograms.retain(|at, _| !range.contains(*at));
        }
        self.deletions.push((pod.to_owned(), range));
    }

    /// Holds what a view answers against it.
    pub(super) fn check(&self, view: &View, stored: &Stored, now_ms: TimestampMs, config: &CompactorConfig) {
        let (found, kept) = (samples_of(view, stored), config.retention_of(&view.tenant));
        let is_past = |resolution, end| kept.of(resolution).is_some_and(|kept: i64| end < now_ms - kept);
        let is_raw_past = |at| is_past(Resolution::Raw, at);
        let gone = self.check_samples(&found, &is_raw_past);
        let pair = self.pair(TimestampMs::MIN);
        let read = pair_of(view, stored, &ReplicaLabels::new(&config.replica_labels));
        if self.is_pair_vague {
            self.check_vague_pair(view, &read, &pair, &is_raw_past);
        } else {
            check_pair_samples(view, &read, &pair, &is_raw_past);
        }
        for resolution in ROLLUPS {
            let windows = Windows::of(view, stored, resolution);
            self.check_rollups(&windows, &found, &gone, &|end| is_past(resolution, end));
            if !self.is_pair_vague {
                self.check_pair(&windows, &pair, &|end| is_past(resolution, end));
            }
        }
    }

    /// Every sample that is found is in the model; of those that are not found retention may have let go. These.
    fn check_samples(&self, found: &BySeries, is_past: &dyn Fn(TimestampMs) -> bool) -> BySeries {
        let nothing = Samples::default();
        for (labels, found) in found.iter().filter(|(labels, _)| !is_of_pair(labels)) {
            let known = self.samples.get(labels).unwrap_or(&nothing);
            for (at, bits) in &found.floats {
                assert_eq!(
                    known.floats.get(at),
                    Some(bits),
                    "{labels} at {at}: it was deleted, or is another"
                );
            }
            for (at, sample) in &found.histograms {
                assert_eq!(known.histograms.get(at), Some(sample), "{labels} at {at}");
            }
        }
        let mut gone = self.samples.clone();
        gone.retain(|labels, series| {
            let found = found.get(labels).unwrap_or(&nothing);
            series.floats.retain(|at, _| !found.floats.contains_key(at));
            series.histograms.retain(|at, _| !found.histograms.contains_key(at));
            let mut times = series.floats.keys().chain(series.histograms.keys());
            let lost = times.find(|at| !is_past(**at));
            assert!(is_of_pair(labels) || lost.is_none(), "{labels} at {lost:?} is lost");
            !is_of_pair(labels)
        });
        gone
    }

    /// Rows of windows whose samples are gone are those of these samples, and are there for as long as their resolution
    /// is kept; but a deletion may have taken them whole. Rows of samples that are there are those of these samples.
    fn check_rollups(
        &self,
        windows: &Windows<'_>,
        found: &BySeries,
        gone: &BySeries,
        is_past: &dyn Fn(TimestampMs) -> bool,
    ) {
        let (expected, current) = (windows.made_of(gone), windows.made_of(found));
        for ((labels, end), row) in &expected {
            let what = format!("{labels}, {} up to {end}", windows.resolution);
            let Some(is) = windows.rows.get(&(labels.clone(), *end)) else {
                let series = &gone[labels];
                let is_touched = self.is_touched(series, windows.of.range_of(*end));
                assert!(is_touched || is_past(*end), "{what}: the samples are gone and no row is there");
                continue;
            };
            is.assert_same(row, &what);
        }
        for ((labels, end), row) in windows.rows.iter().filter(|((labels, _), _)| !is_of_pair(labels)) {
            let key = (labels.clone(), *end);
            if expected.contains_key(&key) || windows.is_behind(*end) {
                continue;
            }
            let what = format!("{labels}, {} up to {end}", windows.resolution);
            let made = current.get(&key);
            assert!(made.is_some(), "{what}: a row of samples that were deleted");
            row.assert_same(made.unwrap(), &what);
        }
    }

    /// Rows of the HA pair are those of one series, whatever was read of which replica when. Where they were made anew when
    /// the samples before their window had gone, nobody knows which replica stood there: they begin with the window.
    fn check_pair(&self, windows: &Windows<'_>, pair: &BySeries, is_past: &dyn Fn(TimestampMs) -> bool) {
        let expected = windows.made_of(pair);
        let others = |key: &Key| {
            let begins = [1, 2].map(|days| (key.1 - 1).div_euclid(days * DAY) * days * DAY + 1);
            let begins = begins.into_iter().filter(|begin| !windows.has_samples_before(*begin));
            begins.map(|begin| windows.made_of(&self.pair(begin)).remove(key)).collect::<Vec<_>>()
        };
        for (key, row) in windows.rows.iter().filter(|((labels, _), _)| is_of_pair(labels)) {
            let is_known = windows.is_behind(key.1)
                || expected.get(key).is_some_and(|expected| row.is_same(expected))
                || others(key).iter().flatten().any(|other| row.is_same(other));
            assert!(is_known, "{key:?}, {}: {row:?}, and not {:?}", windows.resolution, expected.get(key));
        }
        for key in expected.keys().filter(|key| !windows.rows.contains_key(key)) {
            let is_known = windows.has_samples(key.1) || is_past(key.1) || others(key).contains(&None);
            assert!(is_known, "{key:?}, {} is lost", windows.resolution);
        }
    }

    /// The HA pair's samples are of one of the replicas each, none of a day is as close to another as the replicas are, and where there is one
    /// of the pair as one series, one is near.
    fn check_vague_pair(
        &self,
        view: &View,
        read: &BTreeMap<TimestampMs, u64>,
        pair: &BySeries,
        is_past: &dyn Fn(TimestampMs) -> bool,
    ) {
        let replicas: Vec<_> = self.samples.iter().filter(|(labels, _)| is_of_pair(labels)).collect();
        for (at, bits) in read {
            let is_written = replicas.iter().any(|(_, series)| series.floats.get(at) == Some(bits));
            assert!(is_written, "the pair at {at}: nobody wrote that");
        }
        for (one, next) in read.keys().zip(read.keys().skip(1)) {
            let is_of_a_day = (one - 1).div_euclid(DAY) == (next - 1).div_euclid(DAY);
            assert!(
                !is_of_a_day || next - one > SCRAPED_EVERY / 2,
                "the pair at {one} and {next}: both replicas stand"
            );
        }
        let near = 3 * SCRAPED_EVERY;
        let is_known =
            |at| has_hour_before(view, at - near) && has_hour_before(view, at) && !is_past(at - near);
        for at in pair.values().flat_map(|series| series.floats.keys()).filter(|at| is_known(**at)) {
            assert!(read.range(at - near..=at + near).next().is_some(), "the pair at {at} is lost");
        }
    }

    /// The HA pair as one series, from a time on.
    fn pair(&self, begin: TimestampMs) -> BySeries {
        let replicas = self.samples.values().filter(|series| series.labels.metric_name() == Some(PAIR));
        let replicas: Vec<SeriesSamples> = replicas
            .map(|series| {
                let mut series = series.clone();
                series.floats.retain(|at, _| *at >= begin);
                series_of(&series)
            })
            .collect();
        let Some(first) = replicas.first() else { return BySeries::new() };
        let labels = ReplicaLabels::new(["replica"]).strip(&first.labels);
        let mut all = BySeries::new();
        add(&mut all, &Deduplicator::new(begin).merge(labels, replicas));
        all
    }

    fn is_touched(&self, series: &Samples, window: TimeRange) -> bool {
        let mut deletions = self.deletions.iter();
        deletions.any(|(pod, range)| series.labels.get("pod") == Some(pod) && range.overlaps(window))
    }

    /// When everything has waited and nothing failed: all is aligned, downsampled and deleted.
    pub(super) fn assert_settled(&self, view: &View) {
        let bound = view.tombstones.values().flat_map(|tombstone| &tombstone.blocks);
        // From a rollup that has lost all rows nothing is taken any more.
        let bound = bound.map(|id| &view.blocks[id]).filter(|block| block.samples > 0);
        let bound: Vec<_> = bound.map(|block| (block.resolution, block.range, block.window)).collect();
        assert!(bound.is_empty(), "deletions were not applied to {bound:?}");
        for resolution in Resolution::ALL {
            let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
            assert!(blocks.clone().all(|block| block.window.is_some()), "all is aligned");
            let named: HashSet<Ulid> = blocks.flat_map(|block| block.lineage.iter().copied()).collect();
            let raw = view.overlapping(Resolution::Raw, TimeRange::ALL);
            let owed = raw.filter(|raw| resolution != Resolution::Raw && !named.contains(&raw.id));
            let owed: Vec<_> = owed.map(|raw| (raw.id, raw.range, raw.window)).collect();
            assert!(owed.is_empty(), "{resolution} is owed of {owed:?}");
        }
    }
}

/// The HA pair's samples as a query reads them are those of one series, whichever of its days are one already. Where those
/// of the hour before have gone, nobody knows which replica stood.
fn check_pair_samples(
    view: &View,
    read: &BTreeMap<TimestampMs, u64>,
    pair: &BySeries,
    is_past: &dyn Fn(TimestampMs) -> bool,
) {
    let nothing = Samples::default();
    let expected = pair.values().next().unwrap_or(&nothing);
    for (at, bits) in read.iter().filter(|(at, _)| has_hour_before(view, **at)) {
        assert_eq!(expected.floats.get(at), Some(bits), "the pair at {at}: another replica stands");
    }
    for at in expected.floats.keys().filter(|at| has_hour_before(view, **at) && !is_past(**at)) {
        assert!(read.contains_key(at), "the pair at {at} is lost");
    }
}

/// Whether there are samples of the hour before one, which say which replica stands.
fn has_hour_before(view: &View, at: TimestampMs) -> bool {
    let hour = at - LOOKBACK_MS;
    view.overlapping(Resolution::Raw, TimeRange::new(hour, hour)).next().is_some()
}

/// The HA pair's samples as one series, read by segments: their bits by time.
fn pair_of(view: &View, stored: &Stored, labels: &ReplicaLabels) -> BTreeMap<TimestampMs, u64> {
    let raw = view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
    let with_pair = |block: &Arc<BlockEntry>| {
        let masks = Masks::of(view, block.id).unwrap();
        let series = stored.of(block.id).samples.iter();
        let series = series.filter(|one| one.labels.metric_name() == Some(PAIR));
        (Arc::clone(block), series.filter_map(|one| masks.apply(one.clone())).collect())
    };
    let reader = Reader::of(view, labels.clone(), raw.map(with_pair).collect());
    let read = reader.read(reader.span()).into_values();
    read.flat_map(|series| series.floats.into_iter().map(|(at, (bits, _))| (at, bits))).collect()
}

/// The windows of a resolution, as a query would find them.
struct Windows<'a> {
    view: &'a View,
    resolution: Resolution,
    of: RollupWindows,
    rows: BTreeMap<Key, Row>,
    named: HashSet<Ulid>,
}

impl<'a> Windows<'a> {
    fn of(view: &'a View, stored: &Stored, resolution: Resolution) -> Self {
        let of = RollupWindows::of(resolution).unwrap();
        let (mut all, mut named) = (Vec::new(), HashSet::new());
        for block in view.blocks.values().filter(|block| block.resolution == resolution) {
            named.extend(block.lineage.iter().copied());
            let masks = Masks::of(view, block.id).unwrap();
            let rollups = stored.of(block.id).rollups.iter().cloned();
            all.extend(rollups.filter_map(|series| masks.apply_rollups(series, of)));
        }
        Self { view, resolution, of, rows: rows(&all), named }
    }

    /// The rows of samples.
    fn made_of(&self, samples: &BySeries) -> BTreeMap<Key, Row> {
        let rollups = samples.values().map(|series| SeriesRollups::of(&series_of(series), self.of));
        rows(&rollups.collect::<Vec<_>>())
    }

    fn raw(&self, end: TimestampMs) -> impl Iterator<Item = &BlockEntry> {
        let all = self.view.overlapping(Resolution::Raw, self.of.range_of(end));
        all.map(|block| &**block)
    }

    fn has_samples(&self, end: TimestampMs) -> bool {
        self.raw(end).next().is_some()
    }

    /// Whether there are samples of the hour before a time, by which replicas are told apart.
    fn has_samples_before(&self, at: TimestampMs) -> bool {
        let hour = TimeRange::new(at - LOOKBACK_MS, at - 1);
        self.view.overlapping(Resolution::Raw, hour).next().is_some()
    }

    /// Whether there may be samples that no row has yet.
    fn is_behind(&self, end: TimestampMs) -> bool {
        self.raw(end).any(|block| !self.named.contains(&block.id))
    }
}

/// What a view's blocks answer, by the tie rule.
fn samples_of(view: &View, stored: &Stored) -> BySeries {
    let mut all = BySeries::new();
    for block in view.overlapping(Resolution::Raw, TimeRange::ALL) {
        let masks = Masks::of(view, block.id).unwrap();
        let series = stored.of(block.id).samples.iter().cloned();
        series.filter_map(|series| masks.apply(series)).for_each(|series| add(&mut all, &series));
    }
    all
}

fn add(all: &mut BySeries, series: &SeriesSamples) {
    let known = all.entry(series.labels.to_string()).or_default();
    known.labels = series.labels.clone();
    for sample in series.samples() {
        let own = (sample.value, 0);
        let stands = known.floats.get(&sample.timestamp);
        let stands = stands.map_or(own, |bits| preferred_started((f64::from_bits(*bits), 0), own));
        known.floats.insert(sample.timestamp, stands.0.to_bits());
    }
    for sample in &series.histograms {
        // What it says of resets is about its predecessor in its own run. No two have one time.
        let histogram = sample.histogram.clone().without_hint();
        known.histograms.insert(sample.timestamp, HistogramSample { histogram, ..sample.clone() });
    }
}

fn series_of(samples: &Samples) -> SeriesSamples {
    SeriesSamples {
        labels: samples.labels.clone(),
        timestamps: samples.floats.keys().copied().collect(),
        values: samples.floats.values().map(|bits| f64::from_bits(*bits)).collect(),
        starts: StartTimestamps::none(),
        histograms: samples.histograms.values().cloned().collect(),
    }
}

fn is_of_pair(labels: &str) -> bool {
    labels.contains(PAIR)
}
