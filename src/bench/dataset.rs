//! The datasets of the benchmarks: 45 % counters, 40 % gauges, 15 % classic buckets, 13 labels a series,
//! the same bytes for the same seed.

use clap::ValueEnum;
use latewood_base::Rng;

/// Milliseconds between scrapes, but for [`Shape::H`].
const SCRAPE_MS: i64 = 15_000;

/// The shapes of datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// 50,000 series, 120 samples each
    S,
    /// 200,000 series, 240 samples each
    M,
    /// 1,000,000 series, 40 samples each: memory
    L,
    /// 50,000 series at a time, 240 samples: 1 % replaced every 10 minutes and 30 % at once, half-way
    C,
    /// 2,000 series over 30 days at 60 s
    H,
    /// 20,000 series of two replicas with jitter and gaps, 240 samples, 5 % of them late
    Ha,
}

impl Shape {
    fn size(self) -> (usize, usize, i64) {
        match self {
            Self::S => (50_000, 120, SCRAPE_MS),
            Self::M => (200_000, 240, SCRAPE_MS),
            Self::L => (1_000_000, 40, SCRAPE_MS),
            Self::C => (50_000, 240, SCRAPE_MS),
            Self::H => (2_000, 43_200, 60_000),
            Self::Ha => (20_000, 240, SCRAPE_MS),
        }
    }

    /// How long the dataset lasts, in milliseconds, cut down to `samples` a series.
    pub fn span_ms(self, samples: Option<usize>) -> i64 {
        let (_, full, step_ms) = self.size();
        samples.unwrap_or(full) as i64 * step_ms
    }
}

/// A series in the making: its labels are a function of its number and its rollout.
struct State {
    rollout: u32,
    value: f64,
}

/// One sample to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which series: an index for [`Dataset::labels`].
    pub series: usize,
    /// How often the series' pod was replaced.
    pub rollout: u32,
    /// The replica that scraped it; 0 where there are none.
    pub replica: u32,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

/// A dataset that is made scrape by scrape.
pub struct Dataset {
    shape: Shape,
    states: Vec<State>,
    rng: Rng,
    start_ms: i64,
    scrape: usize,
    scrapes: usize,
    step_ms: i64,
    late: Vec<Row>,
}

impl Dataset {
    /// A dataset of a shape; its size can be cut down to `series` and `samples`.
    pub fn new(
        shape: Shape,
        seed: u64,
        start_ms: i64,
        series: Option<usize>,
        samples: Option<usize>,
    ) -> Self {
        let (full_series, full_samples, step_ms) = shape.size();
        let rng = Rng::seeded(seed);
        let count = series.unwrap_or(full_series);
        let states = (0..count).map(|_| State { rollout: 0, value: (rng.below(1_000_000)) as f64 }).collect();
        let scrapes = samples.unwrap_or(full_samples);
        Self { shape, states, rng, start_ms, scrape: 0, scrapes, step_ms, late: Vec::new() }
    }

    /// How many series it has at a time.
    pub fn series(&self) -> usize {
        self.states.len()
    }

    /// The samples of the next scrape; `None` at the end.
    pub fn next_scrape(&mut self) -> Option<Vec<Row>> {
        if self.scrape == self.scrapes {
            return None;
        }
        self.roll_out();
        let at = self.start_ms + self.scrape as i64 * self.step_ms;
        let mut rows = std::mem::take(&mut self.late);
        for series in 0..self.states.len() {
            let value = self.next_value(series);
            let row = Row { series, rollout: self.states[series].rollout, replica: 0, timestamp: at, value };
            if self.shape == Shape::Ha { self.scrape_twice(row, &mut rows) } else { rows.push(row) }
        }
        self.scrape += 1;
        Some(rows)
    }

    /// The 13 labels of a series, sorted by name.
    pub fn labels(&self, row: &Row) -> Vec<(&'static str, String)> {
        let n = row.series;
        let pod = n / 40;
        let (name, extra) = name_of(n);
        let mut labels = vec![
            ("__name__", name),
            ("cluster", format!("cluster-{}", pod % 4)),
            ("container", format!("app-{}", pod % 12)),
            ("endpoint", "metrics".to_owned()),
            ("env", "production".to_owned()),
            ("instance", format!("10.{}.{}.{}:8080", pod >> 16 & 255, pod >> 8 & 255, pod & 255)),
            ("job", format!("service-{}", pod % 25)),
            ("namespace", format!("team-{}", pod % 20)),
            ("node", format!("node-{:03}", pod % 150)),
            ("pod", format!("app-{}-{:05x}-{}", pod % 12, pod, row.rollout)),
            ("region", format!("eu-{}", pod % 3)),
            ("service", format!("service-{}", pod % 25)),
        ];
        labels.push(extra);
        if self.shape == Shape::Ha {
            labels.push(("__replica__", format!("replica-{}", row.replica)));
        }
        labels.sort_by_key(|label| label.0);
        labels
    }

    /// Counters rise, gauges wander, buckets count: whole numbers, decimals and full doubles among them.
    fn next_value(&mut self, series: usize) -> f64 {
        let rng = &self.rng;
        let state = &mut self.states[series];
        state.value = match series % 20 {
            0..9 => state.value + rng.below(50) as f64,
            9..14 => (state.value + rng.below(201) as f64 - 100.0).max(0.0),
            14..16 => ((state.value * 100.0 + rng.below(2001) as f64 - 1000.0).round() / 100.0).max(0.0),
            16 => rng.unit(),
            _ => state.value + rng.below(4) as f64,
        };
        state.value
    }

    /// Churn: pods are replaced, their series begin anew.
    fn roll_out(&mut self) {
        if self.shape != Shape::C || self.scrape == 0 {
            return;
        }
        let share = match self.scrape {
            scrape if scrape == self.scrapes / 2 => 30,
            scrape if scrape % 40 == 0 => 1,
            _ => return,
        };
        for pod in self.states.chunks_mut(40) {
            if self.rng.below(100) < share {
                for state in pod {
                    *state = State { rollout: state.rollout + 1, value: 0.0 };
                }
            }
        }
    }

    /// Two replicas: own jitter, lost scrapes, some samples sent with the next scrape.
    fn scrape_twice(&mut self, row: Row, rows: &mut Vec<Row>) {
        for replica in 0..2 {
            let lost = self.rng.below(100) == 0;
            let jitter = i64::try_from(self.rng.below(7)).unwrap_or(0) + i64::from(replica) * 4_000;
            let sample = Row { replica, timestamp: row.timestamp + jitter, ..row };
            match (lost, self.rng.below(100) < 5) {
                (true, _) => {}
                (false, true) => self.late.push(sample),
                (false, false) => rows.push(sample),
            }
        }
    }
}

/// The metric's name, and the one label that tells its series apart within a pod.
fn name_of(n: usize) -> (String, (&'static str, String)) {
    let kind = n % 20;
    let variant = n / 20 % 2;
    match kind {
        0..9 => (format!("http_requests_{kind}_total"), ("method", ["GET", "POST"][variant].to_owned())),
        9..17 => (format!("process_state_{kind}"), ("state", ["user", "system"][variant].to_owned())),
        _ => {
            let le = ["0.1", "1", "+Inf"][kind - 17];
            (format!("request_duration_{variant}_seconds_bucket"), ("le", le.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_every_series_its_own_labels() {
        let rows = |seed| {
            let mut dataset = Dataset::new(Shape::C, seed, 0, Some(80), Some(50));
            let mut all = Vec::new();
            while let Some(rows) = dataset.next_scrape() {
                all.extend(rows.iter().map(|row| (dataset.labels(row), row.timestamp, row.value.to_bits())));
            }
            all
        };
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
        let first: std::collections::BTreeSet<_> = rows(1).into_iter().take(80).map(|row| row.0).collect();
        assert_eq!((first.len(), first.iter().all(|labels| labels.len() == 13)), (80, true));
    }
}
