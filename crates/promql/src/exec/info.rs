//! `info`: adds the labels of info series to the elements of a vector. Both are of one target if they have the same
//! identifying labels, `instance` and `job`. The vector is held, as it says which info series are read.

use std::collections::HashMap;

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME};

use super::info_series::InfoSeries;
use super::merge::Merger;
use super::row::Row;
use super::tile::{Tile, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::QueryError;
use crate::plan::InfoCall;

/// See the module.
pub(super) struct InfoOperator {
    env: Env,
    grid: Grid,
    call: InfoCall,
    input: Option<BoxOperator>,
}

impl InfoOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, call: &InfoCall) -> Self {
        Self { env: env.clone(), grid, call: call.clone(), input: Some(input) }
    }

    fn gather(&self, mut input: BoxOperator) -> Result<Tile, QueryError> {
        let mut rows = Tile::new(&self.env.control, self.grid.len())?;
        while let Some(tile) = input.next()? {
            self.env.control.check()?;
            tile.rows().try_for_each(|row| rows.push_row(row.labels.clone(), row))?;
        }
        Ok(rows)
    }

    /// Whether a series is an info series itself, which is left as it is.
    fn is_info(&self, labels: &Labels) -> bool {
        let name = labels.metric_name().unwrap_or_default();
        self.call.names.iter().all(|matcher| matcher.matches(name))
    }

    /// Whether elements stay that no info series adds labels to.
    fn may_lack_labels(&self) -> bool {
        self.call.labels.iter().all(|matcher| matcher.matches_empty())
    }

    /// Adds a row with the labels that its target has at each step: where these change, the row is split.
    fn enrich(&self, row: Row<'_>, series: &InfoSeries, merger: &mut Merger) -> Result<(), QueryError> {
        let metrics = series.of_target(row.labels);
        if metrics.is_empty() {
            return if self.may_lack_labels() { merger.add(row) } else { Ok(()) };
        }
        let mut out = Tile::new(&self.env.control, self.grid.len())?;
        let mut places = HashMap::<Vec<u32>, Option<usize>>::new();
        let (mut current, mut place) = (Vec::new(), None);
        for step in (0..row.values.len()).filter(|step| is_present(row.values[*step])) {
            let newest = metrics.iter().map(|metric| metric.newest(step));
            if current.is_empty() || !newest.clone().eq(current.iter().copied()) {
                current = newest.collect();
                place = match places.get(&current) {
                    Some(place) => *place,
                    None => self.new_row(row, &current, series, &mut out)?,
                };
                places.insert(current.clone(), place);
            }
            if let Some(place) = place {
                out.set(place, step, row.get(step))?;
            }
        }
        merger.add_tile(&out)
    }

    /// A new row for the labels that these info series add; `None` if the call's matchers ask for more.
    fn new_row(
        &self,
        base: Row<'_>,
        chosen: &[u32],
        series: &InfoSeries,
        out: &mut Tile,
    ) -> Result<Option<usize>, QueryError> {
        let chosen: Vec<&Labels> = chosen.iter().filter_map(|number| series.labels(*number)).collect();
        if chosen.is_empty() && !self.may_lack_labels() {
            return Ok(None);
        }
        out.push(self.enriched(base.labels, &chosen)?)?;
        out.set_drops_name(out.len() - 1, base.drops_name);
        Ok(Some(out.len() - 1))
    }

    fn enriched(&self, base: &Labels, chosen: &[&Labels]) -> Result<Labels, QueryError> {
        let wanted = &self.call.labels;
        let is_wanted = |name: &str| {
            name != METRIC_NAME && (wanted.is_empty() || wanted.iter().any(|matcher| matcher.name() == name))
        };
        let mut builder = LabelsBuilder::from(base);
        let mut added = HashMap::<&str, &str>::new();
        for (name, value) in chosen.iter().flat_map(|labels| labels.iter()).filter(|pair| is_wanted(pair.0)) {
            if base.get(name).is_some() {
                continue;
            }
            if added.insert(name, value).is_some_and(|other| other != value) {
                return Err(QueryError::execution(format!("conflicting label: {name}")));
            }
            builder.set(name, value);
        }
        Ok(builder.build())
    }
}

impl Operator for InfoOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(input) = self.input.take() else {
            return Ok(None);
        };
        let rows = self.gather(input)?;
        let targets: Vec<bool> = rows.rows().map(|row| !self.is_info(row.labels)).collect();
        let series = InfoSeries::read(&self.env, self.grid, &self.call.scan, &rows, &targets)?;
        let mut merger = Merger::new(&self.env.control, self.grid.len(), false)?;
        for (row, is_target) in rows.rows().zip(targets) {
            self.env.control.check()?;
            if is_target {
                self.enrich(row, &series, &mut merger)?;
            } else {
                merger.add(row)?;
            }
        }
        Ok(merger.finish().non_empty())
    }
}
