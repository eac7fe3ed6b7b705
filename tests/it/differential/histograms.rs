//! Native histograms for both servers: counters of several schemas that are reset and die, gauges, and custom
//! buckets; and expressions over them.

use std::sync::Arc;

use latewood_base::Rng;
use latewood_model::histogram::{
    Buckets, CUSTOM_BUCKETS, FloatHistogram, HistogramParts, IntegerHistogram, ResetHint,
};
use latewood_model::{NativeHistogram, TimestampMs, stale_nan};
use latewood_proto::remote_write::encode::EncoderV2;

use super::data::{INSTANCES, JOBS, SCRAPES, START_MS, STEP_MS};
use super::generate::{Generated, Generator};

/// A counter with exponential buckets, one with custom ones, a gauge.
pub const NAMES: [&str; 3] = ["duration_seconds", "custom_seconds", "size_bytes"];
const BOUNDS: [f64; 4] = [0.1, 0.5, 1.0, 10.0];

/// What a counter begins with: since prometheus#15976 histograms are not extrapolated to before their zero, as 3.5 does.
const BASE: u64 = 200;

/// All series, as remote write carries them.
pub fn request(seed: u64) -> EncoderV2 {
    let rng = Rng::seeded(seed);
    let mut encoder = EncoderV2::new();
    for name in NAMES {
        for instance in INSTANCES {
            for job in JOBS {
                let samples = scraped(&rng, name);
                let parts: Vec<_> =
                    samples.iter().map(|(at, one)| (*at, HistogramParts::from(one))).collect();
                encoder.histograms([("__name__", name), ("instance", instance), ("job", job)], &parts);
            }
        }
    }
    encoder
}

/// Lost scrapes, and outages that begin with a stale marker.
fn scraped(rng: &Rng, name: &str) -> Vec<(TimestampMs, NativeHistogram)> {
    let (mut samples, mut away) = (Vec::new(), 0_u64);
    let schema = rng.below(3) as i32;
    let mut counts = [BASE; 6];
    for scrape in 0..SCRAPES {
        let at = START_MS + scrape * STEP_MS;
        if rng.below(40) == 0 || name == "size_bytes" {
            counts = [BASE; 6];
        }
        counts.iter_mut().for_each(|count| *count += rng.below(5));
        if away > 0 {
            away -= 1;
        } else if rng.below(60) == 0 {
            away = rng.below(50);
            samples.push((at, stale(name)));
        } else if rng.below(25) > 0 {
            samples.push((at, histogram(name, schema, &counts)));
        }
    }
    samples
}

/// As scrapes write it: of the kind of the series.
fn stale(name: &str) -> NativeHistogram {
    match name {
        "size_bytes" => NativeHistogram::stale(),
        _ => NativeHistogram::from(IntegerHistogram { sum: stale_nan(), ..IntegerHistogram::default() }),
    }
}

fn histogram(name: &str, schema: i32, counts: &[u64; 6]) -> NativeHistogram {
    let [zero_count, low, middle, high, top, negative] = *counts;
    let sum = (low + 2 * middle + 4 * high) as f64 - negative as f64;
    match name {
        "custom_seconds" => {
            let buckets = Buckets::from_pairs(
                [(0, low), (1, middle), (3, high), (4, top)].into_iter().filter(|pair| pair.1 > 0),
            );
            NativeHistogram::from(IntegerHistogram {
                schema: CUSTOM_BUCKETS,
                custom_bounds: Arc::from(BOUNDS),
                count: low + middle + high + top,
                sum,
                positive: buckets,
                ..IntegerHistogram::default()
            })
        }
        "size_bytes" => {
            let float = |counts: &[(i32, u64)]| {
                Buckets::from_pairs(
                    counts
                        .iter()
                        .filter(|pair| pair.1 > 0)
                        .map(|&(index, count)| (index, count as f64 / 2.0)),
                )
            };
            NativeHistogram::from(FloatHistogram {
                schema,
                reset_hint: ResetHint::Gauge,
                count: (low + middle + high) as f64 / 2.0,
                sum,
                positive: float(&[(-3, low), (0, middle), (2, high)]),
                ..FloatHistogram::default()
            })
        }
        _ => NativeHistogram::from(IntegerHistogram {
            schema,
            zero_threshold: 0.001,
            zero_count,
            count: zero_count + low + middle + high + top + negative,
            sum,
            positive: Buckets::from_pairs(
                [(-2, low), (0, middle), (1, high), (9, top)].into_iter().filter(|pair| pair.1 > 0),
            ),
            negative: Buckets::from_pairs([(1, negative)].into_iter().filter(|pair| pair.1 > 0)),
            ..IntegerHistogram::default()
        }),
    }
}

/// Functions of histograms that need no buckets. Prometheus 3.5 reads none then even where an operation below needs
/// them, which later releases mended: they stand around selectors only.
const WITHOUT_BUCKETS: &[&str] = &["histogram_count", "histogram_sum", "histogram_avg"];
/// Functions of histograms whose last bits differ, as those of [`super::generate`] that are not exact.
const OF_BUCKETS: &[&str] = &[
    "histogram_stddev(",
    "histogram_stdvar(",
    "histogram_fraction(0, 1, ",
    "histogram_fraction(-Inf, 0.3, ",
    "histogram_quantile(0.5, ",
    "histogram_quantile(0.99, ",
    "histogram_quantile(0, ",
    "histogram_quantile(1.1, ",
];
const OVER_TIME: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "sum_over_time",
    "last_over_time",
    "count_over_time",
    "present_over_time",
    "resets",
    "changes",
    "absent_over_time",
    "max_over_time",
];

impl Generator {
    /// A vector of floats that comes of histograms.
    pub fn of_histograms(&self) -> Generated {
        Generated::leaf(format!("{}({}{})", self.pick(WITHOUT_BUCKETS), self.pick(&NAMES), self.shift()))
    }

    /// Means: summed and divided here, as in later releases, where Prometheus 3.5 goes from mean to mean. What is
    /// around them may make the last bits large.
    pub fn mean_of_histograms(&self) -> Generated {
        let name = self.pick(&NAMES);
        let text = match self.0.below(2) {
            0 => format!("avg_over_time({name}[{}]{})", self.pick(&["25s", "1m", "5m"]), self.shift()),
            _ => format!(
                "avg{} ({name}{})",
                self.pick(&["", " by (job)", " without (instance)"]),
                self.shift()
            ),
        };
        Generated::leaf(text)
    }

    /// A vector of floats that are not exact.
    pub fn of_buckets(&self, depth: u32) -> Generated {
        let inner = self.histograms(depth);
        Generated::of(format!("{}{})", self.pick(OF_BUCKETS), inner.text), [inner])
    }

    /// A vector of histograms.
    pub fn histograms(&self, depth: u32) -> Generated {
        let selector = self.pick(&NAMES).to_owned();
        if depth == 0 {
            return Generated::leaf(selector + &self.shift());
        }
        match self.0.below(9) {
            0 => Generated::leaf(selector + &self.shift()),
            1..4 => {
                let window = self.pick(&["25s", "1m", "5m"]);
                let function = match (self.pick(OVER_TIME), selector.as_str()) {
                    ("rate" | "increase", "size_bytes") => "delta",
                    (function, _) => function,
                };
                Generated::leaf(format!("{function}({selector}[{window}]{})", self.shift()))
            }
            4 | 5 => {
                let inner = self.histograms(depth - 1);
                let grouping = self.pick(&["", " by (job)", " without (instance)"]);
                let text =
                    format!("{}{grouping} ({})", self.pick(&["sum", "count", "group", "max"]), inner.text);
                Generated::of(text, [inner])
            }
            6 => {
                let inner = self.histograms(depth - 1);
                let operator = self.pick(&["* 2", "/ 4", "* 0", "+ 1", "> 1", "== bool 1"]);
                Generated::of(format!("({}) {operator}", inner.text), [inner])
            }
            7 => {
                let (left, right) = (self.histograms(depth - 1), self.histograms(depth - 1));
                let operator = self.pick(&["+", "and", "or", "unless", "==", "!="]);
                Generated::of(format!("({}) {operator} ({})", left.text, right.text), [left, right])
            }
            _ => {
                let inner = self.histograms(depth - 1);
                let function = self.pick(&["-", "abs", "sort", "timestamp", "absent", "label_replace"]);
                let text = match function {
                    "-" => format!("-({})", inner.text),
                    "label_replace" => {
                        format!("label_replace({}, \"new\", \"$1\", \"job\", \"(.).*\")", inner.text)
                    }
                    _ => format!("{function}({})", inner.text),
                };
                Generated::of(text, [inner])
            }
        }
    }
}
