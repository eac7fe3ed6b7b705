//! A column of strings in memory: distinct values once, a code a row.

use arrow::array::{Array, AsArray, DictionaryArray, RecordBatch};
use arrow::datatypes::Int32Type;

use super::codes::Codes;
use super::texts::{Interner, Texts};
use crate::BlockError;
use crate::schema::SERIES;

/// A column of strings. Code 0 is "not there", code n the value n - 1.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) values: Texts,
    pub(super) codes: Codes,
}

impl Column {
    /// The value of a row, `None` when it has none.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.codes.get(row).checked_sub(1).map(|number| self.values.get(number))
    }

    pub(super) fn weight(&self) -> usize {
        self.values.weight() + self.codes.weight()
    }
}

/// Collects a [`Column`] from batches.
#[derive(Default)]
pub(super) struct ColumnBuilder {
    interner: Interner,
    codes: Codes,
}

impl ColumnBuilder {
    /// Appends the column `at` of a batch. Empty strings count as not there: labels are never empty.
    pub(super) fn append(&mut self, batch: &RecordBatch, at: usize) -> Result<(), BlockError> {
        let array = dictionary(batch, at)?;
        let values = array.values().as_string_opt::<i32>();
        let values = values.ok_or_else(|| BlockError::corrupt(SERIES, "a dictionary holds no strings"))?;
        // A dictionary may hold values that no row of this batch uses: only used ones are taken.
        let mut known: Vec<Option<u32>> = vec![None; values.len()];
        self.codes.reserve(array.len());
        for key in array.keys() {
            let Some(key) = key.and_then(|key| usize::try_from(key).ok()) else {
                self.codes.push(0);
                continue;
            };
            let slot = known.get_mut(key);
            let slot =
                slot.ok_or_else(|| BlockError::corrupt(SERIES, "a code leads outside its dictionary"))?;
            let code = *slot.get_or_insert_with(|| match values.value(key) {
                "" => 0,
                text => self.interner.number(text) + 1,
            });
            self.codes.push(code);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Column {
        self.codes.shrink_to_fit();
        Column { values: self.interner.finish(), codes: self.codes }
    }
}

fn dictionary(batch: &RecordBatch, at: usize) -> Result<&DictionaryArray<Int32Type>, BlockError> {
    let column = batch.columns().get(at);
    let column = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
    column.ok_or_else(|| BlockError::corrupt(SERIES, format!("column {at} holds no strings")))
}
