//! What the frames of all streams have in common: texts once, times that series share once, layouts of histograms once.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_base::ErrorKind;
use latewood_model::{HistogramSample, Labels, TimestampMs};

use super::StoreError;
use super::histograms::{HistogramWriter, Layout, histograms_from_wire};
use super::wire::{HistogramLayout, Histograms, Times};

/// Collects what series refer to.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    tables: FrameTables,
    symbols: HashMap<Box<str>, u32>,
    /// The vectors put in already, by address: series that share times share the allocation.
    times: HashMap<usize, (u32, Arc<[TimestampMs]>)>,
    histograms: HistogramWriter,
}

/// What series of a frame refer to.
#[derive(Debug, Default)]
pub(super) struct FrameTables {
    pub(super) symbols: Vec<String>,
    pub(super) times: Vec<Times>,
    pub(super) layouts: Vec<HistogramLayout>,
}

impl FrameWriter {
    /// References to names and values.
    pub(super) fn labels(&mut self, labels: &Labels) -> Vec<u32> {
        let mut references = Vec::with_capacity(labels.len() * 2);
        for (name, value) in labels.iter() {
            references.push(self.symbol(name));
            references.push(self.symbol(value));
        }
        references
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(&index) = self.symbols.get(text) {
            return index;
        }
        let index = u32::try_from(self.tables.symbols.len()).unwrap_or(u32::MAX);
        self.tables.symbols.push(text.to_owned());
        self.symbols.insert(text.into(), index);
        index
    }

    /// The reference of times.
    pub(super) fn times(&mut self, timestamps: Arc<[TimestampMs]>) -> u32 {
        let address = timestamps.as_ptr().addr();
        if let Some((index, known)) = self.times.get(&address)
            && known.len() == timestamps.len()
        {
            return *index;
        }
        let index = u32::try_from(self.tables.times.len()).unwrap_or(u32::MAX);
        let mut before = 0;
        let deltas = timestamps.iter().map(|&at| {
            let delta = at.wrapping_sub(before);
            before = at;
            delta
        });
        self.tables.times.push(Times { deltas: deltas.collect() });
        self.times.insert(address, (index, timestamps));
        index
    }

    /// The columns of histograms; none without any.
    pub(super) fn histograms(&mut self, samples: &[HistogramSample]) -> Option<Histograms> {
        self.histograms.columns(samples)
    }

    pub(super) fn finish(self) -> FrameTables {
        FrameTables { layouts: self.histograms.finish(), ..self.tables }
    }
}

/// Follows the references of series.
pub(super) struct FrameReader {
    symbols: Vec<String>,
    times: Vec<Arc<[TimestampMs]>>,
    layouts: Vec<Layout>,
}

/// A frame that cannot be.
pub(super) fn broken(what: &str) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, format!("store frame: {what}"))
}

impl FrameReader {
    pub(super) fn new(tables: FrameTables) -> Result<Self, StoreError> {
        let layouts: Option<Vec<Layout>> = tables.layouts.iter().map(Layout::from_wire).collect();
        Ok(Self {
            symbols: tables.symbols,
            times: tables.times.iter().map(|times| ascending(&times.deltas)).collect(),
            layouts: layouts.ok_or_else(|| broken("a layout of histograms is none"))?,
        })
    }

    /// The labels that references name: pairs sorted by name.
    pub(super) fn labels(&self, references: &[u32]) -> Result<Labels, StoreError> {
        let symbol = |index: u32| self.symbols.get(index as usize).map(String::as_str);
        let pairs = references.chunks(2).map(|pair| Some((symbol(*pair.first()?)?, symbol(*pair.get(1)?)?)));
        let pairs: Option<Vec<_>> = pairs.collect();
        let pairs = pairs.ok_or_else(|| broken("a label refers to no symbol"))?;
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(broken("labels are not sorted by name"));
        }
        Ok(Labels::from_sorted(pairs.into_iter()))
    }

    pub(super) fn times(&self, reference: u32) -> Option<&Arc<[TimestampMs]>> {
        self.times.get(reference as usize)
    }

    /// All vectors of times.
    pub(super) fn all_times(&self) -> &[Arc<[TimestampMs]>] {
        &self.times
    }

    /// The histograms of columns, if there are any.
    pub(super) fn histograms(&self, sent: Option<&Histograms>) -> Result<Vec<HistogramSample>, StoreError> {
        let histograms = sent.map_or(Some(Vec::new()), |sent| histograms_from_wire(sent, &self.layouts));
        histograms.ok_or_else(|| broken("columns of histograms do not fit"))
    }
}

/// Numbers from differences.
pub(super) fn ascending(deltas: &[i64]) -> Arc<[TimestampMs]> {
    let mut at: TimestampMs = 0;
    let absolute = deltas.iter().map(|&delta| {
        at = at.wrapping_add(delta);
        at
    });
    absolute.collect()
}
