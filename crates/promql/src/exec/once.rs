//! What is the same at every step: evaluated at the first one, then repeated.

use super::tile::Tile;
use super::{BoxOperator, Env, Grid, Operator};
use crate::QueryError;

/// Spreads the single step of its input over all steps.
pub(super) struct OnceOperator {
    env: Env,
    steps: usize,
    input: BoxOperator,
    tile: Option<(Tile, usize)>,
}

impl OnceOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator) -> Self {
        Self { env: env.clone(), steps: grid.len(), input, tile: None }
    }
}

impl Operator for OnceOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        self.env.control.check()?;
        if self.tile.as_ref().is_none_or(|(tile, row)| *row >= tile.len()) {
            self.tile = self.input.next()?.map(|tile| (tile, 0));
        }
        let Some((source, row)) = &mut self.tile else {
            return Ok(None);
        };
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        while *row < source.len() && !tile.is_full() {
            let from = source.row(*row);
            let value = from.values.first().copied().unwrap_or_else(super::tile::absent);
            tile.push(source.labels(*row).clone())?.fill(value);
            tile.set_drops_name(tile.len() - 1, from.drops_name);
            if from.has_histograms() {
                let value = from.get(0);
                (0..self.steps).try_for_each(|step| tile.set(tile.len() - 1, step, value.clone()))?;
            }
            *row += 1;
        }
        let samples = tile.len() * self.steps;
        tile.count_samples(samples)?;
        Ok(tile.non_empty())
    }
}
