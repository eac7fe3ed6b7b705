//! `and`, `or`, `unless`: which elements stay is decided by whether the other side has their signature at
//! the same step.

use std::collections::HashMap;

use latewood_model::Labels;

use super::matching::signature;
use super::merge::Merger;
use super::row::RowMut;
use super::tile::{Tile, absent, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::ast::{BinaryOp, Matching};
use crate::plan::VectorBinary;
use crate::{QueryError, Reservation};

/// At which steps a side has which signatures.
struct Presence {
    matching: Matching,
    steps: usize,
    marks: HashMap<Labels, Vec<bool>>,
    held: Reservation,
}

impl Presence {
    fn new(env: &Env, steps: usize, matching: &Matching) -> Result<Self, QueryError> {
        Ok(Self { matching: matching.clone(), steps, marks: HashMap::new(), held: env.control.reserve(0)? })
    }

    fn mark(&mut self, tile: &Tile) -> Result<(), QueryError> {
        for row in tile.rows() {
            let key = signature(row.labels, &self.matching);
            if !self.marks.contains_key(&key) {
                self.held.grow((self.steps + key.heap_size() + 48) as u64)?;
                self.marks.insert(key.clone(), vec![false; self.steps]);
            }
            if let Some(marks) = self.marks.get_mut(&key) {
                let pairs = marks.iter_mut().zip(row.values);
                pairs.for_each(|(mark, &value)| *mark |= is_present(value));
            }
        }
        Ok(())
    }

    /// Leaves the values whose signature is there (true) or is not.
    fn keep(&self, tile: &mut Tile, there: bool) {
        for row in 0..tile.len() {
            let RowMut { labels, values, .. } = tile.row_mut(row);
            match self.marks.get(&signature(labels, &self.matching)) {
                Some(marks) => values
                    .iter_mut()
                    .zip(marks)
                    .filter(|(_, mark)| **mark != there)
                    .for_each(|(value, _)| *value = absent()),
                None if there => values.fill(absent()),
                None => {}
            }
        }
        tile.drop_empty_rows();
    }
}

/// `and` and `unless`: the right side's signatures are held, the left side streams.
pub(super) struct FilterOperator {
    env: Env,
    keeps_matched: bool,
    left: BoxOperator,
    right: Option<BoxOperator>,
    presence: Presence,
}

impl FilterOperator {
    pub(super) fn new(
        env: &Env,
        grid: Grid,
        binary: &VectorBinary,
        [left, right]: [BoxOperator; 2],
    ) -> Result<Self, QueryError> {
        Ok(Self {
            env: env.clone(),
            keeps_matched: binary.op == BinaryOp::And,
            left,
            right: Some(right),
            presence: Presence::new(env, grid.len(), &binary.matching)?,
        })
    }
}

impl Operator for FilterOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        if let Some(mut right) = self.right.take() {
            while let Some(tile) = right.next()? {
                self.presence.mark(&tile)?;
            }
        }
        while let Some(mut tile) = self.left.next()? {
            self.env.control.check()?;
            self.presence.keep(&mut tile, self.keeps_matched);
            if !tile.is_empty() {
                return Ok(Some(tile));
            }
        }
        Ok(None)
    }
}

/// `or`: the left side streams and leaves its signatures, then the right side streams. Over several steps a
/// series may come from both sides; then all is held.
pub(super) struct OrOperator {
    env: Env,
    left: Option<BoxOperator>,
    right: BoxOperator,
    presence: Presence,
    merger: Option<Merger>,
}

impl OrOperator {
    pub(super) fn new(
        env: &Env,
        grid: Grid,
        binary: &VectorBinary,
        [left, right]: [BoxOperator; 2],
        disjoint: bool,
    ) -> Result<Self, QueryError> {
        let merger = (!disjoint).then(|| Merger::new(&env.control, grid.len(), false));
        Ok(Self {
            env: env.clone(),
            left: Some(left),
            right,
            presence: Presence::new(env, grid.len(), &binary.matching)?,
            merger: merger.transpose()?,
        })
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        self.env.control.check()?;
        if let Some(left) = &mut self.left {
            if let Some(tile) = left.next()? {
                self.presence.mark(&tile)?;
                return Ok(Some(tile));
            }
            self.left = None;
        }
        while let Some(mut tile) = self.right.next()? {
            self.presence.keep(&mut tile, false);
            if !tile.is_empty() {
                return Ok(Some(tile));
            }
        }
        Ok(None)
    }
}

impl Operator for OrOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        match self.merger.take() {
            None => self.next_tile(),
            Some(merger) => merger.of_all(|| self.next_tile()),
        }
    }
}
