//! `absent` and `absent_over_time`: a single element where there is nothing.

use latewood_model::Labels;

use super::rollups::RunsOperator;
use super::tile::{Tile, has_values, is_present};
use super::windows::{WindowFeed, Windows, samples_of};
use super::{BoxOperator, Env, Grid, Operator};
use crate::QueryError;
use crate::plan::{WindowCall, WindowInput};

/// See the module.
pub(super) struct AbsentOperator {
    env: Env,
    steps: usize,
    input: Option<Input>,
    labels: Labels,
    /// Upstream drops type and unit from what `absent_over_time` gives, at the end, and not from `absent`.
    drops_name: bool,
}

enum Input {
    Vector(BoxOperator),
    Windows(Box<WindowFeed>, Box<Windows>),
}

impl AbsentOperator {
    /// `absent`
    pub(super) fn of_vector(env: &Env, grid: Grid, input: BoxOperator, labels: &Labels) -> Self {
        Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(Input::Vector(input)),
            labels: labels.clone(),
            drops_name: false,
        }
    }

    /// `absent_over_time`, of windows or of what says where they have samples.
    pub(super) fn of_windows(
        env: &Env,
        grid: Grid,
        call: &WindowCall,
        present: Option<RunsOperator>,
    ) -> Result<Self, QueryError> {
        let input = match present {
            Some(present) => Input::Vector(Box::new(present)),
            None => Input::Windows(
                Box::new(WindowFeed::new(env, grid, &call.input)?),
                Box::new(Windows::new(env, grid, &call.input)?),
            ),
        };
        let labels = match &call.input {
            WindowInput::Samples { absent_labels, .. } => absent_labels.clone(),
            WindowInput::Subquery { .. } => Labels::empty(),
        };
        Ok(Self {
            env: env.clone(),
            steps: grid.len(),
            input: Some(input),
            labels,
            drops_name: env.delays_names,
        })
    }
}

impl Operator for AbsentOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(input) = self.input.take() else {
            return Ok(None);
        };
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        let row = tile.push(self.labels.clone())?;
        row.fill(1.0);
        match input {
            Input::Vector(mut operator) => {
                while let Some(tile) = operator.next()? {
                    for there in tile.rows() {
                        let pairs = row.iter_mut().zip(there.values);
                        pairs
                            .filter(|(_, value)| is_present(**value))
                            .for_each(|(mark, _)| *mark = super::tile::absent());
                    }
                }
            }
            Input::Windows(mut feed, mut windows) => {
                while let Some(series) = feed.next()? {
                    windows.visit(&series, |step, window| {
                        self.env.counts.add_one_step(step, samples_of(window));
                        row[step] = super::tile::absent();
                        Ok(())
                    })?;
                }
            }
        }
        let is_absent = has_values(row);
        tile.set_drops_name(0, self.drops_name);
        Ok(is_absent.then_some(tile))
    }
}
