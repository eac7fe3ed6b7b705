//! What each operator of a query takes, for `analyze`. Without it operators stand as they are and nothing is read.
//!
//! Clock and account are read where an operator is entered and left, at a pull and at its making, and never for a row or
//! a sample. What passed in between is of the operator that ran, so that what one takes with all below it is a sum.

use std::sync::Arc;
use std::time::Duration;

use latewood_model::Resolution;
use parking_lot::Mutex;

use super::tile::Tile;
use super::{BoxOperator, Env, Operator};
use crate::plan::{Explanation, Node};
use crate::{Analysis, Control, OperatorFigures, QueryError};

/// The operator of a plan's node, watched. Clones are the same.
#[derive(Clone)]
pub(crate) struct Probe {
    recorder: Arc<Mutex<Recorder>>,
    node: usize,
}

impl Probe {
    /// Of a plan's root.
    pub(crate) fn new(plan: Explanation, control: &Control) -> Self {
        Self { recorder: Arc::new(Mutex::new(Recorder::new(plan, control))), node: 0 }
    }

    /// Of a node right below. Equal ones are taken in their order.
    fn below(&self, node: &Node) -> Self {
        let found = self.recorder.lock().claim(self.node, &node.headline());
        Self { recorder: Arc::clone(&self.recorder), node: found.unwrap_or(self.node) }
    }

    /// Does the operator's work.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.recorder.lock().enter(self.node);
        let done = work();
        self.recorder.lock().leave(None);
        done
    }

    /// Takes note of what the operator reads.
    pub(super) fn reads_at(&self, resolution: Resolution) {
        let mut recorder = self.recorder.lock();
        recorder
            .figures
            .get_mut(self.node)
            .into_iter()
            .for_each(|figures| figures.read_at.insert(resolution));
    }

    /// What was recorded.
    pub(crate) fn finish(&self) -> Analysis {
        self.recorder.lock().finish()
    }
}

/// Does the work for a node, watched if anything is.
pub(super) fn watched<T>(node: &Node, env: &Env, work: impl FnOnce(&Env) -> T) -> T {
    match &env.probe {
        None => work(env),
        Some(above) => {
            let probe = above.below(node);
            let env = Env { probe: Some(probe.clone()), ..env.clone() };
            probe.run(|| work(&env))
        }
    }
}

/// Builds a node's operator, watched if anything is.
pub(super) fn built(
    node: &Node,
    env: &Env,
    build: impl FnOnce(&Env) -> Result<BoxOperator, QueryError>,
) -> Result<BoxOperator, QueryError> {
    if env.probe.is_none() {
        return build(env);
    }
    watched(node, env, |env| {
        let operator = build(env)?;
        let probe = env.probe.clone();
        Ok(match probe {
            Some(probe) => Box::new(Probed { operator, probe }),
            None => operator,
        })
    })
}

/// An operator, watched.
struct Probed {
    operator: BoxOperator,
    probe: Probe,
}

impl Operator for Probed {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        self.probe.recorder.lock().enter(self.probe.node);
        let pulled = self.operator.next();
        self.probe.recorder.lock().leave(pulled.as_ref().ok().and_then(Option::as_ref));
        pulled
    }
}

/// Bytes and samples that are booked.
type Booked = [i64; 2];

/// An operator that was entered and not left yet.
struct Running {
    node: usize,
    /// What was booked when it was entered.
    before: Booked,
}

struct Recorder {
    control: Control,
    plan: Explanation,
    claimed: Vec<bool>,
    figures: Vec<OperatorFigures>,
    /// What each holds while it is not running, with all below it.
    held: Vec<Booked>,
    running: Vec<Running>,
    last: Totals,
}

/// What grows while operators run.
#[derive(Clone, Copy, Default)]
struct Totals {
    time: Duration,
    read: u64,
    evaluated: u64,
}

impl Recorder {
    fn new(plan: Explanation, control: &Control) -> Self {
        let nodes = plan.0.len();
        Self {
            control: control.clone(),
            plan,
            claimed: vec![false; nodes],
            figures: vec![OperatorFigures::default(); nodes],
            held: vec![Booked::default(); nodes],
            running: Vec::new(),
            last: Totals::default(),
        }
    }

    /// The first child of this name that no operator has been made for. The root is its own child.
    fn claim(&mut self, parent: usize, name: &str) -> Option<usize> {
        let root = (parent == 0).then_some(0);
        let mut candidates = root.into_iter().chain(self.plan.children(parent));
        let found = candidates.find(|&number| {
            let is_named = self.plan.0.get(number).is_some_and(|node| node.name == name);
            is_named && self.claimed.get(number) == Some(&false)
        })?;
        *self.claimed.get_mut(found)? = true;
        Some(found)
    }

    fn enter(&mut self, node: usize) {
        let before = self.pass();
        self.running.push(Running { node, before });
    }

    /// The operator that was entered last gives a tile, or nothing.
    fn leave(&mut self, given: Option<&Tile>) {
        let now = self.pass();
        let Some(Running { node, before }) = self.running.pop() else { return };
        let given_away = given.map(Tile::booked).unwrap_or_default().map(u64::cast_signed);
        if let Some(held) = self.held.get_mut(node) {
            for (number, held) in held.iter_mut().enumerate() {
                *held += now[number] - before[number] - given_away[number];
            }
        }
        if let (Some(tile), Some(figures)) = (given, self.figures.get_mut(node)) {
            figures.tiles += 1;
            figures.series += tile.len() as u64;
        }
    }

    /// Books what passed since the last time to the operator that ran; what is booked now.
    fn pass(&mut self) -> Booked {
        let (stats, booked) = (self.control.stats(), self.control.account().booked().map(u64::cast_signed));
        let time = self.control.elapsed();
        let now = Totals { time, read: stats.samples_read, evaluated: stats.samples_evaluated };
        let last = std::mem::replace(&mut self.last, now);
        if let Some(figures) = self.running.last().and_then(|top| self.figures.get_mut(top.node)) {
            figures.own_time += now.time.saturating_sub(last.time);
            figures.samples += now.read - last.read;
            figures.total_samples += now.evaluated - last.evaluated;
        }
        for Running { node, before } in &self.running {
            let (Some(figures), Some(held)) = (self.figures.get_mut(*node), self.held.get(*node)) else {
                continue;
            };
            let holds =
                |number: usize| (held[number] + booked[number] - before[number]).max(0).cast_unsigned();
            figures.peak_bytes = figures.peak_bytes.max(holds(0));
            figures.peak_samples = figures.peak_samples.max(holds(1));
        }
        booked
    }

    fn finish(&mut self) -> Analysis {
        Analysis::new(std::mem::take(&mut self.plan), std::mem::take(&mut self.figures))
    }
}
