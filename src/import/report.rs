//! What an import says while it runs, and at its end.

use std::fmt;
use std::time::Duration;

use latewood_base::Ulid;
use latewood_block::BlockMeta;
use latewood_model::TimestampMs;
use latewood_tsdb::TsdbMeta;

/// What became of a TSDB block.
#[derive(Debug)]
pub enum Outcome {
    /// It is in the catalog.
    Imported {
        /// As this block.
        meta: Box<BlockMeta>,
        /// The time that it took.
        took: Duration,
    },
    /// It would be imported as this block, but nothing is written.
    Planned(Box<TsdbMeta>, Ulid),
    /// There is nothing to be done about it, and why.
    PassedOver(String),
    /// It cannot be imported, and why.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imported { meta, took } => write!(
                out,
                "imported as {}: {} series, {} samples, {} to {}, {} bytes, in {:.1} s",
                meta.id,
                meta.series,
                meta.samples + meta.histograms,
                utc(meta.range.start),
                utc(meta.range.end),
                meta.bytes(),
                took.as_secs_f64(),
            ),
            Self::Planned(meta, id) => {
                let (from, to) = (utc(meta.min_time), utc(meta.max_time));
                write!(
                    out,
                    "would become {id}: {} series, {} samples, {from} to {to}",
                    meta.series, meta.samples
                )?;
                if meta.external_labels.is_empty() {
                    Ok(())
                } else {
                    write!(out, ", {}", meta.external_labels)
                }
            }
            Self::PassedOver(why) => write!(out, "passed over: {why}"),
            Self::Failed(why) => write!(out, "FAILED: {why}"),
        }
    }
}

/// How many blocks came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub imported: u64,
    pub series: u64,
    pub samples: u64,
    pub planned: u64,
    pub passed_over: u64,
    pub failed: u64,
}

impl Totals {
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Imported { meta, .. } => {
                self.imported += 1;
                self.series += meta.series;
                self.samples += meta.samples + meta.histograms;
            }
            Outcome::Planned(..) => self.planned += 1,
            Outcome::PassedOver(_) => self.passed_over += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imported, series, samples, planned, passed_over, failed } = self;
        match planned {
            0 => write!(out, "blocks imported: {imported} ({series} series, {samples} samples)")?,
            _ => write!(out, "blocks that would be imported: {planned}")?,
        }
        write!(out, ", passed over: {passed_over}, failed: {failed}")
    }
}

/// A time for people.
fn utc(at: TimestampMs) -> String {
    let known = chrono::DateTime::from_timestamp_millis(at);
    known.map_or_else(|| format!("{at} ms"), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
