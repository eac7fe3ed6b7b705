//! The table of what answers cost.

use std::collections::BTreeMap;
use std::fmt;

use crate::load::Load;
use crate::questions::{Api, Question};
use crate::server::Kind;
use crate::{median, shown};

/// The servers that are asked.
pub const KINDS: [Kind; 3] = [Kind::Latewood, Kind::Prometheus, Kind::VictoriaMetrics];

/// Below this many bytes, a peak of memory is noise.
const MEMORY_FLOOR: f64 = 8e6;

/// What one answer costs a server.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU seconds.
    pub seconds: f64,
    /// Peak bytes of memory beyond what was resident before.
    pub peak: f64,
}

/// The costs of all questions, in the order in which they were asked first.
#[derive(Debug, Default)]
pub struct Costs(Vec<Row>);

#[derive(Debug)]
struct Row {
    name: String,
    /// Series times steps of a fold.
    cells: Option<f64>,
    costs: BTreeMap<Kind, Vec<Cost>>,
}

impl Costs {
    /// Adds what an answer cost.
    pub fn add(&mut self, question: &Question, load: &Load, kind: Kind, cost: Cost) {
        let name = question.shown();
        let cells = match question.api {
            Api::Range(_, steps) if question.twentieths > 0 => {
                Some((load.series * question.twentieths / 20) as f64 * (steps + 1) as f64)
            }
            _ => None,
        };
        if !self.0.iter().any(|row| row.name == name) {
            self.0.push(Row { name: name.clone(), cells, costs: BTreeMap::new() });
        }
        let row = self.0.iter_mut().find(|row| row.name == name).unwrap();
        row.costs.entry(kind).or_default().push(cost);
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The geometric mean of a number of each row.
    fn mean(&self, number: impl Fn(&Row) -> f64) -> f64 {
        (self.0.iter().map(|row| number(row).ln()).sum::<f64>() / self.0.len() as f64).exp()
    }
}

impl Row {
    fn of(&self, kind: Kind, number: fn(&Cost) -> f64) -> f64 {
        median(self.costs[&kind].iter().map(number))
    }

    /// How many times as much CPU time another server takes.
    fn times(&self, kind: Kind) -> f64 {
        self.of(kind, |cost| cost.seconds) / self.of(Kind::Latewood, |cost| cost.seconds)
    }

    fn times_the_faster(&self) -> f64 {
        self.times(Kind::Prometheus).min(self.times(Kind::VictoriaMetrics))
    }

    /// Prometheus's peak of memory to ours, where it is one.
    fn memory(&self) -> Option<f64> {
        let [ours, theirs] = [Kind::Latewood, Kind::Prometheus].map(|kind| self.of(kind, |cost| cost.peak));
        (theirs > MEMORY_FLOOR).then(|| theirs / ours.max(1e6))
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| CPU ms an answer (peak MB) | Latewood | Prometheus | VictoriaMetrics | × Prometheus | × VictoriaMetrics | ns a series-step | Prometheus's memory to ours |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let cells = KINDS.map(|kind| {
                let [seconds, peak] = [row.of(kind, |cost| cost.seconds), row.of(kind, |cost| cost.peak)];
                format!("{} ({})", shown(seconds * 1e3), shown(peak / 1e6))
            });
            let [prometheus, victoria] =
                [Kind::Prometheus, Kind::VictoriaMetrics].map(|kind| shown(row.times(kind)));
            let ours = row.of(Kind::Latewood, |cost| cost.seconds);
            let cell = row.cells.map(|cells| shown(ours * 1e9 / cells)).unwrap_or_default();
            let memory = row.memory().map(shown).unwrap_or_default();
            writeln!(
                out,
                "| {} | {} | {prometheus} | {victoria} | {cell} | {memory} |",
                row.name,
                cells.join(" | ")
            )?;
        }
        let [prometheus, victoria] =
            [Kind::Prometheus, Kind::VictoriaMetrics].map(|kind| shown(self.mean(|row| row.times(kind))));
        let faster = shown(self.mean(Row::times_the_faster));
        let least = self.0.iter().map(|row| row.times(Kind::Prometheus)).fold(f64::INFINITY, f64::min);
        writeln!(out, "| geometric mean | | | | {prometheus} | {victoria} | | |")?;
        writeln!(out, "\nto the faster of the two: {faster}; least to Prometheus: {}", shown(least))
    }
}
