//! The order of a block's series, metric by metric.
//!
//! An index sorts series by all their labels, among which the metric's name is one; Latewood puts it first
//! ([`storage_order`]). So series are read by the lists that metrics have, of which each is in order already where no
//! label sorts before the name and no external label takes a place: mostly. Where it is not, the labels of the metric's
//! series are sorted in memory.

use latewood_model::{Labels, storage_order};

use crate::TsdbError;
use crate::index::{Index, MetricPostings, PostingsTable};
use crate::labelling::Labelling;
use crate::limits::SORTED_BYTES;
use crate::window::Window;

/// The series of one metric, in order.
#[derive(Debug)]
pub(crate) struct Metric {
    /// None of series without one.
    pub(crate) name: Option<String>,
    pub(crate) series: Vec<u32>,
}

/// Gives the metrics in order; first the series that have none.
#[derive(Debug)]
pub(crate) struct Metrics {
    table: PostingsTable,
    /// Those to come, the next one last.
    waiting: Vec<MetricPostings>,
    nameless: Option<Vec<u32>>,
}

impl Metrics {
    pub(crate) fn read(index: &Index) -> Result<Self, TsdbError> {
        let mut table = index.postings()?;
        let nameless = Some(table.nameless()?);
        let mut waiting = std::mem::take(&mut table.metrics);
        waiting.reverse();
        Ok(Self { table, waiting, nameless })
    }

    /// The next metric, or none.
    pub(crate) fn next(
        &mut self,
        index: &Index,
        labelling: &Labelling<'_>,
        window: &mut Window,
    ) -> Result<Option<Metric>, TsdbError> {
        let (name, series) = match self.nameless.take() {
            Some(series) => (None, series),
            None => match self.waiting.pop() {
                Some(metric) => (Some(metric.name), self.table.list(metric.at)?),
                None => return Ok(None),
            },
        };
        let mut metric = Metric { name, series };
        if !metric.is_sorted(index, labelling, window)? {
            metric.sort(index, labelling, window)?;
        }
        Ok(Some(metric))
    }
}

impl Metric {
    fn is_sorted(
        &self,
        index: &Index,
        labelling: &Labelling<'_>,
        window: &mut Window,
    ) -> Result<bool, TsdbError> {
        let mut before = None::<Labels>;
        for &reference in &self.series {
            let entry = index.series(reference, window)?;
            let labels = labelling.labels(&entry, self.name.as_deref())?;
            if before.is_some_and(|before| storage_order(&before, &labels).is_gt()) {
                return Ok(false);
            }
            before = Some(labels);
        }
        Ok(true)
    }

    fn sort(
        &mut self,
        index: &Index,
        labelling: &Labelling<'_>,
        window: &mut Window,
    ) -> Result<(), TsdbError> {
        let (mut labelled, mut bytes) = (Vec::with_capacity(self.series.len()), 0);
        for &reference in &self.series {
            let entry = index.series(reference, window)?;
            let labels = labelling.labels(&entry, self.name.as_deref())?;
            bytes += labels.heap_size() as u64;
            if bytes > SORTED_BYTES {
                let what = format!("a metric, {:?}, with more bytes of labels", self.name);
                return Err(index.file().too_large(entry.at, what, SORTED_BYTES));
            }
            labelled.push((labels, reference));
        }
        labelled.sort_by(|a, b| storage_order(&a.0, &b.0));
        self.series = labelled.into_iter().map(|(_, reference)| reference).collect();
        Ok(())
    }
}
