//! A row of a tile: floats, and histograms beside them.

use std::sync::Arc;

use latewood_model::{FloatHistogram, Labels};

use super::tile::{absent, computed, is_present};
use crate::SampleValue;

/// The bits that stand among floats where there is a histogram: a NaN next to the stale marker, which no
/// arithmetic gives. Selectors turn a sample with these bits into another NaN.
const HISTOGRAM_BITS: u64 = 0x7ff0_0000_0000_0003;

/// Whether there is a histogram instead of a float.
pub(crate) fn is_histogram(value: f64) -> bool {
    value.to_bits() == HISTOGRAM_BITS
}

fn mark() -> f64 {
    f64::from_bits(HISTOGRAM_BITS)
}

/// The histograms of a row, one to a step.
#[derive(Clone, Debug)]
pub(crate) struct Histograms(Box<[Option<Arc<FloatHistogram>>]>);

impl Histograms {
    fn new(steps: usize) -> Self {
        Self(vec![None; steps].into())
    }

    /// Bytes to book. Histograms that are shared count each time.
    pub(super) fn booked(&self) -> u64 {
        let held = self.0.iter().flatten().map(|histogram| histogram_size(histogram));
        (self.0.len() * size_of::<usize>()) as u64 + held.sum::<u64>()
    }
}

/// Bytes that a histogram takes.
pub(super) fn histogram_size(histogram: &FloatHistogram) -> u64 {
    (size_of::<FloatHistogram>() + histogram.heap_size()) as u64
}

/// A row to look at.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Which series.
    pub(crate) labels: &'a Labels,
    /// Its floats and marks, one to a step.
    pub(crate) values: &'a [f64],
    pub(super) histograms: Option<&'a Histograms>,
    /// Whether it loses its metric's name at the end of the query: see [`super::names`].
    pub(crate) drops_name: bool,
}

impl<'a> Row<'a> {
    /// A row without histograms.
    pub(crate) fn of_floats(labels: &'a Labels, values: &'a [f64]) -> Self {
        Self { labels, values, histograms: None, drops_name: false }
    }

    /// The histogram at a step, if there is one.
    pub(crate) fn histogram(&self, step: usize) -> Option<&'a Arc<FloatHistogram>> {
        let marked = self.values.get(step).is_some_and(|value| is_histogram(*value));
        self.histograms.filter(|_| marked)?.0.get(step)?.as_ref()
    }

    /// What there is at a step.
    pub(crate) fn get(&self, step: usize) -> Option<SampleValue> {
        let value = *self.values.get(step).filter(|value| is_present(**value))?;
        match self.histogram(step) {
            Some(histogram) => Some(SampleValue::Histogram(Arc::clone(histogram))),
            None => Some(SampleValue::Float(value)),
        }
    }

    /// Whether there may be histograms.
    pub(crate) fn has_histograms(&self) -> bool {
        self.histograms.is_some()
    }
}

/// A row to be changed.
pub(crate) struct RowMut<'a> {
    /// Which series.
    pub(crate) labels: &'a mut Labels,
    /// Its floats and marks. A float may be put in place of either; a mark must not.
    pub(crate) values: &'a mut [f64],
    /// Whether it loses its metric's name at the end of the query: see [`super::names`].
    pub(crate) drops_name: &'a mut bool,
    histograms: &'a mut Option<Histograms>,
    grown: u64,
}

impl<'a> RowMut<'a> {
    pub(super) fn new(
        labels: &'a mut Labels,
        values: &'a mut [f64],
        histograms: &'a mut Option<Histograms>,
        drops_name: &'a mut bool,
    ) -> Self {
        Self { labels, values, drops_name, histograms, grown: 0 }
    }

    /// The row, to look at.
    pub(crate) fn as_row(&self) -> Row<'_> {
        Row {
            labels: self.labels,
            values: self.values,
            histograms: self.histograms.as_ref(),
            drops_name: *self.drops_name,
        }
    }

    /// Sets an element; an absent one if there is no value.
    pub(crate) fn set(&mut self, step: usize, value: Option<SampleValue>) {
        let Some(target) = self.values.get_mut(step) else { return };
        *target = match value {
            None => absent(),
            Some(SampleValue::Float(value)) => computed(value),
            Some(SampleValue::Histogram(histogram)) => {
                if self.histograms.is_none() {
                    self.grown += (self.values.len() * size_of::<usize>()) as u64;
                }
                self.grown += histogram_size(&histogram);
                let steps = self.values.len();
                let beside = self.histograms.get_or_insert_with(|| Histograms::new(steps));
                if let Some(slot) = beside.0.get_mut(step) {
                    *slot = Some(histogram);
                }
                self.values[step] = mark();
                return;
            }
        };
    }

    /// Replaces each histogram by what a function makes of it. Floats stay.
    pub(crate) fn map_histograms(
        &mut self,
        mut f: impl FnMut(usize, &Arc<FloatHistogram>) -> Option<SampleValue>,
    ) {
        if self.histograms.is_none() {
            return;
        }
        for step in 0..self.values.len() {
            let Some(histogram) = self.as_row().histogram(step).map(Arc::clone) else { continue };
            self.set(step, f(step, &histogram));
        }
    }

    /// Bytes that came to stand beside the row, to be booked; from here on none.
    pub(crate) fn take_grown(&mut self) -> u64 {
        std::mem::take(&mut self.grown)
    }
}
