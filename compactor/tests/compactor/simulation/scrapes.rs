//! What is written: counters that fall, gaps, stale markers, histograms, an HA pair; and what comes late.

use latewood_base::Rng;
use latewood_model::histogram::{Buckets, IntegerHistogram};
use latewood_model::{
    HistogramSample, Labels, SeriesSamples, StartTimestamps, TimeRange, TimestampMs, stale_nan,
};

const MINUTE: i64 = 60_000;

/// Between samples of what has no replicas.
const INTERVAL: i64 = 20 * MINUTE;

/// The metric of the HA pair, which nobody deletes and nothing of which comes late.
pub(super) const PAIR: &str = "pair_total";

/// Between samples of each of the pair.
pub(super) const SCRAPED_EVERY: i64 = 4 * MINUTE;

/// The label by which series are deleted; four are of counters, the last of a histogram.
pub(super) fn pod(number: u64) -> String {
    format!("pod-{number}")
}

pub(super) struct Scrapes {
    rng: Rng,
    at: TimestampMs,
    /// The counters' values, which fall now and then.
    counters: [f64; 4],
}

impl Scrapes {
    pub(super) fn new(rng: Rng, at: TimestampMs) -> Self {
        Self { rng, at, counters: [0.0; 4] }
    }

    /// What two shards took up to a time, since the last one.
    pub(super) fn until(&mut self, to: TimestampMs) -> Vec<Vec<SeriesSamples>> {
        let range = TimeRange::new(std::mem::replace(&mut self.at, to) + 1, to);
        let mut counters: Vec<_> = (0..4).map(|number| self.counter(number, range)).collect();
        let mut second = counters.split_off(2);
        counters.push(self.histograms(range));
        second.extend([self.replica("a", 0, range), self.replica("b", 7_000, range)]);
        let mut shards = vec![counters, second];
        shards.iter_mut().for_each(|shard| shard.retain(|series| !series.is_empty()));
        shards.retain(|shard| !shard.is_empty());
        shards
    }

    /// A few samples of one or two counters in a range; half of them at times that have one.
    pub(super) fn late(&mut self, range: TimeRange) -> Vec<SeriesSamples> {
        let mut pods: Vec<u64> = (0..2).map(|_| self.rng.below(4)).collect();
        pods.sort_unstable();
        pods.dedup();
        let mut series = Vec::new();
        for number in pods {
            let from = self.between(range);
            let step = [INTERVAL, INTERVAL + 1, 3 * MINUTE][self.rng.below(3) as usize];
            let first = if self.rng.below(2) == 0 { from.div_euclid(INTERVAL) * INTERVAL } else { from };
            let times = (0..=self.rng.below(5) as i64).map(|place| first + place * step);
            let times: Vec<_> = times.filter(|at| range.contains(*at)).collect();
            let values = times.iter().map(|_| self.rng.below(50) as f64 / 4.0).collect();
            series.push(floats(labels("requests_total", &[("pod", &pod(number))]), times, values));
        }
        series.retain(|series| !series.is_empty());
        series
    }

    fn counter(&mut self, number: usize, range: TimeRange) -> SeriesSamples {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        let mut left_out = 0;
        for at in steps(range, INTERVAL) {
            left_out -= 1;
            match self.rng.below(30) {
                0 => left_out = self.rng.below(9) as i64,
                1 => self.counters[number] = 0.0,
                _ => {}
            }
            self.counters[number] += self.rng.below(1_000) as f64 / 8.0;
            if left_out <= 0 {
                let value = if self.rng.below(40) == 0 { stale_nan() } else { self.counters[number] };
                times.push(at);
                values.push(value);
            }
        }
        floats(labels("requests_total", &[("pod", &pod(number as u64))]), times, values)
    }

    fn histograms(&self, range: TimeRange) -> SeriesSamples {
        let histogram = |at: TimestampMs| {
            let count = (at / INTERVAL % 50) as u64 + 1;
            let positive = Buckets::from_pairs([(0, count), (3, 1)]);
            let histogram =
                IntegerHistogram { count: count + 1, sum: 0.5, positive, ..IntegerHistogram::default() };
            HistogramSample::new(at, histogram.into())
        };
        let mut series = floats(labels("latency", &[("pod", &pod(4))]), Vec::new(), Vec::new());
        series.histograms =
            steps(range, 2 * INTERVAL).filter(|_| self.rng.below(9) > 0).map(histogram).collect();
        series
    }

    /// One of a pair, with outages.
    fn replica(&self, name: &str, phase: i64, range: TimeRange) -> SeriesSamples {
        let mut left_out = 0;
        let is_up = |_: &TimestampMs| {
            left_out -= 1;
            if self.rng.below(60) == 0 {
                left_out = self.rng.below(30) as i64;
            }
            left_out <= 0
        };
        let times: Vec<_> = steps(range, SCRAPED_EVERY).map(|at| at + phase).filter(is_up).collect();
        let values = times.iter().map(|at| (at / MINUTE % 1_440) as f64).collect();
        floats(labels(PAIR, &[("replica", name)]), times, values)
    }

    fn between(&self, range: TimeRange) -> TimestampMs {
        range.start + self.rng.below((range.end - range.start).max(1) as u64) as i64
    }
}

/// Multiples of an interval in a range.
fn steps(range: TimeRange, interval: i64) -> impl Iterator<Item = TimestampMs> {
    let first = range.start.div_euclid(interval) + i64::from(range.start.rem_euclid(interval) > 0);
    (first..=range.end.div_euclid(interval)).map(move |number| number * interval)
}

fn labels(metric: &str, rest: &[(&str, &str)]) -> Labels {
    Labels::from_pairs([("__name__", metric)].into_iter().chain(rest.iter().copied()))
}

fn floats(labels: Labels, times: Vec<TimestampMs>, values: Vec<f64>) -> SeriesSamples {
    let (starts, histograms) = (StartTimestamps::none(), Vec::new());
    SeriesSamples { labels, timestamps: times.into(), values, starts, histograms }
}
