//! CMP-1 and DED-1: one series is left of HA replicas, and answers as they did.

use std::time::Duration;

use latewood_model::dedup::ReplicaLabels;
use latewood_model::histogram::{Buckets, IntegerHistogram};
use latewood_model::{
    HistogramSample, Labels, NativeHistogram, Resolution, SeriesSamples, StartTimestamps, TenantId,
    TimeRange, TimestampMs, stale_nan,
};
use latewood_objstore::ObjectClient;
use proptest::prelude::*;

use crate::reader::{Reader, of_replicas, windows};
use crate::rebuild::lose_and_rebuild;
use crate::rollups;
use crate::world::{Answers, HOUR, World, series_of, tell};

const DAY: i64 = 24 * HOUR;
const DAYS: i64 = 4;
const CHUNK: i64 = 8 * HOUR;

/// Windows of 8 h, one day and two days.
pub fn world(seed: u64) -> World {
    let mut world = World::new(seed, 0);
    world.config.block_ranges_seconds = vec![28_800, 86_400, 172_800];
    world.config.settle_seconds = 9 * 3_600;
    world
}

/// The scrapes of a server: its interval, and when it was away.
#[derive(Clone, Debug)]
struct Server {
    name: &'static str,
    interval: i64,
    phase: i64,
    outages: Vec<(i64, i64)>,
}

fn server(name: &'static str) -> impl Strategy<Value = Server> {
    let outages = prop::collection::vec((0..DAYS * DAY, 1..4 * HOUR), 0..6);
    // Outages around midnight are the interesting ones.
    let midnights = prop::collection::vec((1..DAYS, 0..HOUR, HOUR / 2..2 * HOUR), 0..3);
    (240_000_i64..700_000, 0_i64..60_000, outages, midnights).prop_map(
        move |(interval, phase, mut outages, midnights)| {
            outages.extend(midnights.into_iter().map(|(day, before, long)| (day * DAY - before, long)));
            Server { name, interval, phase, outages }
        },
    )
}

impl Server {
    fn scrapes(&self, range: TimeRange) -> Vec<TimestampMs> {
        let is_up = |at: &i64| !self.outages.iter().any(|(from, long)| (*from..from + long).contains(at));
        let from = (range.start - self.phase).div_euclid(self.interval);
        let all = (from..).map(|step| self.phase + step * self.interval).take_while(|at| *at <= range.end);
        // Some at the very border.
        let from_midnight = |at: i64| at.rem_euclid(DAY);
        let all =
            all.map(|at| if from_midnight(at) < self.interval / 3 { at - from_midnight(at) } else { at });
        all.filter(|at| range.contains(*at) && *at > 0 && is_up(at)).collect()
    }

    /// What it writes of a range: a counter that falls and says since when it counts, a gauge that goes stale, native
    /// histograms, and a series that has no replica label if it is `a`.
    fn writes(&self, range: TimeRange) -> Vec<SeriesSamples> {
        let times = self.scrapes(range);
        let value = |at: &i64| ((at + self.phase) / 60_000 % 700) as f64;
        let gauge = |at: &i64| if at / self.interval % 29 == 0 { stale_nan() } else { value(at) / 3.0 };
        let sum = |at: &i64| value(at) + f64::from(self.name.as_bytes()[0]);
        let series = |metric: &str, values: Vec<f64>, is_labelled: bool| SeriesSamples {
            labels: self.labels(metric, is_labelled),
            timestamps: times.clone().into(),
            values,
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        };
        let mut counter = series("requests_total", times.iter().map(value).collect(), true);
        times.iter().for_each(|at| counter.starts.push(*at, at - at % (4 * HOUR)));
        let histograms = times.iter().filter(|at| *at / self.interval % 3 != 0).map(histogram).collect();
        let latency =
            SeriesSamples { timestamps: [].into(), histograms, ..series("latency", Vec::new(), true) };
        let all = [
            counter,
            series("temperature", times.iter().map(gauge).collect(), true),
            series("shared", times.iter().map(sum).collect(), self.name != "a"),
            series("alone", times.iter().map(sum).collect(), self.name != "a"),
            latency,
        ];
        let is_written = |series: &SeriesSamples| {
            let is_alone = series.labels.get("__name__") == Some("alone");
            !series.is_empty() && (!is_alone || self.name == "a")
        };
        all.into_iter().filter(is_written).collect()
    }

    fn labels(&self, metric: &str, is_labelled: bool) -> Labels {
        let pairs = [("__name__", metric), ("replica", self.name), ("zone", "z")];
        Labels::from_pairs(pairs.into_iter().filter(|pair| is_labelled || pair.0 != "replica"))
    }
}

fn histogram(at: &TimestampMs) -> HistogramSample {
    let count = (at / 60_000 % 50) as u64 + 1;
    let histogram: NativeHistogram = if count == 7 {
        NativeHistogram::stale()
    } else {
        IntegerHistogram {
            count,
            sum: 0.5,
            positive: Buckets::from_pairs([(1, count)]),
            ..IntegerHistogram::default()
        }
        .into()
    };
    HistogramSample::new(*at, histogram)
}

pub fn labels() -> ReplicaLabels {
    ReplicaLabels::new(["__replica__", "prometheus_replica", "replica"])
}

/// What a head generation has; some lie across midnight.
fn chunk(number: i64) -> TimeRange {
    TimeRange::new(number * CHUNK - 5 * HOUR + 1, (number + 1) * CHUNK - 5 * HOUR)
}

pub fn whole() -> TimeRange {
    TimeRange::new(0, (DAYS + 1) * DAY)
}

/// What is answered of ranges, by the blocks.
pub async fn answers(world: &World, ranges: &[TimeRange]) -> Vec<Answers> {
    let reader = Reader::open(world).await;
    ranges.iter().map(|range| reader.read(*range)).collect()
}

/// The same answers; the first difference is told.
pub fn assert_same(found: &[Answers], expected: &[Answers], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let names = |answers: &Answers| answers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(found), names(expected), "{what}");
        for (labels, series) in found {
            let (found, expected) = (series_of(series), series_of(&expected[labels]));
            let other = found.timestamps.iter().zip(expected.timestamps.iter()).find(|(a, b)| a != b);
            assert_eq!(other, None, "{what}: {labels}");
        }
    }
    assert_eq!(found, expected, "{what}");
}

pub async fn assert_rollups(world: &World) {
    let read = Reader::open(world).await.read(whole());
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let expected = rollups::expected(read.values().map(series_of), resolution);
        rollups::assert_same(&world.rollups(resolution).await, &expected);
    }
}

/// No block has a replica label but tails, of which each belongs to a block.
async fn assert_one_series(world: &World) {
    let view = world.view().await;
    let stored = world.stored(&view, |block| !block.tail).await;
    assert!(!stored.keys().any(|labels| labels.contains("replica")), "{:?}", stored.keys());
    let deduplicated = windows(&view, &labels());
    let tails = view.blocks.values().filter(|block| block.tail);
    let tails: Vec<TimeRange> = tails.map(|block| block.window.unwrap()).collect();
    assert!(tails.iter().all(|tail| deduplicated.contains(tail)), "{tails:?} {deduplicated:?}");
}

/// Everything comes in time.
async fn check_in_time(servers: &[Server], waits: &[u64], ranges: &[TimeRange]) {
    let (mut world, mut written) = (world(1), Answers::new());
    let mut waits = waits.iter().cycle();
    for number in 0..=DAYS * 3 {
        let series: Vec<_> = servers.iter().flat_map(|server| server.writes(chunk(number))).collect();
        series.iter().for_each(|one| tell(&mut written, one));
        world.hand.set_ms(world.clock.now_ms().max(chunk(number).end));
        if !series.is_empty() {
            world.flush(series).await;
        }
        world.hand.advance(Duration::from_secs(waits.next().unwrap() * 3_600));
        world.compactor().compact_once().await;
        if number % 3 == 2 {
            let expected: Vec<_> =
                ranges.iter().map(|range| of_replicas(&written, &labels(), *range)).collect();
            assert_same(&answers(&world, ranges).await, &expected, &format!("after {number}"));
        }
    }
    world.hand.advance(Duration::from_secs(3 * 86_400));
    world.compactor().compact_once().await;
    let expected: Vec<_> = ranges.iter().map(|range| of_replicas(&written, &labels(), *range)).collect();
    assert_same(&answers(&world, ranges).await, &expected, "in the end");
    assert_one_series(&world).await;
    assert_rollups(&world).await;
}

/// What happens beside chunks that come in time.
#[derive(Clone, Debug)]
enum Event {
    /// A chunk of a server comes late: so many chunks ago.
    Late(usize, i64),
    /// A metric is deleted from a day and hour on, for so many hours.
    Delete(usize, i64, i64),
    /// Time goes by.
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0usize..2, 0i64..9).prop_map(|(server, ago)| Event::Late(server, ago)),
        (0usize..5, 0..DAYS * 24, 1i64..30)
            .prop_map(|(metric, from, long)| Event::Delete(metric, from, long)),
        (0i64..30).prop_map(Event::Wait),
    ]
}

/// Late samples that are not of the last hour of a day: those decide what stands at the beginning of the next, too.
fn late(mut series: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
    let is_early = |at: TimestampMs| (1..=DAY - HOUR).contains(&at.rem_euclid(DAY));
    for one in &mut series {
        let kept: Vec<usize> =
            (0..one.values.len()).filter(|place| is_early(one.timestamps[*place])).collect();
        let mut starts = StartTimestamps::none();
        for place in &kept {
            let at = one.timestamps[*place];
            starts.push(at, one.starts.at(at));
        }
        one.values = kept.iter().map(|place| one.values[*place]).collect();
        one.timestamps = kept.iter().map(|place| one.timestamps[*place]).collect();
        one.starts = starts;
        one.histograms.retain(|sample| is_early(sample.timestamp));
    }
    series.retain(|one| !one.is_empty());
    series
}

async fn compacts_unseen(world: &World, ranges: &[TimeRange], what: &str) {
    let before = answers(world, ranges).await;
    world.compactor().compact_once().await;
    assert_same(&answers(world, ranges).await, &before, what);
}

/// A part of what servers write is held back and comes late; some is deleted.
async fn check_late(
    servers: &[Server],
    held_back: &[bool],
    events: &[(i64, Event)],
    max_blocks: usize,
    ranges: &[TimeRange],
) {
    let mut world = world(2);
    world.config.max_job_blocks = max_blocks;
    let is_held_back = |server: usize, number: i64| {
        held_back.get((number as usize * 2 + server) % held_back.len()).copied().unwrap_or_default()
    };
    for number in 0..=DAYS * 3 {
        let own = servers.iter().enumerate().filter(|(server, _)| !is_held_back(*server, number));
        let series: Vec<_> = own.flat_map(|(_, server)| server.writes(chunk(number))).collect();
        world.hand.set_ms(world.clock.now_ms().max(chunk(number).end));
        if !series.is_empty() {
            world.flush(series).await;
        }
        world.hand.advance(Duration::from_secs(3_600));
        compacts_unseen(&world, ranges, "in time").await;
        for (_, event) in events.iter().filter(|(at, _)| *at == number) {
            match event {
                Event::Late(server, ago) => {
                    let series = late(servers[*server].writes(chunk((number - ago).max(0))));
                    if !series.is_empty() {
                        world.flush(series).await;
                    }
                }
                Event::Delete(metric, from, long) => {
                    let metrics = ["requests_total", "temperature", "shared", "alone", "latency"];
                    let range = TimeRange::new(from * HOUR, (from + long) * HOUR);
                    world.delete("__name__", metrics[*metric], range).await;
                }
                Event::Wait(hours) => world.hand.advance(Duration::from_secs(*hours as u64 * 3_600)),
            }
            compacts_unseen(&world, ranges, "after an event").await;
        }
    }
    world.hand.advance(Duration::from_secs(5 * 86_400));
    compacts_unseen(&world, ranges, "in the end").await;
    assert!(world.view().await.tombstones.is_empty(), "every deletion was applied");
    assert_one_series(&world).await;
    assert_rollups(&world).await;
}

fn ranges() -> impl Strategy<Value = Vec<TimeRange>> {
    let range = (0..DAYS * DAY, 1..DAY).prop_map(|(from, long)| TimeRange::new(from, from + long));
    prop::collection::vec(range, 1..3).prop_map(|ranges| [whole()].into_iter().chain(ranges).collect())
}

fn run(check: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_of_replicas_answers_as_they_did(
        (a, b) in (server("a"), server("b")),
        waits in prop::collection::vec(0u64..8, 1..5),
        ranges in ranges(),
    ) {
        run(check_in_time(&[a, b], &waits, &ranges));
    }

    #[test]
    fn no_compaction_of_late_samples_and_deletions_is_seen(
        (a, b) in (server("a"), server("b")),
        held_back in prop::collection::vec(prop::bool::weighted(0.3), 1..8),
        events in prop::collection::vec((0..DAYS * 3, event()), 0..5),
        max_blocks in prop_oneof![Just(128_usize), 2_usize..6],
        ranges in ranges(),
    ) {
        run(check_late(&[a, b], &held_back, &events, max_blocks, &ranges));
    }
}

/// A pair over some hours, and late samples of one of them for the first day.
pub fn pair(hours: i64) -> Vec<SeriesSamples> {
    let server = |name, phase| Server { name, interval: 300_000, phase, outages: Vec::new() };
    let all = TimeRange::new(1, hours * HOUR);
    [server("a", 1_000), server("b", 100_000)].iter().flat_map(|server| server.writes(all)).collect()
}

/// What a server writes of a range that scrapes every five minutes, but for an outage: its beginning and length.
pub fn writes(
    name: &'static str,
    phase: i64,
    outage: Option<(i64, i64)>,
    range: TimeRange,
) -> Vec<SeriesSamples> {
    Server { name, interval: 300_000, phase, outages: outage.into_iter().collect() }.writes(range)
}

fn samples(answers: &Answers) -> usize {
    answers.values().map(|series| series_of(series).weight()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_it_leaves_replicas_and_what_was_begun_goes_on() {
    let mut world = world(3);
    world.config.deduplicate = false;
    world.hand.set_ms(40 * HOUR);
    world.flush(pair(24)).await;
    let before = world.answers().await;
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, before);
    assert!(windows(&*world.view().await, &labels()).is_empty());
    assert_rollups(&world).await;
    // Its rollups are there, so that the day stays as it is; the next one does not.
    world.config.deduplicate = true;
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, before);
    let late: Vec<_> = pair(48).into_iter().filter_map(|series| series.split_after(24 * HOUR).1).collect();
    world.hand.set_ms(60 * HOUR);
    world.flush(late).await;
    let ranges = [whole()];
    compacts_unseen(&world, &ranges, "the second day").await;
    assert_one_series(&world).await;
    assert!(samples(&world.answers().await) < samples(&before) * 3 / 2);
    world.config.deduplicate = false;
    world.hand.advance(Duration::from_secs(3_600));
    world.flush(pair(30)).await;
    world.hand.advance(Duration::from_secs(2 * 86_400));
    compacts_unseen(&world, &ranges, "what was begun").await;
    assert_one_series(&world).await;
    assert_rollups(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_catalog_has_the_one_series_and_its_tails() {
    let mut world = world(6);
    world.hand.set_ms(40 * HOUR);
    world.flush(pair(24)).await;
    world.compactor().compact_once().await;
    world.hand.set_ms(90 * HOUR);
    let next = pair(60).into_iter().filter_map(|series| series.split_after(24 * HOUR).1).collect();
    world.flush(next).await;
    world.compactor().compact_once().await;
    let (before, ranges) = (world.view().await, [whole(), TimeRange::new(48 * HOUR, 50 * HOUR)]);
    let answered = answers(&world, &ranges).await;
    assert_eq!(before.blocks.values().filter(|block| block.tail).count(), 1);
    assert_eq!(lose_and_rebuild(&world).await.blocks, before.blocks);
    assert_same(&answers(&world, &ranges).await, &answered, "rebuilt");
    // A compactor that ended between a tail and its block left a tail alone; the first day's block and its tail are back.
    let (two_days, third) = (TimeRange::new(1, 2 * DAY), TimeRange::new(2 * DAY + 1, 3 * DAY));
    assert_eq!(windows(&before, &labels()), [two_days, third]);
    let own = before.overlapping(Resolution::Raw, two_days).filter(|block| block.window == Some(two_days));
    for (block, file) in own.flat_map(|block| block.files.iter().map(move |file| (block, file))) {
        let key = format!("{}/{}", block.folder(&TenantId::anonymous()), file.path);
        world.bucket.delete(&key).await.unwrap();
    }
    let view = lose_and_rebuild(&world).await;
    let tails: Vec<_> = view.blocks.values().filter(|block| block.tail).map(|block| block.window).collect();
    let first = TimeRange::new(1, DAY);
    assert_eq!((windows(&view, &labels()), tails), (vec![first, third], vec![Some(first)]));
    assert_same(&answers(&world, &ranges).await, &answered, "of what the block was made of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_come_in_another_order_are_joined_as_they_are() {
    let mut world = world(4);
    world.config.max_waiting_bytes = 0;
    world.hand.set_ms(40 * HOUR);
    // Without `replica` the second comes first; so it waits.
    let series = |pairs: &[(&str, &str)]| {
        let labels = Labels::from_pairs([("__name__", "m")].into_iter().chain(pairs.iter().copied()));
        SeriesSamples { labels, ..pair(24).swap_remove(0) }
    };
    for (number, name) in ["1", "2"].iter().enumerate() {
        let all = vec![
            series(&[("replica", name)]),
            series(&[("replica", name), ("zone", "z")]),
            series(&[("pod", "p"), ("replica", name)]),
        ];
        world.flush(all).await;
        world.hand.advance(Duration::from_secs(number as u64));
    }
    let before = world.answers().await;
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, before);
    let view = world.view().await;
    assert!(windows(&view, &labels()).is_empty() && !view.blocks.values().any(|block| block.tail));
    assert_eq!(view.blocks.len(), 1, "joined, and not downsampled");
    world.config.max_waiting_bytes = 1 << 20;
    compacts_unseen(&world, &[whole()], "with more memory").await;
    assert_one_series(&world).await;
    assert_rollups(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deduplicated_by_other_labels_is_a_series_like_others() {
    let mut world = world(5);
    world.config.replica_labels = vec!["replica".to_owned()];
    world.hand.set_ms(40 * HOUR);
    world.flush(pair(24)).await;
    world.compactor().compact_once().await;
    assert_eq!(windows(&*world.view().await, &ReplicaLabels::new(["replica"])).len(), 1);
    world.config.replica_labels = vec!["replica".to_owned(), "server".to_owned()];
    let labels = ReplicaLabels::new(["replica", "server"]);
    assert!(windows(&*world.view().await, &labels).is_empty());
    world.hand.set_ms(70 * HOUR);
    let next = pair(48).into_iter().filter_map(|series| series.split_after(24 * HOUR).1).collect();
    world.flush(next).await;
    compacts_unseen(&world, &[whole()], "the second day, and both").await;
    let view = world.view().await;
    assert_eq!(windows(&view, &labels), [TimeRange::new(1, 48 * HOUR)]);
    assert_eq!(view.blocks.values().filter(|block| block.tail).count(), 1, "the other tail has gone");
    assert_rollups(&world).await;
}
