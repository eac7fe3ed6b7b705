//! `count_values`: how often each value occurs in a group.

use std::collections::HashMap;

use latewood_model::{Labels, LabelsBuilder};

use super::groups::Groups;
use super::row::{Row, is_histogram};
use super::tile::{Tile, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::QueryError;
use crate::plan::AggregateNode;

/// See the module.
pub(super) struct CountValuesOperator {
    env: Env,
    steps: usize,
    input: Option<BoxOperator>,
    groups: Groups,
    label: String,
}

impl CountValuesOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, node: &AggregateNode) -> Self {
        Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(input),
            groups: Groups::new(node, false),
            label: node.label.clone().unwrap_or_default(),
        }
    }

    fn count(
        &self,
        row: Row<'_>,
        index: &mut HashMap<Labels, usize>,
        counts: &mut Tile,
    ) -> Result<(), QueryError> {
        let mut rows: HashMap<u64, usize> = HashMap::new();
        for (step, &value) in row.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
            let known = rows.get(&value.to_bits()).filter(|_| !is_histogram(value));
            let found = match known {
                Some(&found) => found,
                None => {
                    let mut builder = LabelsBuilder::from(row.labels);
                    let text = row.histogram(step).map(|histogram| crate::print::histogram(histogram));
                    builder.set(&self.label, &text.unwrap_or_else(|| decimal(value)));
                    let key = self.groups.key(&builder.build());
                    let found = *index.entry(key.clone()).or_insert_with(|| counts.len());
                    if found == counts.len() {
                        counts.push(key)?;
                    }
                    rows.insert(value.to_bits(), found);
                    found
                }
            };
            let count = &mut counts.row_mut(found).values[step];
            *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
        }
        Ok(())
    }
}

/// A value in decimal digits without an exponent, as Go's `FormatFloat(value, 'f', -1, 64)`.
fn decimal(value: f64) -> String {
    if value.is_infinite() {
        return (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned();
    }
    value.to_string()
}

impl Operator for CountValuesOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let (mut index, mut counts) = (HashMap::new(), Tile::new(&self.env.control, self.steps)?);
        while let Some(tile) = input.next()? {
            for row in tile.rows() {
                self.env.control.check()?;
                self.count(row, &mut index, &mut counts)?;
            }
        }
        Ok(counts.non_empty())
    }
}
