//! The times of the samples that the answer at a step depends on.

use latewood_model::{TimeRange, TimestampMs};

use crate::plan::{InfoCall, Node, Scan, WindowInput};

/// The times of the samples that a query's answers depend on: no less than are read, and little more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    reads: Vec<Reads>,
}

/// Samples around a step, or around a fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reads {
    at: Option<TimestampMs>,
    /// Milliseconds from there, both ends included; negative is earlier.
    from_ms: i64,
    to_ms: i64,
}

impl Reads {
    const HERE: Self = Self { at: None, from_ms: 0, to_ms: 0 };

    /// What is read from each of these times: moved back by `offset_ms` or fixed, from so long before until so long
    /// after.
    fn seen_from(self, at: Option<TimestampMs>, offset_ms: i64, before_ms: i64, after_ms: i64) -> Self {
        let base = if at.is_some() { Self { at, ..Self::HERE } } else { self };
        Self {
            at: base.at,
            from_ms: base.from_ms.saturating_sub(offset_ms).saturating_sub(before_ms),
            to_ms: base.to_ms.saturating_sub(offset_ms).saturating_add(after_ms),
        }
    }
}

impl Footprint {
    pub(super) fn of(node: &Node, lookback_ms: i64) -> Self {
        let mut footprint = Self::default();
        footprint.add(node, Reads::HERE, lookback_ms);
        footprint
    }

    /// Whether nothing is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    /// The same, when each time reads so much more before it.
    #[must_use]
    pub fn reaching_back(mut self, more_ms: i64) -> Self {
        self.reads.iter_mut().for_each(|reads| reads.from_ms = reads.from_ms.saturating_sub(more_ms));
        self
    }

    /// The times that matter to the steps from one to another, both included.
    pub fn of_steps(&self, first: TimestampMs, last: TimestampMs) -> impl Iterator<Item = TimeRange> + '_ {
        self.reads.iter().map(move |reads| {
            let (from, to) = (reads.at.unwrap_or(first), reads.at.unwrap_or(last));
            TimeRange::new(from.saturating_add(reads.from_ms), to.saturating_add(reads.to_ms))
        })
    }

    fn add(&mut self, node: &Node, times: Reads, lookback_ms: i64) {
        match node {
            Node::Scan { scan, .. } => self.add_scan(scan, times, lookback_ms, 0),
            Node::Smoothed(scan, _) => self.add_scan(scan, times, lookback_ms, lookback_ms),
            Node::Info(call) => {
                let InfoCall { scan, .. } = &**call;
                self.add_scan(scan, times, lookback_ms, 0);
            }
            Node::Window(call) => match &call.input {
                WindowInput::Samples { scan, range_ms, .. } => {
                    // As far as `anchored` and `smoothed` look beyond the window.
                    let beyond_ms = if scan.extension.is_some() { lookback_ms } else { 0 };
                    self.add_scan(scan, times, range_ms.saturating_add(beyond_ms), beyond_ms);
                }
                WindowInput::Subquery { input, range_ms, offset_ms, at, .. } => {
                    self.add(input, times.seen_from(*at, *offset_ms, *range_ms, 0), lookback_ms);
                    call.params.iter().for_each(|param| self.add(param, times, lookback_ms));
                    return;
                }
            },
            _ => {}
        }
        node.children().into_iter().for_each(|child| self.add(child, times, lookback_ms));
    }

    fn add_scan(&mut self, scan: &Scan, times: Reads, before_ms: i64, after_ms: i64) {
        let reads = times.seen_from(scan.at, scan.offset_ms, before_ms, after_ms);
        if !self.reads.contains(&reads) {
            self.reads.push(reads);
        }
    }
}
