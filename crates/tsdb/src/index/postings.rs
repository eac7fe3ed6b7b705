//! Which series have a label pair: of all pairs, only those of the metric's name are kept.

use std::sync::Arc;

use latewood_model::METRIC_NAME;

use crate::TsdbError;
use crate::cursor::{Cursor, Problem};
use crate::source::Source;
use crate::window::Window;

/// A metric, and where the list of its series is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricPostings {
    pub(crate) name: String,
    pub(crate) at: u64,
}

/// The metrics of a block.
#[derive(Debug)]
pub(crate) struct PostingsTable {
    file: Arc<Source>,
    /// In the order of their names.
    pub(crate) metrics: Vec<MetricPostings>,
    /// Where the list of all series is.
    all: Option<u64>,
}

/// An entry of the table.
enum Entry {
    Metric(MetricPostings),
    All(u64),
    Other,
}

impl PostingsTable {
    /// Goes through the table once; it may be much larger than what is kept of it.
    pub(super) fn read(file: &Arc<Source>, at: u64) -> Result<Self, TsdbError> {
        let mut table = Self { file: Arc::clone(file), metrics: Vec::new(), all: None };
        if at == 0 {
            return Ok(table);
        }
        let section = file.section(at)?;
        let mut window = Window::new(Arc::clone(file), section.end());
        let (count, mut next) = window.entry(section.start, |cursor| cursor.be32())?;
        for _ in 0..count {
            let (entry, behind) = window.entry(next, Entry::read)?;
            next = behind;
            match entry {
                Entry::Metric(metric) => table.metrics.push(metric),
                Entry::All(at) => table.all = Some(at),
                Entry::Other => {}
            }
        }
        // Version 1 has them in no order.
        table.metrics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if !table.metrics.is_sorted_by(|a, b| a.name < b.name) {
            return Err(file.corrupt(section.start, "a metric is listed twice"));
        }
        Ok(table)
    }

    /// The series of a list, ascending.
    pub(crate) fn list(&self, at: u64) -> Result<Vec<u32>, TsdbError> {
        let section = self.file.section(at)?;
        let bytes = self.file.read(section.start, section.length)?;
        let corrupt = |problem| self.file.corrupt(section.start, problem);
        let (count, rest) = bytes.split_first_chunk().ok_or_else(|| corrupt("a list has no length"))?;
        let (references, odd) = rest.as_chunks();
        if !odd.is_empty() || references.len() != u32::from_be_bytes(*count) as usize {
            return Err(corrupt("a list of series is not as long as it says"));
        }
        let references: Vec<u32> = references.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
        if !references.is_sorted_by(|a, b| a < b) {
            return Err(corrupt("a list of series does not ascend"));
        }
        Ok(references)
    }

    /// The series that have no metric name: they are in no metric's list. Compares the lists on the way: each series is
    /// in one of them at most, and in that of all.
    pub(crate) fn nameless(&self) -> Result<Vec<u32>, TsdbError> {
        let mut all = self.all.map(|at| self.list(at)).transpose()?.unwrap_or_default();
        let mut named = Vec::new();
        for metric in &self.metrics {
            named.extend(self.list(metric.at)?);
        }
        named.sort_unstable();
        let mut next = named.iter().copied().peekable();
        all.retain(|reference| next.next_if_eq(reference).is_none());
        match next.peek() {
            Some(series) => {
                let problem = format!("series {series} is in two metrics, or missing from the list of all");
                Err(self.file.corrupt(self.all.unwrap_or_default(), problem))
            }
            None => Ok(all),
        }
    }
}

impl Entry {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Problem> {
        if cursor.uvarint()? != 2 {
            return Err(cursor.problem("an entry of the table of postings is not about a name and a value"));
        }
        let (name, value, at) = (cursor.piece()?, cursor.piece()?, cursor.uvarint()?);
        if name == METRIC_NAME.as_bytes() {
            let name =
                std::str::from_utf8(value).map_err(|_| cursor.problem("a metric's name is not UTF-8"))?;
            return Ok(Self::Metric(MetricPostings { name: name.to_owned(), at }));
        }
        Ok(if name.is_empty() && value.is_empty() { Self::All(at) } else { Self::Other })
    }
}
