//! The series table in the making: labels as codes until the block ends, when it is known which names are
//! frequent enough for a column of their own.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use hashbrown::HashMap;
use latewood_model::{Labels, METRIC_NAME, MetricMetadata};

use super::output::{Finished, Output};
use crate::schema::{self, SERIES};
use crate::{BlockError, WriterConfig};

/// Rows of the batches handed to the encoder.
const BATCH: usize = 65_536;

/// A name gets a column when at least one series in so many has it.
const HOT_SHARE: u64 = 1_000;

/// Strings and their codes, in order of first appearance.
#[derive(Default)]
struct Dictionary {
    codes: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Dictionary {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.codes.get(text) {
            return code;
        }
        let (code, text) = (self.texts.len() as u32, Arc::<str>::from(text));
        self.codes.insert(Arc::clone(&text), code);
        self.texts.push(text);
        code
    }

    fn array(&self) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(&self.texts))
    }
}

/// A label name: its values and how many series have it.
#[derive(Default)]
struct Name {
    values: Dictionary,
    series: u64,
}

/// The labels and metadata of all series so far.
#[derive(Default)]
pub(super) struct LabelTable {
    names: Dictionary,
    by_name: Vec<Name>,
    /// Codes of name and value of all series, one series after the other.
    pairs: Vec<(u32, u32)>,
    /// Where each series' pairs end.
    ends: Vec<usize>,
    metadata: Dictionary,
    /// Codes of type, unit and help; [`NONE`] when unknown.
    described: Vec<[u32; 3]>,
}

const NONE: u32 = u32::MAX;

/// What a series table has columns for.
struct Layout {
    /// Codes of the names with columns, in the order of the columns; the metric name first.
    hot: Vec<Option<u32>>,
    /// The column of a name by its code.
    column: HashMap<u32, usize>,
    schema: SchemaRef,
}

impl LabelTable {
    /// Series so far.
    pub(super) fn series(&self) -> usize {
        self.ends.len()
    }

    /// Adds a series and returns its id.
    pub(super) fn push(
        &mut self,
        labels: &Labels,
        metadata: Option<&MetricMetadata>,
    ) -> Result<i32, BlockError> {
        let id = i32::try_from(self.ends.len())
            .map_err(|_| BlockError::TooLarge { what: "too many series", limit: i32::MAX as u64 })?;
        for (name, value) in labels.iter() {
            let name = self.names.code(name);
            if name as usize == self.by_name.len() {
                self.by_name.push(Name::default());
            }
            if let Some(known) = self.by_name.get_mut(name as usize) {
                known.series += 1;
                self.pairs.push((name, known.values.code(value)));
            }
        }
        self.ends.push(self.pairs.len());
        let mut code = |text: &str| {
            if text.is_empty() { NONE } else { self.metadata.code(text) }
        };
        self.described.push(metadata.map_or([NONE; 3], |metadata| {
            [code(metadata.metric_type.as_str()), code(&metadata.unit), code(&metadata.help)]
        }));
        Ok(id)
    }

    /// Writes `series.parquet`.
    pub(super) fn finish(self, dir: &Path, config: &WriterConfig) -> Result<Finished, BlockError> {
        let layout = self.layout(config.hot_labels);
        let properties = schema::table_properties(config);
        let mut output = Output::create(dir, SERIES, Arc::clone(&layout.schema), properties)?;
        let values: Vec<ArrayRef> = layout.hot.iter().map(|name| self.values(*name)).collect();
        let metadata = self.metadata.array();
        for start in (0..self.series()).step_by(BATCH) {
            let rows = start..self.series().min(start + BATCH);
            let batch = self.batch(&layout, &values, &metadata, rows);
            output.write(&batch.map_err(|error| BlockError::encode(SERIES, &error.into()))?)?;
        }
        output.finish()
    }

    fn values(&self, name: Option<u32>) -> ArrayRef {
        let name = name.and_then(|name| self.by_name.get(name as usize));
        name.map_or_else(|| Dictionary::default().array(), |name| name.values.array())
    }

    /// Chooses the names with columns: the most frequent ones, of names that differ only in case just one
    /// (DuckDB's columns know no case), then in the order of names.
    fn layout(&self, limit: usize) -> Layout {
        let threshold = self.series() as u64 / HOT_SHARE;
        let named = self.names.texts.iter().zip(&self.by_name).zip(0u32..);
        let mut ranked: Vec<(Reverse<u64>, &str, u32)> = named
            .map(|((text, name), code)| (Reverse(name.series), &**text, code))
            .filter(|(series, text, _)| *text != METRIC_NAME && series.0 >= threshold)
            .collect();
        ranked.sort_unstable();
        let mut folded = HashSet::new();
        ranked.retain(|(_, text, _)| folded.len() < limit && folded.insert(text.to_lowercase()));
        ranked.sort_unstable_by_key(|(_, text, _)| *text);
        let metric = self.names.codes.get(METRIC_NAME).copied();
        let hot: Vec<Option<u32>> =
            std::iter::once(metric).chain(ranked.iter().map(|(_, _, code)| Some(*code))).collect();
        let columns = hot.iter().enumerate();
        Layout {
            column: columns.filter_map(|(at, code)| Some(((*code)?, at))).collect(),
            schema: schema::series(ranked.iter().map(|(_, text, _)| *text)),
            hot,
        }
    }

    fn batch(
        &self,
        layout: &Layout,
        values: &[ArrayRef],
        metadata: &ArrayRef,
        rows: std::ops::Range<usize>,
    ) -> Result<RecordBatch, arrow::error::ArrowError> {
        let mut hot: Vec<Vec<Option<i32>>> = vec![vec![None; rows.len()]; layout.hot.len()];
        let mut rest = MapBuilder::new(Some(field_names()), StringBuilder::new(), StringBuilder::new());
        for (at, row) in rows.clone().enumerate() {
            let mut others = false;
            for &(name, value) in self.pairs_of(row) {
                let column = layout.column.get(&name).and_then(|&column| hot.get_mut(column)?.get_mut(at));
                if let Some(cell) = column {
                    *cell = Some(value as i32);
                } else {
                    others = true;
                    rest.keys().append_value(self.names.texts.get(name as usize).map_or("", |text| text));
                    rest.values().append_value(self.value_text(name, value));
                }
            }
            rest.append(others)?;
        }
        let ids = rows.start as i32..rows.end as i32;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from_iter_values(ids))];
        for (codes, values) in hot.into_iter().zip(values) {
            columns.push(coded(codes, values)?);
        }
        columns.push(Arc::new(rest.finish()));
        for which in 0..3 {
            let described = self.described.get(rows.clone()).unwrap_or_default();
            let codes = described.iter().map(|codes| codes.get(which).copied());
            let codes = codes.map(|code| code.filter(|&code| code != NONE).map(|code| code as i32));
            columns.push(coded(codes.collect(), metadata)?);
        }
        RecordBatch::try_new(Arc::clone(&layout.schema), columns)
    }

    fn pairs_of(&self, row: usize) -> &[(u32, u32)] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(row).copied().unwrap_or_default();
        self.pairs.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    fn value_text(&self, name: u32, value: u32) -> &str {
        let name = self.by_name.get(name as usize);
        name.and_then(|name| name.values.texts.get(value as usize)).map_or("", |text| text)
    }
}

fn field_names() -> MapFieldNames {
    MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() }
}

fn coded(codes: Vec<Option<i32>>, values: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    let keys = Int32Array::from(codes);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(values))?))
}
