//! The table that is printed: medians, and Latewood's in ratio to each peer's.

use std::collections::BTreeMap;
use std::fmt;

use super::turn::Measured;
use crate::server::Kind;
use crate::{median, shown};

/// What all turns gave.
#[derive(Default)]
pub struct Table(BTreeMap<Kind, Vec<Measured>>);

/// A line: its name, its number, and whether more is better.
type Line = (&'static str, fn(&Measured) -> f64, bool);

const LINES: [Line; 4] = [
    ("samples taken per CPU second", |measured| measured.ingest, true),
    ("bytes of memory a series", |measured| measured.memory, false),
    ("samples replayed per CPU second", |measured| measured.replay, true),
    ("99th percentile of acknowledgement, ms", |measured| measured.ack * 1000.0, false),
];

impl Table {
    /// Adds a turn.
    pub fn add(&mut self, kind: Kind, measured: Measured) {
        self.0.entry(kind).or_default().push(measured);
    }

    fn median(&self, kind: Kind, number: fn(&Measured) -> f64) -> f64 {
        median(self.0.get(&kind).into_iter().flatten().map(number))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<Kind> = self.0.keys().copied().collect();
        write!(out, "| median of {} turns |", self.0.values().map(Vec::len).max().unwrap_or(0))?;
        kinds.iter().try_for_each(|kind| write!(out, " {} |", kind.name()))?;
        writeln!(out, " × Prometheus | × VictoriaMetrics |\n|{}", "---|".repeat(kinds.len() + 3))?;
        for (name, number, more_is_better) in LINES {
            write!(out, "| {name} |")?;
            kinds.iter().try_for_each(|&kind| write!(out, " {} |", shown(self.median(kind, number))))?;
            for peer in [Kind::Prometheus, Kind::VictoriaMetrics] {
                let ratio = self.median(Kind::Latewood, number) / self.median(peer, number);
                write!(out, " {} |", shown(if more_is_better { ratio } else { ratio.recip() }))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
