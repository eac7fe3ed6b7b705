//! How many samples selectors hand to evaluation, counted as Prometheus counts its `totalQueryableSamples`: at each
//! step as many as an instant query at that step would take. Above a subquery count the windows over its values, what
//! is below it does not; histograms count by their size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use latewood_model::{FloatHistogram, TimestampMs};

use super::Grid;
use crate::{Control, QueryError, Reservation};

/// Where an operator's samples are counted. Clones count into the same.
#[derive(Clone)]
pub(crate) struct SampleCounts {
    control: Control,
    /// How often each sample counts.
    weight: u64,
    steps: Steps,
    per_step: Option<Arc<PerStep>>,
}

/// Which steps of the query an operator's steps are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// The same ones, from this one on.
    From(usize),
    /// The only one is all of them.
    All,
    /// All are the first one.
    First,
    /// None: its samples do not count.
    Nowhere,
}

/// The counts of a query's steps, where they are asked for.
struct PerStep {
    counts: Box<[AtomicU64]>,
    _held: Reservation,
}

impl SampleCounts {
    /// Of a query; of each step by itself only if so asked.
    pub(crate) fn new(control: &Control, grid: Grid, each_step: bool) -> Result<Self, QueryError> {
        let per_step = each_step.then(|| {
            let held = control.reserve((grid.len() as u64).saturating_mul(8))?;
            let counts = (0..grid.len()).map(|_| AtomicU64::new(0)).collect();
            Ok::<_, QueryError>(Arc::new(PerStep { counts, _held: held }))
        });
        let per_step = per_step.transpose()?;
        Ok(Self { control: control.clone(), weight: 1, steps: Steps::From(0), per_step })
    }

    /// For what is evaluated at one step in place of so many.
    pub(super) fn once(&self, steps: usize) -> Self {
        let is_same = matches!(self.steps, Steps::From(_));
        let steps_of = if is_same { Steps::All } else { self.steps };
        Self { weight: self.weight.saturating_mul(steps as u64), steps: steps_of, ..self.clone() }
    }

    /// For what is evaluated at the steps from this one on.
    pub(super) fn from(&self, step: usize) -> Self {
        let steps = match self.steps {
            Steps::From(first) => Steps::From(first + step),
            other => other,
        };
        Self { steps, ..self.clone() }
    }

    /// For what a subquery below a function evaluates.
    pub(super) fn nowhere(&self) -> Self {
        Self { steps: Steps::Nowhere, per_step: None, ..self.clone() }
    }

    /// For what a subquery by itself evaluates.
    pub(super) fn at_first(&self) -> Self {
        Self { steps: Steps::First, ..self.clone() }
    }

    /// Whether [`Self::add_at`] is to be called for each step, before the sum is added.
    pub(super) fn wants_steps(&self) -> bool {
        self.per_step.is_some()
    }

    /// Counts the samples of a step, if single steps are wanted.
    pub(super) fn add_at(&self, step: usize, samples: u64) {
        let Some(per_step) = &self.per_step else { return };
        let add = |count: &AtomicU64, samples: u64| count.fetch_add(samples, Relaxed);
        match self.steps {
            Steps::From(first) => per_step.counts.get(first + step).map(|count| add(count, samples)),
            Steps::First => per_step.counts.first().map(|count| add(count, samples * self.weight)),
            Steps::All => {
                per_step.counts.iter().for_each(|count| _ = add(count, samples));
                None
            }
            Steps::Nowhere => None,
        };
    }

    /// Counts samples of any number of steps.
    pub(super) fn add(&self, samples: u64) {
        if self.steps != Steps::Nowhere {
            self.control.count_evaluated(samples.saturating_mul(self.weight));
        }
    }

    /// Counts the samples of one step.
    pub(super) fn add_one_step(&self, step: usize, samples: u64) {
        self.add_at(step, samples);
        self.add(samples);
    }

    /// The count of each step; none if they were not asked for.
    pub(crate) fn into_steps(self, grid: Grid) -> Vec<(TimestampMs, u64)> {
        let Some(per_step) = self.per_step else { return Vec::new() };
        grid.times().zip(per_step.counts.iter().map(|count| count.load(Relaxed))).collect()
    }
}

/// As how many samples a histogram counts: Prometheus takes 16 bytes for one, and 168 for a histogram without buckets.
/// What it keeps of empty buckets, which is not kept here, counts there.
pub(super) fn size_in_samples(histogram: &FloatHistogram) -> u64 {
    let sides = [&histogram.positive, &histogram.negative];
    let words: usize = sides.iter().map(|side| side.len() + side.runs()).sum();
    (176 + 8 * (words + histogram.custom_bounds.len())) as u64 / 16
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;

    use super::*;
    use crate::QueryLimits;

    #[test]
    fn samples_count_at_the_steps_that_they_stand_for() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let grid = Grid::new(0, 20, 10).unwrap().unwrap();
        let counts = SampleCounts::new(&control, grid, true).unwrap();
        counts.add_one_step(1, 5);
        counts.once(3).add_one_step(0, 2);
        counts.once(3).once(1).add_one_step(0, 1);
        counts.nowhere().once(3).add_one_step(0, 100);
        counts.at_first().add_one_step(2, 7);
        counts.at_first().once(4).add_one_step(0, 1);
        assert_eq!(control.stats().samples_evaluated, 5 + 3 * 2 + 3 + 7 + 4);
        assert_eq!(counts.into_steps(grid), [(0, 14), (10, 8), (20, 3)]);

        let silent = SampleCounts::new(&control, grid, false).unwrap();
        assert!(!silent.wants_steps());
        assert_eq!(silent.into_steps(grid), []);
    }
}
