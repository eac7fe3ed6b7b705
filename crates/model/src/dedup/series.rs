//! Series of replicas into one.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Plan, Run};
use crate::{
    HistogramSample, Labels, SeriesSamples, StartCursor, StartTimestamps, TimeRange, TimestampMs, is_stale,
};

/// What deduplication saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Series that several replicas have.
    pub groups: u64,
    /// Samples that were not kept.
    pub dropped: u64,
    /// How often a series went on with another replica.
    pub switches: u64,
    /// Switches at which a counter, known by its name, fell: its process was started again in between, or an exporter
    /// serves old values.
    pub counter_falls: u64,
}

/// Makes one series of the replicas of each, for samples from a time on.
///
/// Series that were scraped together share their times, and so what is kept of them is found out once.
#[derive(Debug)]
pub struct Deduplicator {
    from: TimestampMs,
    plans: HashMap<Key, (Vec<SharedTimes>, Arc<Plan>)>,
    /// Times that the plans hold.
    held: usize,
    tally: Tally,
}

type SharedTimes = Arc<[TimestampMs]>;

/// The addresses and lengths of the replicas' times, and where their stale markers are.
type Key = (Vec<(usize, usize)>, Vec<Vec<usize>>);

/// Plans remembered.
const MAX_PLANS: usize = 1024;

/// Times that they hold together: of 8 bytes each.
const MAX_HELD: usize = 1 << 20;

impl Deduplicator {
    /// Keeps samples from this time on. The replicas' samples must be known from [`super::LOOKBACK_MS`] before.
    #[must_use]
    pub fn new(from: TimestampMs) -> Self {
        Self { from, plans: HashMap::new(), held: 0, tally: Tally::default() }
    }

    /// What was seen so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The one series of replicas, which are in their rank ([`super::ReplicaLabels::rank`]).
    pub fn merge(&mut self, labels: Labels, mut replicas: Vec<SeriesSamples>) -> SeriesSamples {
        if replicas.len() <= 1 {
            // A replica that is alone is left as it is.
            let only =
                replicas.pop().map(|series| series.within(TimeRange::new(self.from, TimestampMs::MAX)));
            return SeriesSamples { labels, ..only.unwrap_or_else(nothing) };
        }
        let plan = self.plan(&replicas);
        self.tally.groups += 1;
        self.tally.dropped += plan.dropped;
        self.tally.switches += plan.switches;
        if is_counter(&labels) {
            self.tally.counter_falls += falls(&plan.floats, &replicas);
        }
        SeriesSamples {
            labels,
            timestamps: Arc::clone(&plan.times),
            values: values(&plan, &replicas),
            starts: starts(&plan, &replicas),
            histograms: histograms(&plan, &replicas),
        }
    }

    fn plan(&mut self, replicas: &[SeriesSamples]) -> Arc<Plan> {
        if replicas.iter().any(|series| !series.histograms.is_empty()) {
            return Arc::new(Plan::new(replicas, self.from));
        }
        let address = |series: &SeriesSamples| (series.timestamps.as_ptr().addr(), series.timestamps.len());
        let stale = |series: &SeriesSamples| {
            let values = series.values.iter().enumerate();
            values.filter(|(_, value)| is_stale(**value)).map(|(place, _)| place).collect()
        };
        let key = (replicas.iter().map(address).collect(), replicas.iter().map(stale).collect());
        if let Some((_, known)) = self.plans.get(&key) {
            return Arc::clone(known);
        }
        let plan = Arc::new(Plan::new(replicas, self.from));
        if self.plans.len() >= MAX_PLANS || self.held > MAX_HELD {
            self.plans.clear();
            self.held = 0;
        }
        self.held += plan.times.len() + replicas.iter().map(|series| series.timestamps.len()).sum::<usize>();
        // Held so that their addresses stay taken.
        let times = replicas.iter().map(|series| Arc::clone(&series.timestamps)).collect();
        self.plans.insert(key, (times, Arc::clone(&plan)));
        plan
    }
}

fn nothing() -> SeriesSamples {
    SeriesSamples {
        labels: Labels::empty(),
        timestamps: Arc::default(),
        values: Vec::new(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

fn values(plan: &Plan, replicas: &[SeriesSamples]) -> Vec<f64> {
    let mut values = Vec::with_capacity(plan.times.len());
    plan.floats
        .iter()
        .filter_map(|run| values_of(run, replicas))
        .for_each(|run| values.extend_from_slice(run));
    values
}

fn values_of<'a>(run: &Run, replicas: &'a [SeriesSamples]) -> Option<&'a [f64]> {
    replicas.get(run.replica)?.values.get(run.places.clone())
}

fn starts(plan: &Plan, replicas: &[SeriesSamples]) -> StartTimestamps {
    let mut starts = StartTimestamps::none();
    if replicas.iter().all(|series| series.starts.is_empty()) {
        return starts;
    }
    let mut cursors: Vec<StartCursor<'_>> = replicas.iter().map(|series| series.starts.cursor()).collect();
    let mut times = plan.times.iter();
    for run in &plan.floats {
        for &at in times.by_ref().take(run.places.len()) {
            cursors.get_mut(run.replica).into_iter().for_each(|cursor| starts.push(at, cursor.at(at)));
        }
    }
    starts
}

fn histograms(plan: &Plan, replicas: &[SeriesSamples]) -> Vec<HistogramSample> {
    let kept = plan.histograms.iter().filter_map(|kept| {
        let sample = replicas.get(kept.replica)?.histograms.get(kept.place)?.clone();
        let histogram = if kept.follows { sample.histogram } else { sample.histogram.without_hint() };
        Some(HistogramSample { histogram, ..sample })
    });
    kept.collect()
}

/// Whether the metric's name is one of a counter.
fn is_counter(labels: &Labels) -> bool {
    let name = labels.metric_name().unwrap_or_default();
    ["_total", "_bucket", "_count"].iter().any(|end| name.ends_with(end))
}

/// How often the first value of a replica is less than the last of the one before.
fn falls(runs: &[Run], replicas: &[SeriesSamples]) -> u64 {
    let fell = |pair: &&[Run]| {
        let [before, after] = pair else { return false };
        let last = values_of(before, replicas).and_then(<[f64]>::last);
        let first = values_of(after, replicas).and_then(<[f64]>::first);
        before.replica != after.replica && last.zip(first).is_some_and(|(last, first)| first < last)
    };
    runs.windows(2).filter(fell).count() as u64
}
