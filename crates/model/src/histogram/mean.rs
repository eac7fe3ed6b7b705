//! Means of histograms.

use super::total::HistogramTotal;
use super::{FloatHistogram, IncompatibleSchemas, Reconciled};

/// A running mean: the sum divided by the number while the sum does not overflow, from there on incrementally.
#[derive(Clone, Debug)]
pub struct HistogramMean {
    total: HistogramTotal,
    number: f64,
    incremental: bool,
}

impl HistogramMean {
    /// Starts at a histogram.
    #[must_use]
    pub fn new(first: &FloatHistogram) -> Self {
        Self { total: HistogramTotal::new(first), number: 1.0, incremental: false }
    }

    /// Takes in a further histogram.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]; then the mean is of no use any more.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Reconciled, IncompatibleSchemas> {
        self.number += 1.0;
        let number = self.number;
        if !self.incremental {
            let mut next = self.total.clone();
            let reconciled = next.add(other)?;
            if !next.has_overflow() {
                self.total = next;
                return Ok(reconciled);
            }
            self.incremental = true;
            self.total.scale(|part| part / (number - 1.0));
        }
        let weight = (number - 1.0) / number;
        self.total.scale(|part| part * weight);
        let mut share = other.clone();
        share.divide(number);
        self.total.add(&share)
    }

    /// Bytes held on the heap; what is shared counts in full.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.total.heap_size()
    }

    /// The mean.
    #[must_use]
    pub fn finish(&self) -> FloatHistogram {
        if self.incremental {
            return self.total.finish();
        }
        self.total.finish_with(|term| term.sum / self.number + term.lost / self.number)
    }
}
