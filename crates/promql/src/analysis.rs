//! What the operators of a query took.

use std::time::Duration;

use latewood_model::Resolution;

use crate::plan::{ExplainedNode, Explanation};

/// What each operator of a query took, each before those below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis(pub Vec<AnalyzedNode>);

/// An operator and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyzedNode {
    /// Which operator.
    pub node: ExplainedNode,
    /// What it took.
    pub figures: OperatorFigures,
}

/// What an operator took. All zero where it was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorFigures {
    /// Its time with that of all operators below it.
    pub time: Duration,
    /// Its own time.
    pub own_time: Duration,
    /// Series that it gave, and in how many tiles.
    pub series: u64,
    /// See [`Self::series`].
    pub tiles: u64,
    /// Samples that it took from storage itself.
    pub samples: u64,
    /// Samples that it and those below it handed to evaluation.
    pub total_samples: u64,
    /// The most bytes that it and those below it held, seen where an operator was entered or left.
    pub peak_bytes: u64,
    /// The most samples that they held, likewise.
    pub peak_samples: u64,
    /// At which resolutions it read itself.
    pub read_at: ResolutionSet,
}

/// Resolutions, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolutionSet([bool; Resolution::ALL.len()]);

impl ResolutionSet {
    pub(crate) fn insert(&mut self, resolution: Resolution) {
        let all = self.0.iter_mut().zip(Resolution::ALL);
        all.for_each(|(is_in, known)| *is_in |= known == resolution);
    }

    /// Those that are in it, finest first.
    pub fn iter(self) -> impl Iterator<Item = Resolution> {
        self.0.into_iter().zip(Resolution::ALL).filter_map(|(is_in, known)| is_in.then_some(known))
    }
}

impl Analysis {
    /// Of own figures, one to a node: sums are made here.
    pub(crate) fn new(plan: Explanation, mut figures: Vec<OperatorFigures>) -> Self {
        figures.iter_mut().for_each(|figures| figures.time = figures.own_time);
        for parent in (0..figures.len()).rev() {
            for child in plan.children(parent) {
                let Some(below) = figures.get(child).copied() else { continue };
                let Some(sum) = figures.get_mut(parent) else { continue };
                sum.time += below.time;
                sum.total_samples += below.total_samples;
            }
        }
        let nodes = plan.0.into_iter().zip(figures);
        Self(nodes.map(|(node, figures)| AnalyzedNode { node, figures }).collect())
    }
}
