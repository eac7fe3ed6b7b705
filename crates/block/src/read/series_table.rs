//! The series table in memory: a column a hot label, lists of pairs for the others.

use arrow::array::{Array, AsArray, MapArray, RecordBatch};
use bytes::Bytes;
use latewood_model::{Labels, METRIC_NAME, MetricMetadata, MetricType};

use super::column::{Column, ColumnBuilder};
use super::table_file::for_each_batch;
use super::texts::{Interner, Texts};
use crate::BlockError;
use crate::schema::{HOT_PREFIX, LABELS_REST, SERIES};

/// The series of a block, by their ids.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    pub(super) rows: usize,
    /// Hot labels, the metric's name among them, in the order of their names.
    pub(super) hot: Vec<(Box<str>, Column)>,
    pub(super) rest: Rest,
    metric_type: Column,
    unit: Column,
    help: Column,
}

/// The labels without columns.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) names: Texts,
    pub(super) values: Texts,
    /// Numbers of name and value, series after series.
    pairs: Vec<(u32, u32)>,
    /// Where the pairs of each series end; nothing where no series has any.
    ends: Vec<usize>,
}

impl Rest {
    pub(super) fn all_pairs(&self) -> &[(u32, u32)] {
        &self.pairs
    }

    pub(super) fn pairs(&self, row: usize) -> &[(u32, u32)] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(row).copied().unwrap_or_default();
        self.pairs.get(start.unwrap_or(0)..end).unwrap_or_default()
    }
}

impl SeriesTable {
    /// Decodes `series.parquet`, which must have `rows` rows.
    pub(crate) fn decode(bytes: &Bytes, rows: u64) -> Result<Self, BlockError> {
        let mut builder = Builder::default();
        for_each_batch(SERIES, bytes, rows, |batch| builder.append(batch))?;
        builder.finish()
    }

    /// How many series.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// The labels of a series.
    pub(crate) fn labels(&self, row: usize) -> Labels {
        let hot = self.hot.iter().filter_map(|(name, column)| Some((&**name, column.get(row)?)));
        let rest = self.rest.pairs(row);
        if rest.is_empty() {
            return Labels::from_sorted(hot);
        }
        let rest = rest.iter().map(|&(name, value)| (self.rest.names.get(name), self.rest.values.get(value)));
        let mut pairs: Vec<(&str, &str)> = hot.chain(rest).collect();
        pairs.sort_unstable();
        pairs.dedup_by_key(|pair| pair.0);
        Labels::from_sorted(pairs.into_iter())
    }

    /// The column of a hot label.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        let at = self.hot.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.hot.get(at).map(|(_, column)| column)
    }

    /// The metric's name of a series, `""` when it has none.
    pub(super) fn metric(&self, row: usize) -> &str {
        self.column(METRIC_NAME).and_then(|column| column.get(row)).unwrap_or("")
    }

    /// What is known of a series' metric.
    pub(super) fn metadata(&self, row: usize) -> Option<MetricMetadata> {
        let (metric_type, unit, help) = (self.metric_type.get(row), self.unit.get(row), self.help.get(row));
        metric_type.or(unit).or(help)?;
        Some(MetricMetadata {
            metric_type: metric_type.map_or(MetricType::Unknown, type_from_name),
            unit: unit.unwrap_or_default().to_owned(),
            help: help.unwrap_or_default().to_owned(),
        })
    }

    /// Bytes of memory held.
    pub(crate) fn weight(&self) -> usize {
        let hot: usize = self.hot.iter().map(|(name, column)| name.len() + 80 + column.weight()).sum();
        let described = self.metric_type.weight() + self.unit.weight() + self.help.weight();
        let rest = self.rest.names.weight() + self.rest.values.weight();
        hot + described + rest + self.rest.pairs.capacity() * 8 + self.rest.ends.capacity() * 8
    }
}

fn type_from_name(name: &str) -> MetricType {
    let types = (0..=7).map(MetricType::from_wire);
    types.into_iter().find(|known| known.as_str() == name).unwrap_or_default()
}

/// Collects the table from batches.
#[derive(Default)]
struct Builder {
    rows: usize,
    columns: Vec<(String, ColumnBuilder)>,
    rest_names: Interner,
    rest_values: Interner,
    pairs: Vec<(u32, u32)>,
    ends: Vec<usize>,
}

impl Builder {
    fn append(&mut self, batch: &RecordBatch) -> Result<(), BlockError> {
        let schema = batch.schema();
        let mut next = 0;
        let mut saw_rest = false;
        for (at, field) in schema.fields().iter().enumerate() {
            match field.name().as_str() {
                "series_id" => self.check_ids(batch, at)?,
                LABELS_REST => {
                    self.append_rest(batch, at)?;
                    saw_rest = true;
                }
                name => {
                    if next == self.columns.len() {
                        self.columns.push((name.to_owned(), ColumnBuilder::default()));
                    }
                    if let Some((_, column)) = self.columns.get_mut(next) {
                        column.append(batch, at)?;
                    }
                    next += 1;
                }
            }
        }
        self.rows += batch.num_rows();
        if saw_rest { Ok(()) } else { Err(BlockError::corrupt(SERIES, "it has no column labels_rest")) }
    }

    fn check_ids(&self, batch: &RecordBatch, at: usize) -> Result<(), BlockError> {
        let ids = batch.columns().get(at);
        let ids = ids.and_then(|ids| ids.as_primitive_opt::<arrow::datatypes::Int32Type>());
        let expected = self.rows as i32..;
        if ids.is_some_and(|ids| ids.values().iter().copied().zip(expected).all(|(id, row)| id == row)) {
            return Ok(());
        }
        Err(BlockError::corrupt(SERIES, "series_id is not the number of the row"))
    }

    fn append_rest(&mut self, batch: &RecordBatch, at: usize) -> Result<(), BlockError> {
        let corrupt = || BlockError::corrupt(SERIES, "labels_rest is no map of strings");
        let maps = batch.columns().get(at).and_then(|column| column.as_any().downcast_ref::<MapArray>());
        let maps = maps.ok_or_else(corrupt)?;
        let names = maps.keys().as_string_opt::<i32>().ok_or_else(corrupt)?;
        let values = maps.values().as_string_opt::<i32>().ok_or_else(corrupt)?;
        for row in 0..maps.len() {
            let bounds = maps.value_offsets().get(row).zip(maps.value_offsets().get(row + 1));
            let (&start, &end) = bounds.ok_or_else(corrupt)?;
            let entries = if maps.is_null(row) { 0..0 } else { start as usize..end as usize };
            if !entries.is_empty() {
                // Series before the first that has any.
                self.ends.resize(self.rows + row, self.pairs.len());
            }
            for entry in entries {
                if entry >= names.len() || names.is_null(entry) || values.is_null(entry) {
                    return Err(corrupt());
                }
                let pair = (
                    self.rest_names.number(names.value(entry)),
                    self.rest_values.number(values.value(entry)),
                );
                self.pairs.push(pair);
            }
            if !self.pairs.is_empty() {
                self.ends.push(self.pairs.len());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<SeriesTable, BlockError> {
        self.pairs.shrink_to_fit();
        self.ends.shrink_to_fit();
        let mut table = SeriesTable {
            rows: self.rows,
            rest: Rest {
                names: self.rest_names.finish(),
                values: self.rest_values.finish(),
                pairs: self.pairs,
                ends: self.ends,
            },
            ..SeriesTable::default()
        };
        for (name, column) in self.columns {
            let column = column.finish();
            match (name.as_str(), name.strip_prefix(HOT_PREFIX)) {
                ("metric", _) => table.hot.push((METRIC_NAME.into(), column)),
                ("type", _) => table.metric_type = column,
                ("unit", _) => table.unit = column,
                ("help", _) => table.help = column,
                (_, Some(label)) => table.hot.push((label.into(), column)),
                _ => {
                    return Err(BlockError::corrupt(SERIES, format!("it has an unknown column {name:?}")));
                }
            }
        }
        table.hot.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if table.hot.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err(BlockError::corrupt(SERIES, "two columns are of one label"));
        }
        Ok(table)
    }
}
