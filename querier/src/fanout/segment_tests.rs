//! Days of which compaction has made one series for each group of replicas answer as the replicas would.

use std::collections::BTreeMap;

use latewood_base::{Clock, ManualClock};
use latewood_catalog::{BlockEntry, Change};
use latewood_model::dedup::{Deduplicator, LOOKBACK_MS, ReplicaLabels, Segment, Stock};
use latewood_model::{Labels, MatchOp, SeriesSamples};
use latewood_promql::{Control, QueryLimits, Select, SeriesSource};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::resolutions::SourceResolution;
use crate::testing::{FakeStore, catalogs, series, stores};

const SECOND: i64 = 1_000;
const HOUR: i64 = LOOKBACK_MS;
/// Windows are of three hours here.
const DAY: i64 = 3 * HOUR;
const REPLICA: &str = "replica";

/// A replica's samples, by the labels of its group and its own.
type Stored = BTreeMap<(&'static str, &'static str), Vec<i64>>;

/// What an answer has of each series.
type Answer = BTreeMap<String, Vec<i64>>;

/// What has become of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Empty,
    Kept,
    Merged,
}

fn window(day: usize) -> TimeRange {
    TimeRange::new(day as i64 * DAY + 1, (day as i64 + 1) * DAY)
}

/// A series of these times. Its values tell whose they are.
fn stored(group: &str, replica: &str, times: &[i64]) -> SeriesSamples {
    let samples: Vec<(i64, f64)> = times.iter().map(|at| (*at, *at as f64)).collect();
    series(&[("__name__", "up"), ("group", group), (REPLICA, replica)], &samples)
}

fn within(times: &[i64], range: TimeRange) -> Vec<i64> {
    times.iter().copied().filter(|at| range.contains(*at)).collect()
}

/// What the replicas have in a range.
fn of_range(all: &Stored, range: TimeRange) -> Vec<SeriesSamples> {
    let cut = all.iter().map(|((group, replica), times)| stored(group, replica, &within(times, range)));
    cut.filter(|series| !series.is_empty()).collect()
}

/// One series for each group: what is kept of a range, of samples from `since` on.
fn merged(all: &Stored, range: TimeRange, since: i64) -> Stored {
    let mut groups: BTreeMap<&'static str, Vec<SeriesSamples>> = BTreeMap::new();
    for ((group, replica), times) in all {
        let seen = within(times, TimeRange::new(since, range.end));
        if !seen.is_empty() {
            groups.entry(group).or_default().push(stored(group, replica, &seen));
        }
    }
    let one = |(group, replicas)| {
        let one = Deduplicator::new(range.start).merge(Labels::empty(), replicas);
        ((group, ""), one.timestamps.to_vec())
    };
    groups.into_iter().map(one).filter(|(_, times)| !times.is_empty()).collect()
}

fn as_answer(all: &Stored, range: TimeRange) -> Answer {
    let series = of_range(all, range).into_iter();
    series.map(|one| (one.labels.to_string(), one.timestamps.to_vec())).collect()
}

/// A querier over blocks and heads.
struct World {
    runtime: Runtime,
    fanout: Arc<Fanout>,
    ingester: Arc<FakeStore>,
    gateway: Arc<FakeStore>,
    _hand: ManualClock,
    clock: Clock,
}

impl World {
    fn new(blocks: Vec<(BlockEntry, Vec<SeriesSamples>)>, heads: Vec<SeriesSamples>) -> Self {
        let (add, held): (Vec<_>, Vec<_>) =
            blocks.into_iter().map(|(entry, series)| (entry.clone(), (entry.id.to_string(), series))).unzip();
        let gateway = Arc::new(FakeStore { blocks: held.into_iter().collect(), ..FakeStore::default() });
        let ingester = Arc::new(FakeStore::holding(heads));
        let config = QuerierConfig { replica_labels: vec![REPLICA.to_owned()], ..QuerierConfig::default() };
        let metrics = Metrics::new(&mut Registry::default());
        let (ingesters, gateways) = (stores(vec![ingester.clone()]), stores(vec![gateway.clone()]));
        let fanout = Arc::new(Fanout::new(catalogs(), ingesters, gateways, &config, metrics));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let catalog = fanout.catalogs.tenant(&TenantId::anonymous());
        runtime.block_on(catalog.commit(Change { add, ..Change::default() })).unwrap();
        let (clock, hand) = Clock::manual(0);
        Self { runtime, fanout, ingester, gateway, _hand: hand, clock }
    }

    /// A cursor's series and what it warns of; run again where replicas came late.
    fn read(
        &self,
        labels: &[&str],
        matchers: &[Matcher],
        range: TimeRange,
        newest_only: bool,
    ) -> (Answer, Vec<String>) {
        let labels = ReplicaLabels::new(labels);
        let replicas = (!labels.is_empty()).then(|| Arc::new(Replicas::new(labels)));
        self.attempt(&replicas, matchers, range, newest_only).unwrap_or_else(|_| {
            assert!(replicas.as_ref().is_some_and(|replicas| replicas.take_came_late()));
            self.attempt(&replicas, matchers, range, newest_only).unwrap()
        })
    }

    fn attempt(
        &self,
        replicas: &Option<Arc<Replicas>>,
        matchers: &[Matcher],
        range: TimeRange,
        newest_only: bool,
    ) -> Result<(Answer, Vec<String>), latewood_promql::SourceError> {
        let source = FanoutSource {
            fanout: Arc::clone(&self.fanout),
            pinned: self.runtime.block_on(self.fanout.pin(&TenantId::anonymous(), None, false)).unwrap(),
            runtime: Handle::clone(self.runtime.handle()),
            control: Control::new(self.clock.clone(), QueryLimits::NONE),
            canceled: CancellationToken::new(),
            batches_ahead: 2,
            replicas: replicas.clone(),
            metrics: self.fanout.metrics.dedup.clone(),
            resolution: SourceResolution::Auto,
            known_spans: Mutex::default(),
        };
        let mut cursor = source.select(&Select {
            matchers: matchers.to_vec(),
            range,
            step_ms: 0,
            window_ms: 0,
            starts: false,
            newest_only,
            function: None,
        })?;
        let mut answer = Answer::new();
        let mut before: Option<Labels> = None;
        while let Some(batch) = cursor.next_batch()? {
            for one in batch {
                assert!(
                    before.is_none_or(|before| latewood_model::storage_order(&before, &one.labels).is_lt())
                );
                assert!(one.samples().all(|sample| sample.value == sample.timestamp as f64));
                let times = within(&one.timestamps, range);
                if !times.is_empty() {
                    assert!(answer.insert(one.labels.to_string(), times).is_none());
                }
                before = Some(one.labels);
            }
        }
        Ok((answer, cursor.warnings()))
    }

    /// The ids of the blocks that were asked for since, each as often as it was.
    fn take_asked(&self) -> Vec<u128> {
        let views = std::mem::take(&mut *self.gateway.views.lock());
        let blocks = views.iter().flat_map(|view| &view.blocks);
        blocks.map(|id| id.parse::<Ulid>().unwrap().0).collect()
    }
}

fn entry(id: u128, data: &[SeriesSamples]) -> Option<BlockEntry> {
    let mut range = TimeRange::EMPTY;
    data.iter().flat_map(|one| one.timestamps.iter()).for_each(|at| range.include(*at));
    (!range.is_empty()).then(|| BlockEntry::new(Ulid(id), Resolution::Raw, range))
}

/// The days of replicas as flushes left them.
fn plain(id: u128, all: &Stored, range: TimeRange) -> Option<(BlockEntry, Vec<SeriesSamples>)> {
    let data = of_range(all, range);
    Some((entry(id, &data)?, data))
}

/// A day's one series, and its tail.
fn compacted(id: u128, all: &Stored, window: TimeRange) -> Vec<(BlockEntry, Vec<SeriesSamples>)> {
    let one = of_range(&merged(all, window, window.start - HOUR), window);
    let tail = of_range(all, TimeRange::new(window.end - HOUR + 1, window.end));
    let one = entry(id, &one).map(|entry| {
        let replica_labels = vec![REPLICA.to_owned()];
        (BlockEntry { window: Some(window), deduplicated: true, replica_labels, ..entry }, one)
    });
    let tail = entry(id + 1, &tail)
        .filter(|_| one.is_some())
        .map(|entry| (BlockEntry { window: Some(window), tail: true, ..entry }, tail));
    one.into_iter().chain(tail).collect()
}

fn world(days: &[Day], all: &Stored, heads: &Stored) -> World {
    World::new(blocks_of(days, all), of_range(heads, TimeRange::ALL))
}

fn blocks_of(days: &[Day], all: &Stored) -> Vec<(BlockEntry, Vec<SeriesSamples>)> {
    let of_day = |(number, day): (usize, &Day)| {
        let (id, window) = (10 * number as u128 + 10, window(number));
        match day {
            Day::Empty => Vec::new(),
            Day::Kept => plain(id, all, window).into_iter().collect(),
            Day::Merged => compacted(id, all, window),
        }
    };
    days.iter().enumerate().flat_map(of_day).collect()
}

fn name(replica: &str) -> Labels {
    Labels::from_pairs([("__name__", "up"), ("group", "pair"), (REPLICA, replica)])
}

fn up() -> [Matcher; 1] {
    [Matcher::new(MatchOp::Equal, "__name__", "up").unwrap()]
}

fn scrapes(from: i64, to: i64) -> Vec<i64> {
    (from..to).step_by(15_000).collect()
}

prop_compose! {
    /// Scrapes over so many days, with outages.
    fn scraped(days: usize)(
        interval in prop_oneof![Just(30 * SECOND), 20 * SECOND..200 * SECOND],
        phase in 0..30 * SECOND,
        outages in prop::collection::vec((0..days as i64 * DAY, SECOND..2 * HOUR), 0..days + 2),
    ) -> Vec<i64> {
        let is_up = |at: &i64| !outages.iter().any(|(from, long)| (*from..from + long).contains(at));
        (1 + phase..=days as i64 * DAY).step_by(interval as usize).filter(is_up).collect()
    }
}

prop_compose! {
    /// Groups of two replicas, of one, of none, and one that is there at the end of a day alone.
    fn groups(days: usize)(
        times in prop::collection::vec(scraped(days), 6),
        last in 0..days,
    ) -> Stored {
        let keys = [("pair", "a"), ("pair", "b"), ("other", "a"), ("other", "b"), ("single", "b"), ("plain", "")];
        let mut all: Stored = keys.into_iter().zip(times).collect();
        let end = window(last).end;
        all.insert(("brief", "a"), scrapes(end - HOUR / 2, end - HOUR / 4));
        all
    }
}

/// Samples that come late, of a replica that is gone as well as without any label.
fn late() -> impl Strategy<Value = Stored> {
    (groups(3), scraped(3), any::<[bool; 7]>()).prop_map(|(mut all, more, kept)| {
        all.insert(("pair", ""), more);
        all.remove(&("single", "b"));
        let kept = all.into_iter().zip(kept).filter(|(_, kept)| *kept);
        kept.map(|(one, _)| one).collect()
    })
}

fn days() -> impl Strategy<Value = Vec<Day>> {
    let day = prop_oneof![1 => Just(Day::Empty), 3 => Just(Day::Kept), 4 => Just(Day::Merged)];
    prop_oneof![3 => prop::collection::vec(day.clone(), 1..5), 1 => prop::collection::vec(day, 9..14)]
}

/// Times that are likely where days meet.
fn time(days: usize) -> impl Strategy<Value = i64> {
    let all = days as i64 * DAY;
    prop_oneof![
        2 => 0..all,
        2 => (0..=days as i64, -2..3_i64).prop_map(|(day, by)| day * DAY + by),
        1 => (0..=days as i64, -HOUR..2 * HOUR).prop_map(|(day, by)| day * DAY + by),
    ]
}

fn case() -> impl Strategy<Value = (Vec<Day>, Stored, Vec<(i64, i64, bool)>)> {
    days().prop_flat_map(|days| {
        let count = days.len();
        let range = (time(count), prop_oneof![time(count), time(count)], any::<bool>());
        (Just(days), groups(count), prop::collection::vec(range, 6))
    })
}

fn without_empty(all: &Stored, days: &[Day]) -> Stored {
    let is_there = |at: &i64| {
        let day = days.get(((at - 1) / DAY) as usize);
        day.is_some_and(|day| *day != Day::Empty)
    };
    let kept = |(key, times): (&(&'static str, &'static str), &Vec<i64>)| {
        (*key, times.iter().copied().filter(is_there).collect())
    };
    all.iter().map(kept).collect()
}

/// What was found, as far as only the newest samples were asked for.
fn newest(answer: Answer, newest_only: bool) -> Answer {
    let last =
        |times: Vec<i64>| if newest_only { times.last().copied().into_iter().collect() } else { times };
    answer.into_iter().map(|(labels, times)| (labels, last(times))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn days_of_one_series_answer_as_the_replicas_would((days, all, ranges) in case()) {
        let all = without_empty(&all, &days);
        let world = world(&days, &all, &Stored::new());
        for (from, to, newest_only) in ranges {
            let range = TimeRange::new(from.min(to), from.max(to));
            let (found, warnings) = world.read(&[REPLICA], &up(), range, newest_only);
            let expected = as_answer(&merged(&all, range, range.start - HOUR), range);
            prop_assert_eq!(newest(found, newest_only), newest(expected, newest_only), "{:?} of {:?}", range, &days);
            prop_assert_eq!(warnings, [""; 0]);
        }
    }

    /// Samples that come late fill gaps of the one series, and change nothing of what replicas had decided before.
    #[test]
    fn what_came_late_fills_gaps((days, all, ranges) in case(), late in late()) {
        let all = without_empty(&all, &days);
        let world = world(&days, &all, &late);
        let is_merged = |day: usize| days.get(day) == Some(&Day::Merged) && !of_range(&all, window(day)).is_empty();
        let windows: Vec<TimeRange> = (0..days.len()).filter(|day| is_merged(*day)).map(window).collect();
        let mut one = late.clone();
        for window in &windows {
            for (key, times) in merged(&all, *window, window.start - HOUR) {
                one.entry(key).or_default().extend(times);
            }
        }
        one.values_mut().for_each(|times| { times.sort_unstable(); times.dedup(); });
        let mut replicas = late;
        for (key, times) in &all {
            let is_seen = |at: &&i64| windows.iter().all(|window| !window.contains(**at) || **at > window.end - HOUR);
            replicas.entry(*key).or_default().extend(times.iter().filter(is_seen));
        }
        replicas.values_mut().for_each(|times| { times.sort_unstable(); times.dedup(); });
        for (from, to, newest_only) in ranges {
            let range = TimeRange::new(from.min(to), from.max(to));
            let mut expected = Answer::new();
            for segment in Segment::of(range, windows.iter().copied()) {
                let seen = if segment.stock == Stock::Replicas { &replicas } else { &one };
                let part = as_answer(&merged(seen, segment.range, segment.since), segment.range);
                part.into_iter().for_each(|(labels, times)| expected.entry(labels).or_default().extend(times));
            }
            let (found, _) = world.read(&[REPLICA], &up(), range, newest_only);
            prop_assert_eq!(newest(found, newest_only), newest(expected, newest_only), "{:?} of {:?}", range, &days);
        }
    }
}

/// A pair over three days.
fn pair() -> Stored {
    let times = [("a", scrapes(1, 3 * DAY)), ("b", scrapes(7_001, 3 * DAY))];
    times.into_iter().map(|(replica, times)| (("pair", replica), times)).collect()
}

#[test]
fn only_what_a_segment_needs_is_asked_for() {
    let world = world(&[Day::Merged, Day::Merged, Day::Kept], &pair(), &Stored::new());
    let whole = TimeRange::new(1, 3 * DAY);
    for (range, first, then) in [
        // Found out by the first of the samples, by the labels, and by a stream for each replica.
        (whole, &[10, 20, 21, 21, 21, 30, 30, 30, 30][..], &[10, 20, 21, 21, 21, 30, 30, 30][..]),
        (TimeRange::new(1, DAY), &[10], &[10]),
        (TimeRange::new(DAY - 30 * SECOND, 2 * DAY), &[10, 20], &[10, 20]),
        (TimeRange::new(2 * DAY + 2 * HOUR, 3 * DAY), &[30, 30, 30], &[30, 30, 30]),
        (TimeRange::new(2 * DAY + HOUR / 2, 3 * DAY), &[21, 21, 21, 30, 30, 30], &[21, 21, 21, 30, 30, 30]),
    ] {
        for expected in [first, then] {
            world.read(&[REPLICA], &up(), range, false);
            let mut asked = world.take_asked();
            asked.sort_unstable();
            assert_eq!(asked, expected, "{range:?}");
        }
    }
    world.ingester.calls.store(0, std::sync::atomic::Ordering::SeqCst);
    world.read(&[REPLICA], &up(), TimeRange::new(1, 2 * DAY), false);
    assert_eq!(world.ingester.calls.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// What is left where samples are gone is one series, too, and nothing that samples behind it yield to.
#[test]
fn samples_behind_those_that_are_gone_are_all_there() {
    let all = pair();
    let gone: Vec<i64> = (1..=DAY / HOUR).map(|hour| hour * HOUR - 9_999).collect();
    let left = vec![stored("pair", "", &gone)];
    let rollup = BlockEntry {
        resolution: Resolution::OneHour,
        window: Some(window(0)),
        lineage: vec![Ulid(1)],
        ..entry(2, &left).unwrap()
    };
    let blocks = plain(20, &all, window(1)).into_iter().chain([(rollup, left)]);
    let world = World::new(blocks.collect(), Vec::new());
    let kept = merged(&all, window(1), window(1).start)[&("pair", "")].clone();
    assert!(kept[0] < window(1).start + 60 * SECOND);
    for from in [1, DAY - HOUR / 2, DAY + 1, DAY + HOUR / 2] {
        let (answer, warnings) = world.read(&[REPLICA], &up(), TimeRange::new(from, 2 * DAY), false);
        let expected = within(&[gone.clone(), kept.clone()].concat(), TimeRange::new(from, 2 * DAY));
        assert_eq!(answer, [(name("").to_string(), expected)].into());
        assert_eq!(warnings.len(), usize::from(from <= DAY), "{warnings:?}");
    }
}

/// Whether a late sample makes the one right after it be left out does not depend on whether it is asked for itself.
#[test]
fn a_range_that_begins_behind_a_late_sample_knows_of_it() {
    let lost = DAY / 2..DAY / 2 + HOUR / 2;
    let all: Stored = pair()
        .into_iter()
        .map(|(key, times)| (key, times.into_iter().filter(|at| !lost.contains(at)).collect()))
        .collect();
    let resumed = within(&all[&("pair", "a")], TimeRange::new(lost.end, DAY))[0];
    let late = Stored::from([(("pair", "a"), vec![resumed - 5 * SECOND])]);
    let read = |from: i64| {
        // Nothing is known of the metric yet.
        let world = world(&[Day::Merged], &all, &late);
        let (answer, _) = world.read(&[REPLICA], &up(), TimeRange::new(from, DAY), false);
        within(&answer[&name("").to_string()], TimeRange::new(resumed - 10 * SECOND, resumed + 20 * SECOND))
    };
    let whole = read(1);
    assert_eq!(whole[0], resumed - 5 * SECOND, "it fills the gap");
    assert_eq!(read(resumed), whole[1..]);
    assert!(whole[1] > resumed, "too close to it");
}

/// More segments than are read each by itself: a sample between those of one stock is the other's to answer or to drop.
#[test]
fn what_lies_between_segments_that_are_read_together_is_left_out() {
    let days: Vec<Day> = (0..7).map(|day| if day % 2 == 0 { Day::Merged } else { Day::Kept }).collect();
    let gap = window(5).start..window(6).start + HOUR;
    let all: Stored = ["a", "b"]
        .map(|replica| {
            (("pair", replica), scrapes(1, 7 * DAY).into_iter().filter(|at| !gap.contains(at)).collect())
        })
        .into();
    let range = TimeRange::new(1, window(6).start + HOUR / 2);
    let expected = as_answer(&merged(&all, range, range.start - HOUR), range);
    // The first is there already, the other covered by the last sample of the pair, which only the tail has.
    let known = merged(&all, window(4), window(4).start)[&("pair", "")][0];
    let mut late = Stored::from([(("pair", ""), vec![known, gap.start + SECOND])]);
    for more in [None, Some((("brief", "b"), vec![HOUR]))] {
        late.extend(more.clone());
        let blocks = blocks_of(&days, &all).into_iter().chain(plain(500, &late, TimeRange::ALL));
        let world = World::new(blocks.collect(), Vec::new());
        let brief = more.map(|((group, _), times)| (stored(group, "", &[]).labels.to_string(), times));
        let expected: Answer = expected.clone().into_iter().chain(brief).collect();
        for newest_only in [false, true] {
            let (found, _) = world.read(&[REPLICA], &up(), range, newest_only);
            assert_eq!(newest(found, newest_only), newest(expected.clone(), newest_only));
        }
    }
}

#[test]
fn replicas_that_are_asked_for_apart_are_missed_with_a_warning() {
    let all = pair();
    let world = world(&[Day::Merged, Day::Kept], &all, &Stored::new());
    let whole = TimeRange::new(1, 2 * DAY);
    let one = |replica: &str| Matcher::new(MatchOp::Equal, REPLICA, replica).unwrap();
    let up_of = |replica: &str| [up().as_slice(), &[one(replica)]].concat();
    let of_day = |replica: &'static str| within(&all[&("pair", replica)], window(1));
    let merged = merged(&all, window(0), 1)[&("pair", "")].clone();
    let apart: Answer = [("", merged.clone()), ("a", of_day("a")), ("b", of_day("b"))]
        .map(|(replica, times)| (name(replica).to_string(), times))
        .into();
    for labels in [&[][..], &["zone"], &[REPLICA, "zone"]] {
        let (found, warnings) = world.read(labels, &up(), whole, false);
        if !labels.contains(&REPLICA) {
            assert_eq!(found, apart, "{labels:?}");
        }
        match labels.contains(&REPLICA) {
            true => assert_eq!(warnings, [""; 0]),
            false => {
                assert!(matches!(&warnings[..], [one] if one.contains("without replica ")), "{warnings:?}");
            }
        }
        let (_, none) = world.read(labels, &up(), window(1), false);
        assert_eq!(none, [""; 0]);
    }
    assert!(world.take_asked().iter().all(|id| *id != 11), "no tails");
    // By the labels that it has not any more nothing is found.
    let (found, warnings) = world.read(&[REPLICA], &up_of("b"), whole, false);
    assert_eq!(found, [(name("").to_string(), of_day("b"))].into());
    assert_eq!(warnings.len(), 1);
    assert_eq!(world.read(&[REPLICA], &up_of("b"), window(1), false).1, [""; 0]);
    assert_eq!(world.read(&[REPLICA], &up(), whole, false).1, [""; 0]);
}
