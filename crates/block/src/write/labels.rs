//! The series table in the making: labels as codes until the block ends, when it is known which names are
//! frequent enough for a column of their own.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, MapBuilder, MapFieldNames, RecordBatch, StringBuilder,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use arrow::error::ArrowError;
use hashbrown::HashMap;
use latewood_model::{Labels, METRIC_NAME, MetricMetadata};

use super::dictionary::Dictionary;
use super::label_codes::{CodedSeries, LabelCodes, LabelCodesReader};
use super::output::{Finished, Output};
use crate::schema::{self, SERIES};
use crate::{BlockError, WriterConfig};

/// Rows of the batches handed to the encoder.
const BATCH: usize = 65_536;

/// A name gets a column when at least one series in so many has it.
const HOT_SHARE: u64 = 1_000;

/// A label name: its values and how many series have it.
#[derive(Default)]
struct Name {
    values: Dictionary,
    series: u64,
}

/// The labels and metadata of all series so far: distinct texts in memory, the series themselves on disk.
pub(super) struct LabelTable {
    names: Dictionary,
    by_name: Vec<Name>,
    metadata: Dictionary,
    codes: LabelCodes,
    /// The series being pushed, to use its memory again.
    open: CodedSeries,
    series: usize,
}

/// What a series table has columns for.
struct Layout {
    /// Codes of the names with columns, in the order of the columns; the metric name first.
    hot: Vec<Option<u32>>,
    /// The column of a name by its code.
    column: HashMap<u32, usize>,
    schema: SchemaRef,
}

impl LabelTable {
    /// An empty one, of a block in `dir`.
    pub(super) fn create(dir: &Path) -> Result<Self, BlockError> {
        Ok(Self {
            names: Dictionary::default(),
            by_name: Vec::new(),
            metadata: Dictionary::default(),
            codes: LabelCodes::create(dir)?,
            open: CodedSeries::default(),
            series: 0,
        })
    }

    /// Series so far.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    /// Adds a series and returns its id.
    pub(super) fn push(
        &mut self,
        labels: &Labels,
        metadata: Option<&MetricMetadata>,
    ) -> Result<i32, BlockError> {
        let id = i32::try_from(self.series)
            .map_err(|_| BlockError::TooLarge { what: "too many series", limit: i32::MAX as u64 })?;
        self.open.pairs.clear();
        for (name, value) in labels.iter() {
            let name = self.names.code(name)?;
            if name as usize == self.by_name.len() {
                self.by_name.push(Name::default());
            }
            if let Some(known) = self.by_name.get_mut(name as usize) {
                known.series += 1;
                self.open.pairs.push((name, known.values.code(value)?));
            }
        }
        self.open.described = self.described(metadata)?;
        self.codes.push(&self.open)?;
        self.series += 1;
        Ok(id)
    }

    fn described(&mut self, metadata: Option<&MetricMetadata>) -> Result<[Option<u32>; 3], BlockError> {
        let Some(metadata) = metadata else { return Ok([None; 3]) };
        let mut code = |text: &str| match text {
            "" => Ok(None),
            text => self.metadata.code(text).map(Some),
        };
        Ok([code(metadata.metric_type.as_str())?, code(&metadata.unit)?, code(&metadata.help)?])
    }

    /// Writes `series.parquet`.
    pub(super) fn finish(mut self, dir: &Path, config: &WriterConfig) -> Result<Finished, BlockError> {
        let layout = self.layout(config.hot_labels);
        let properties = schema::table_properties(config);
        let mut output = Output::create(dir, SERIES, Arc::clone(&layout.schema), properties)?;
        let texts = Texts {
            names: self.names,
            metadata: self.metadata.array(),
            hot: layout.hot.iter().map(|name| take_values(&mut self.by_name, *name)).collect(),
            by_name: self.by_name,
        };
        let mut codes = self.codes.read()?;
        for start in (0..self.series).step_by(BATCH) {
            let rows = start..self.series.min(start + BATCH);
            output.write(&texts.batch(&layout, rows, &mut codes)?)?;
        }
        codes.delete()?;
        output.finish()
    }

    /// Chooses the names with columns: the most frequent ones, of names that differ only in case just one
    /// (DuckDB's columns know no case), then in the order of names.
    fn layout(&self, limit: usize) -> Layout {
        let threshold = self.series as u64 / HOT_SHARE;
        let named = self.names.texts().zip(&self.by_name).zip(0u32..);
        let mut ranked: Vec<(Reverse<u64>, &str, u32)> = named
            .map(|((text, name), code)| (Reverse(name.series), text, code))
            .filter(|(series, text, _)| *text != METRIC_NAME && series.0 >= threshold)
            .collect();
        ranked.sort_unstable();
        let mut folded = HashSet::new();
        ranked.retain(|(_, text, _)| folded.len() < limit && folded.insert(text.to_lowercase()));
        ranked.sort_unstable_by_key(|(_, text, _)| *text);
        let metric = self.names.find(METRIC_NAME);
        let hot: Vec<Option<u32>> =
            std::iter::once(metric).chain(ranked.iter().map(|(_, _, code)| Some(*code))).collect();
        let columns = hot.iter().enumerate();
        Layout {
            column: columns.filter_map(|(at, code)| Some(((*code)?, at))).collect(),
            schema: schema::series(ranked.iter().map(|(_, text, _)| *text)),
            hot,
        }
    }
}

/// The values of a name as a column, which are not kept twice; none of none.
fn take_values(by_name: &mut [Name], name: Option<u32>) -> ArrayRef {
    let name = name.and_then(|name| by_name.get_mut(name as usize));
    name.map(std::mem::take).unwrap_or_default().values.array()
}

/// What codes stand for.
struct Texts {
    names: Dictionary,
    /// Of names without a column.
    by_name: Vec<Name>,
    /// The values of each name with a column.
    hot: Vec<ArrayRef>,
    metadata: ArrayRef,
}

impl Texts {
    /// The next rows of the table.
    fn batch(
        &self,
        layout: &Layout,
        rows: std::ops::Range<usize>,
        codes: &mut LabelCodesReader,
    ) -> Result<RecordBatch, BlockError> {
        let encode = |error: ArrowError| BlockError::encode(SERIES, &error.into());
        let mut hot: Vec<Vec<Option<i32>>> = vec![vec![None; rows.len()]; layout.hot.len()];
        let mut described: [Vec<Option<i32>>; 3] = Default::default();
        let mut rest = MapBuilder::new(Some(field_names()), StringBuilder::new(), StringBuilder::new());
        let mut series = CodedSeries::default();
        for at in 0..rows.len() {
            codes.next(&mut series)?;
            let mut others = false;
            for &(name, value) in &series.pairs {
                let column = layout.column.get(&name).and_then(|&column| hot.get_mut(column)?.get_mut(at));
                if let Some(cell) = column {
                    *cell = Some(value as i32);
                } else {
                    others = true;
                    rest.keys().append_value(self.names.text(name));
                    rest.values().append_value(self.value(name, value));
                }
            }
            rest.append(others).map_err(encode)?;
            let codes = series.described.iter().map(|code| code.map(|code| code as i32));
            described.iter_mut().zip(codes).for_each(|(column, code)| column.push(code));
        }
        let ids = rows.start as i32..rows.end as i32;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from_iter_values(ids))];
        for (codes, values) in hot.into_iter().zip(&self.hot) {
            columns.push(coded(codes, values).map_err(encode)?);
        }
        columns.push(Arc::new(rest.finish()));
        for codes in described {
            columns.push(coded(codes, &self.metadata).map_err(encode)?);
        }
        RecordBatch::try_new(Arc::clone(&layout.schema), columns).map_err(encode)
    }

    fn value(&self, name: u32, value: u32) -> &str {
        self.by_name.get(name as usize).map_or("", |name| name.values.text(value))
    }
}

fn field_names() -> MapFieldNames {
    MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() }
}

fn coded(codes: Vec<Option<i32>>, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let keys = Int32Array::from(codes);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(values))?))
}
