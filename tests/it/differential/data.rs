//! What both servers are given: counters with resets, gauges with every kind of value, classic buckets,
//! with gaps, stale markers and jitter. A function of the seed alone.

use latewood_base::Rng;
use latewood_model::{Sample, stale_nan};

use crate::harness::Written;

/// Milliseconds since the epoch of the first scrape.
pub const START_MS: i64 = 1_700_000_000_000;
/// Scrapes of each series, 10 s apart.
pub const SCRAPES: i64 = 120;
/// Milliseconds between them.
pub const STEP_MS: i64 = 10_000;

/// The end of the data, in seconds.
pub const END: i64 = START_MS / 1000 + SCRAPES * STEP_MS / 1000;

/// Label values: few, so that series match each other.
pub const JOBS: [&str; 3] = ["api", "db", "web"];
pub const INSTANCES: [&str; 4] = ["a:1", "b:1", "c:2", "d:2"];

/// The metrics' names: counters, gauges, and the buckets of one histogram.
pub const COUNTERS: [&str; 2] = ["requests_total", "bytes_total"];
pub const GAUGES: [&str; 3] = ["temperature", "queue", "odd"];
pub const BUCKETS: &str = "latency_seconds_bucket";

/// All series.
pub fn series(seed: u64) -> Vec<Written> {
    let rng = Rng::seeded(seed);
    let mut all = Vec::new();
    for job in JOBS {
        for instance in INSTANCES {
            let labels = |name: &str| {
                let pairs = [("__name__", name), ("instance", instance), ("job", job)];
                pairs.map(|(name, value)| (name, value.to_owned())).to_vec()
            };
            for name in COUNTERS.into_iter().filter(|_| rng.below(10) > 0) {
                all.push((labels(name), counter(&rng)));
            }
            for name in GAUGES.into_iter().filter(|_| rng.below(10) > 0) {
                all.push((labels(name), gauge(&rng, name)));
            }
        }
        all.extend(buckets(&rng, job));
    }
    // Prometheus reads series in the order in which they came, which decides last digits.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Times with jitter, lost scrapes, and outages that begin with a stale marker. The value is made for
/// each scrape, kept or not.
fn scraped(rng: &Rng, mut value: impl FnMut() -> f64) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut away = 0_u64;
    let has_jitter = rng.below(2) == 0;
    for scrape in 0..SCRAPES {
        let jitter = if has_jitter { i64::try_from(rng.below(40)).unwrap() } else { 0 };
        let timestamp = START_MS + scrape * STEP_MS + jitter;
        let value = value();
        if away > 0 {
            away -= 1;
        } else if rng.below(60) == 0 {
            away = rng.below(50);
            samples.push(Sample { timestamp, value: stale_nan() });
        } else if rng.below(25) > 0 {
            samples.push(Sample { timestamp, value });
        }
    }
    samples
}

fn counter(rng: &Rng) -> Vec<Sample> {
    let mut value = rng.below(1000) as f64;
    scraped(rng, || {
        value = if rng.below(40) == 0 { 0.0 } else { value + rng.below(20) as f64 };
        value
    })
}

fn gauge(rng: &Rng, name: &str) -> Vec<Sample> {
    let mut value = 20.0;
    scraped(rng, || {
        value += rng.below(9) as f64 - 4.0;
        match (name, rng.below(30)) {
            ("odd", 0) => f64::NAN,
            ("odd", 1) => f64::INFINITY,
            ("odd", 2) => f64::NEG_INFINITY,
            ("odd", 3) => -0.0,
            ("odd", 4) => 1e300,
            ("temperature", _) => value / 8.0,
            _ => value,
        }
    })
}

/// The buckets of a histogram, all from the same scrapes.
fn buckets(rng: &Rng, job: &str) -> Vec<Written> {
    const BOUNDS: [&str; 5] = ["0.1", "0.5", "1", "10", "+Inf"];
    let times: Vec<i64> = scraped(rng, || 0.0).iter().map(|sample| sample.timestamp).collect();
    let mut counts = [0_u64; BOUNDS.len()];
    let rows: Vec<(i64, [u64; BOUNDS.len()])> = times
        .into_iter()
        .map(|at| {
            if rng.below(50) == 0 {
                counts = [0; BOUNDS.len()];
            }
            let first = rng.below(BOUNDS.len() as u64) as usize;
            let grown = rng.below(8);
            counts.iter_mut().skip(first).for_each(|count| *count += grown);
            (at, counts)
        })
        .collect();
    let series = BOUNDS.into_iter().enumerate().map(|(index, bound)| {
        let labels =
            vec![("__name__", BUCKETS.to_owned()), ("job", job.to_owned()), ("le", bound.to_owned())];
        let sample =
            |row: &(i64, [u64; BOUNDS.len()])| Sample { timestamp: row.0, value: row.1[index] as f64 };
        (labels, rows.iter().map(sample).collect())
    });
    series.collect()
}
