//! A file of samples, windows or native histograms, and which of its columns a span needs.

use latewood_model::RollupColumns;
use parquet::basic::Type;

use super::paged::PagedFile;
use super::rollup_spec::{column_of, with_sources};
use crate::BlockError;
use crate::meta::WITH_STARTS;
use crate::rollup_value::RollupValue;
use crate::schema::{COUNT, FIRST_SCRAPE, IS_STALE, LAST_SCRAPE, START_TS};
use crate::span::{RollupSpan, Span, SpanStarts};

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    Samples,
    Rollups,
    Histograms,
}

/// A file and where its columns are.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) file: PagedFile,
    pub(crate) scrape_id: usize,
    /// The integers of samples and histograms; of windows those of the last values.
    pub(crate) vi: usize,
    /// The doubles of the same.
    pub(crate) vf: usize,
    /// None where the version of the format has none, and of windows.
    pub(crate) start_ts: Option<usize>,
    /// `part` and `bucket` of a file of histograms.
    pub(crate) histogram: Option<(usize, usize)>,
    /// The columns that windows have besides.
    pub(crate) rollup: Option<RollupPart>,
}

/// The columns that windows have besides.
#[derive(Debug)]
pub(crate) struct RollupPart {
    pub(crate) first_scrape: usize,
    pub(crate) last_scrape: usize,
    pub(crate) count: usize,
    pub(crate) is_stale: usize,
    /// Integers and doubles of each value.
    values: [(usize, usize); 6],
}

impl RollupPart {
    fn of(file: &PagedFile) -> Result<Self, BlockError> {
        let mut values = [(0, 0); 6];
        for (place, value) in values.iter_mut().zip(RollupValue::ALL) {
            let [vi, vf] = value.columns();
            *place = (file.column(vi, Type::INT64)?, file.column(vf, Type::DOUBLE)?);
        }
        Ok(Self {
            first_scrape: file.column(FIRST_SCRAPE, Type::INT32)?,
            last_scrape: file.column(LAST_SCRAPE, Type::INT32)?,
            count: file.column(COUNT, Type::INT64)?,
            is_stale: file.column(IS_STALE, Type::BOOLEAN)?,
            values,
        })
    }

    /// The columns of a value: integers and doubles.
    pub(crate) fn value(&self, value: RollupValue) -> (usize, usize) {
        self.values.get(value as usize).copied().unwrap_or_default()
    }

    /// The columns that a span needs for some figures.
    fn columns_of(&self, span: &RollupSpan, rows: u64, wanted: RollupColumns) -> Vec<usize> {
        let wanted = with_sources(wanted, span.values);
        let mut columns = Vec::new();
        let mut need = |is_needed: bool, column: usize| columns.extend(is_needed.then_some(column));
        need(wanted.contains(RollupColumns::COUNT), self.count);
        need(wanted.contains(RollupColumns::STALE) && span.values.has_stale(), self.is_stale);
        let has_times = wanted.contains(RollupColumns::TIMES);
        need(has_times && !span.first_at.is_run_of(rows), self.first_scrape);
        need(has_times && !span.last_at.is_run_of(rows), self.last_scrape);
        for value in RollupValue::ALL {
            let (vi, vf) = self.value(value);
            let is_wanted = wanted.contains(column_of(value));
            need(is_wanted && span.values.has_integers(value), vi);
            need(is_wanted && span.values.has_doubles(value), vf);
        }
        columns
    }
}

impl Part {
    pub(crate) fn new(
        number: usize,
        file: PagedFile,
        kind: PartKind,
        version: u32,
    ) -> Result<Self, BlockError> {
        let has_starts = version >= WITH_STARTS && kind != PartKind::Rollups;
        let start_ts = has_starts.then(|| file.column(START_TS, Type::INT64)).transpose()?;
        let histogram = match kind {
            PartKind::Histograms => {
                Some((file.column("part", Type::INT32)?, file.column("bucket", Type::INT32)?))
            }
            PartKind::Samples | PartKind::Rollups => None,
        };
        let rollup = (kind == PartKind::Rollups).then(|| RollupPart::of(&file)).transpose()?;
        let (vi, vf) = match &rollup {
            Some(rollup) => rollup.value(RollupValue::Last),
            None => (file.column("vi", Type::INT64)?, file.column("vf", Type::DOUBLE)?),
        };
        Ok(Self {
            scrape_id: file.column("scrape_id", Type::INT32)?,
            number,
            vi,
            vf,
            start_ts,
            histogram,
            rollup,
            file,
        })
    }

    /// The columns that a span needs: `vi` alone in most cases of floats; of windows those of the wanted figures.
    pub(crate) fn columns_of(&self, span: &Span, wanted: RollupColumns) -> Vec<usize> {
        let mut columns: Vec<usize> = (!span.contiguous()).then_some(self.scrape_id).into_iter().collect();
        if let (Some(part), Some(rollup)) = (&self.rollup, &span.rollup) {
            columns.extend(part.columns_of(rollup, span.row_count, wanted));
            return columns;
        }
        let (part, bucket) = self.histogram.filter(|_| span.shape.is_some()).unzip();
        let integers = (span.scale.is_some() || span.shape.is_some()).then_some(self.vi);
        let doubles = span.has_vf.then_some(self.vf);
        let starts = self.start_ts.filter(|_| span.starts == SpanStarts::Each);
        columns.extend([part, bucket, integers, doubles, starts].into_iter().flatten());
        columns
    }
}
