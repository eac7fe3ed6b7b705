//! Native histograms in the columns of a frame.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_model::histogram::{BucketCount, Buckets, Histogram, ResetHint};
use latewood_model::{HistogramSample, NativeHistogram, StartTimestamps};

use super::frame::ascending;
use super::starts::{starts_from_wire, starts_to_wire};
use super::wire::{HistogramLayout, Histograms};

/// What histograms of one series mostly have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    has_floats: bool,
    schema: i32,
    /// Its bits.
    zero_threshold: u64,
    /// Their bits.
    custom_bounds: Vec<u64>,
    positive: Arc<[i32]>,
    negative: Arc<[i32]>,
}

impl Layout {
    fn of<C: BucketCount>(histogram: &Histogram<C>, has_floats: bool) -> Self {
        Self {
            has_floats,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold.to_bits(),
            custom_bounds: histogram.custom_bounds.iter().map(|bound| bound.to_bits()).collect(),
            positive: Arc::clone(histogram.positive.layout()),
            negative: Arc::clone(histogram.negative.layout()),
        }
    }

    fn is_of<C: BucketCount>(&self, histogram: &Histogram<C>, has_floats: bool) -> bool {
        let same = |mine: &Arc<[i32]>, theirs: &Arc<[i32]>| Arc::ptr_eq(mine, theirs) || mine == theirs;
        self.has_floats == has_floats
            && self.schema == histogram.schema
            && self.zero_threshold == histogram.zero_threshold.to_bits()
            && self.custom_bounds.iter().copied().eq(histogram.custom_bounds.iter().map(|b| b.to_bits()))
            && same(&self.positive, histogram.positive.layout())
            && same(&self.negative, histogram.negative.layout())
    }

    fn to_wire(&self) -> HistogramLayout {
        HistogramLayout {
            schema: self.schema,
            zero_threshold: f64::from_bits(self.zero_threshold),
            custom_bounds: self.custom_bounds.iter().map(|&bits| f64::from_bits(bits)).collect(),
            positive: differences(&self.positive),
            negative: differences(&self.negative),
            has_floats: self.has_floats,
        }
    }

    /// As it was sent, unless indexes do not ascend or are no indexes.
    pub(super) fn from_wire(sent: &HistogramLayout) -> Option<Self> {
        Some(Self {
            has_floats: sent.has_floats,
            schema: sent.schema,
            zero_threshold: sent.zero_threshold.to_bits(),
            custom_bounds: sent.custom_bounds.iter().map(|bound| bound.to_bits()).collect(),
            positive: indexes(&sent.positive)?,
            negative: indexes(&sent.negative)?,
        })
    }

    /// How many numbers a histogram has: count, zero count, buckets.
    fn numbers(&self) -> usize {
        2 + self.positive.len() + self.negative.len()
    }

    /// A histogram of this layout; `numbers` are as many as [`Layout::numbers`] says.
    fn histogram<C: BucketCount>(
        &self,
        bounds: &Arc<[f64]>,
        (reset_hint, sum): (ResetHint, f64),
        numbers: &[C],
    ) -> Option<Histogram<C>> {
        let (&[count, zero_count], buckets) = numbers.split_first_chunk()?;
        let (positive, negative) = buckets.split_at_checked(self.positive.len())?;
        Some(Histogram {
            schema: self.schema,
            zero_threshold: f64::from_bits(self.zero_threshold),
            custom_bounds: Arc::clone(bounds),
            reset_hint,
            sum,
            count,
            zero_count,
            positive: Buckets::from_layout(&self.positive, positive.to_vec()),
            negative: Buckets::from_layout(&self.negative, negative.to_vec()),
        })
    }
}

fn differences(indexes: &[i32]) -> Vec<i64> {
    let before = std::iter::once(0).chain(indexes.iter().copied());
    before.zip(indexes).map(|(before, &index)| i64::from(index) - i64::from(before)).collect()
}

fn indexes(differences: &[i64]) -> Option<Arc<[i32]>> {
    let indexes: Option<Vec<i32>> =
        ascending(differences).iter().map(|&index| i32::try_from(index).ok()).collect();
    indexes.filter(|indexes| indexes.is_sorted_by(|a, b| a < b)).map(Arc::from)
}

/// Count, zero count and buckets of a histogram.
fn numbers<C: BucketCount>(histogram: &Histogram<C>) -> impl Iterator<Item = C> {
    let totals = [histogram.count, histogram.zero_count];
    let buckets = histogram.positive.counts().iter().chain(histogram.negative.counts());
    totals.into_iter().chain(buckets.copied())
}

/// Puts histograms into columns and their layouts, each once, into the frame.
#[derive(Debug, Default)]
pub(super) struct HistogramWriter {
    layouts: Vec<HistogramLayout>,
    known: HashMap<Layout, u32>,
    last: Option<(Layout, u32)>,
}

impl HistogramWriter {
    /// The columns of a series; none without histograms.
    pub(super) fn columns(&mut self, samples: &[HistogramSample]) -> Option<Histograms> {
        if samples.is_empty() {
            return None;
        }
        let mut out = Histograms::default();
        let (mut time, mut integers) = (0, None);
        let starts: StartTimestamps = samples.iter().map(|sample| (sample.timestamp, sample.start)).collect();
        out.starts = starts_to_wire(&starts);
        for sample in samples {
            out.times.push(sample.timestamp.wrapping_sub(time));
            time = sample.timestamp;
            match &sample.histogram {
                NativeHistogram::Integer(histogram) => {
                    let layout = self.put(histogram, false, &mut out);
                    let before = integers.take().filter(|(known, _)| *known == layout);
                    let before: Vec<u64> = before.map_or_else(Vec::new, |(_, numbers)| numbers);
                    let now: Vec<u64> = numbers(histogram).collect();
                    let before = before.iter().copied().chain(std::iter::repeat(0));
                    let deltas = now.iter().zip(before).map(|(now, before)| now.wrapping_sub(before) as i64);
                    out.integers.extend(deltas);
                    integers = Some((layout, now));
                }
                NativeHistogram::Float(histogram) => {
                    self.put(histogram, true, &mut out);
                    out.floats.extend(numbers(histogram));
                }
            }
        }
        Some(out)
    }

    /// The layouts that the columns refer to.
    pub(super) fn finish(self) -> Vec<HistogramLayout> {
        self.layouts
    }

    /// Everything but time and counts; returns the layout's reference.
    fn put<C: BucketCount>(
        &mut self,
        histogram: &Histogram<C>,
        has_floats: bool,
        out: &mut Histograms,
    ) -> u32 {
        let layout = self.reference(histogram, has_floats);
        out.layouts.push(layout);
        out.reset_hints.push(histogram.reset_hint as u32);
        out.sums.push(histogram.sum);
        layout
    }

    fn reference<C: BucketCount>(&mut self, histogram: &Histogram<C>, has_floats: bool) -> u32 {
        if let Some((_, reference)) = self.last.as_ref().filter(|(last, _)| last.is_of(histogram, has_floats))
        {
            return *reference;
        }
        let layout = Layout::of(histogram, has_floats);
        let next = u32::try_from(self.layouts.len()).unwrap_or(u32::MAX);
        let reference = *self.known.entry(layout.clone()).or_insert(next);
        if reference == next {
            self.layouts.push(layout.to_wire());
        }
        self.last = Some((layout, reference));
        reference
    }
}

/// The histograms of a series; nothing when the columns do not fit each other or their times do not ascend.
pub(super) fn histograms_from_wire(sent: &Histograms, layouts: &[Layout]) -> Option<Vec<HistogramSample>> {
    let count = sent.times.len();
    if [sent.layouts.len(), sent.reset_hints.len(), sent.sums.len()] != [count; 3] {
        return None;
    }
    let times = ascending(&sent.times);
    if !times.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let mut reader = Reader { integers: &sent.integers, floats: &sent.floats, before: None, bounds: None };
    let starts = starts_from_wire(sent.starts.as_ref())?;
    let mut starts = starts.cursor();
    let rows = times.iter().zip(&sent.layouts).zip(sent.reset_hints.iter().zip(&sent.sums));
    let samples = rows.map(|((&timestamp, &reference), (&hint, &sum))| {
        let layout = layouts.get(reference as usize)?;
        let hint = ResetHint::from_wire(i32::try_from(hint).ok()?);
        let histogram = reader.next(reference, layout, (hint, sum))?;
        Some(HistogramSample { timestamp, histogram, start: starts.at(timestamp) })
    });
    let samples: Option<Vec<_>> = samples.collect();
    samples.filter(|_| reader.integers.is_empty() && reader.floats.is_empty())
}

/// Takes the counts of one histogram after the other.
struct Reader<'a> {
    integers: &'a [i64],
    floats: &'a [f64],
    /// The last integers, with their layout.
    before: Option<(u32, Vec<u64>)>,
    /// The custom bounds used last, with their layout: histograms of a series share them.
    bounds: Option<(u32, Arc<[f64]>)>,
}

impl Reader<'_> {
    fn next(&mut self, reference: u32, layout: &Layout, fields: (ResetHint, f64)) -> Option<NativeHistogram> {
        let bounds = self.bounds(reference, layout);
        if layout.has_floats {
            let (numbers, rest) = self.floats.split_at_checked(layout.numbers())?;
            self.floats = rest;
            return Some(layout.histogram(&bounds, fields, numbers)?.into());
        }
        let (deltas, rest) = self.integers.split_at_checked(layout.numbers())?;
        self.integers = rest;
        let before = self.before.take().filter(|(known, _)| *known == reference);
        let mut numbers = before.map_or_else(|| vec![0; deltas.len()], |(_, numbers)| numbers);
        for (number, delta) in numbers.iter_mut().zip(deltas) {
            *number = number.wrapping_add(*delta as u64);
        }
        let histogram = layout.histogram(&bounds, fields, &numbers)?;
        self.before = Some((reference, numbers));
        Some(histogram.into())
    }

    fn bounds(&mut self, reference: u32, layout: &Layout) -> Arc<[f64]> {
        match &self.bounds {
            Some((known, bounds)) if *known == reference => Arc::clone(bounds),
            _ => {
                let bounds: Arc<[f64]> =
                    layout.custom_bounds.iter().map(|&bits| f64::from_bits(bits)).collect();
                self.bounds = Some((reference, Arc::clone(&bounds)));
                bounds
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
