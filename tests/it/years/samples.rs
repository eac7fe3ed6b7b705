//! The samples of an HA pair, made anew whenever they are asked for: a function of series, replica and time.

use std::sync::Arc;

use latewood_model::dedup::{Deduplicator, LOOKBACK_MS};
use latewood_model::{Labels, Matcher, SeriesSamples, StartTimestamps, TimeRange, storage_order};
use latewood_promql::{Select, SeriesCursor, SeriesSource, SourceError};

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
/// The distance of scrapes.
const SCRAPE: i64 = 15_000;

/// Series that two replicas scrape, half of them counters.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub series: i64,
    /// A time in which the first replica was away, and what it had scraped came later.
    pub caught_up: Option<TimeRange>,
}

impl Pair {
    /// What a replica has in a range.
    pub fn replica(self, replica: i64, range: TimeRange) -> Vec<SeriesSamples> {
        let mut all: Vec<_> =
            (0..self.series).map(|series| self.scraped(series, Some(replica), range)).collect();
        all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        all
    }

    /// When a replica is away: some hours of some days, sometimes both at once.
    fn is_away(self, replica: i64, at: i64) -> bool {
        let (day, hour) = (at.div_euclid(DAY), at.rem_euclid(DAY) / HOUR);
        match replica {
            0 if self.caught_up.is_some_and(|range| range.contains(at)) => false,
            0 => day % 5 == 3 && (5..9).contains(&hour),
            _ => day % 7 == 3 && (8..23).contains(&hour),
        }
    }

    fn scraped(self, series: i64, replica: Option<i64>, range: TimeRange) -> SeriesSamples {
        let number = replica.unwrap_or_default();
        let shift = 1_000 + 7_000 * number;
        let first = (range.start - shift).div_euclid(SCRAPE)
            + i64::from((range.start - shift).rem_euclid(SCRAPE) > 0);
        let times = (first..).map(|scrape| scrape * SCRAPE + shift).take_while(|at| *at <= range.end);
        let timestamps: Vec<i64> = times.filter(|at| !self.is_away(number, *at)).collect();
        let values = timestamps.iter().map(|at| value(series, *at)).collect();
        let replica = replica.map(|replica| ("replica", replica.to_string()));
        let name = if series % 2 == 0 { "requests_total" } else { "load" };
        let labels = [("__name__", name.to_owned()), ("pod", format!("pod-{series}"))];
        let labels = Labels::from_pairs(labels.into_iter().chain(replica));
        SeriesSamples {
            labels,
            timestamps: timestamps.into(),
            values,
            starts: StartTimestamps::none(),
            histograms: Vec::new(),
        }
    }
}

/// Counters fall every two days or so; the others move by tenths.
fn value(series: i64, at: i64) -> f64 {
    if series % 2 == 0 {
        let since = at.rem_euclid((37 + 5 * series) * HOUR);
        return (since / 1_000 * (series + 1) / 3) as f64;
    }
    let noise = (at / SCRAPE).wrapping_mul(2_654_435_761).wrapping_add(series * 97).rem_euclid(1_000);
    noise as f64 / 10.0
}

/// The pair as one series each, as queries and the compactor deduplicate them.
pub struct Deduplicated(pub Pair);

struct Cursor(std::vec::IntoIter<SeriesSamples>);

impl SeriesSource for Deduplicated {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let wide = TimeRange::new(select.range.start - LOOKBACK_MS, select.range.end);
        let matches = |labels: &Labels| {
            let fits = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default());
            select.matchers.iter().all(fits)
        };
        let one = |series: i64| {
            let labels = self.0.scraped(series, None, TimeRange::new(0, 0)).labels;
            let merge = |labels| {
                let replicas = [0, 1].map(|replica| self.0.scraped(series, Some(replica), wide)).into();
                Deduplicator::new(select.range.start).merge(labels, replicas)
            };
            Some(labels).filter(matches).map(merge)
        };
        let mut all: Vec<SeriesSamples> = (0..self.0.series).filter_map(one).collect();
        all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
        Ok(Box::new(Cursor(all.into_iter())))
    }
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        Ok(self.0.next().map(|series| vec![series]))
    }
}

/// The pair without dedup as a shared source.
pub fn reference(pair: Pair) -> Arc<dyn SeriesSource> {
    Arc::new(Deduplicated(pair))
}
