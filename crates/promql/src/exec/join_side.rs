//! The side of a binary operation whose elements are unique to their match group: it is held, by group, with what is
//! known of matches so far.

use std::collections::HashMap;

use latewood_model::Labels;

use super::matching::signature;
use super::tile::{Tile, is_present};
use super::{BoxOperator, Env};
use crate::ast::{Cardinality, Matching};
use crate::{QueryError, Reservation};

/// See the module.
pub(super) struct OneSide {
    env: Env,
    steps: usize,
    matching: Matching,
    /// Once it is held.
    pub(super) rows: Option<Tile>,
    groups: HashMap<Labels, Group>,
    /// For each step two rows of one group, where there are any.
    duplicates: HashMap<usize, [usize; 2]>,
    held: Reservation,
}

/// The rows of a match group, by their numbers.
#[derive(Default)]
pub(super) struct Group {
    pub(super) rows: Vec<usize>,
    /// For each step the first of them with an element, where there are several.
    first: Vec<Option<usize>>,
    /// At which steps an element of the other side has matched; only kept for one-to-one, and where the other side
    /// is filled.
    pub(super) matched: Vec<bool>,
    /// At which steps which result labels came out; only kept for many-to-one.
    pub(super) results: HashMap<Labels, Vec<bool>>,
}

impl OneSide {
    pub(super) fn new(env: &Env, steps: usize, matching: &Matching) -> Result<Self, QueryError> {
        Ok(Self {
            env: env.clone(),
            steps,
            matching: matching.clone(),
            rows: None,
            groups: HashMap::new(),
            duplicates: HashMap::new(),
            held: env.control.reserve(0)?,
        })
    }

    /// Takes all rows in.
    pub(super) fn hold(&mut self, mut one: BoxOperator) -> Result<(), QueryError> {
        let mut rows = Tile::new(&self.env.control, self.steps)?;
        while let Some(tile) = one.next()? {
            self.env.control.check()?;
            for row in tile.rows() {
                let key = signature(row.labels, &self.matching);
                self.held.grow(key.heap_size() as u64 + 128)?;
                let group = self.groups.entry(key).or_default();
                if let [first, others @ ..] = group.rows.as_slice() {
                    if others.is_empty() {
                        self.held
                            .grow((self.steps as u64).saturating_mul(size_of::<Option<usize>>() as u64))?;
                        let there = rows.row(*first).values.iter();
                        group.first = there.map(|value| is_present(*value).then_some(*first)).collect();
                    }
                    let present = group.first.iter_mut().zip(row.values).enumerate();
                    for (step, (first, _)) in present.filter(|(_, (_, value))| is_present(**value)) {
                        match first {
                            Some(first) => _ = self.duplicates.entry(step).or_insert([*first, rows.len()]),
                            None => *first = Some(rows.len()),
                        }
                    }
                }
                group.rows.push(rows.len());
                rows.push_row(row.labels.clone(), row)?;
            }
        }
        self.rows = Some(rows);
        Ok(())
    }

    /// A match group, to be put back; one without rows if its rows are filled; otherwise `None` if there is none.
    pub(super) fn take_group(&mut self, key: &Labels) -> Result<Option<Group>, QueryError> {
        let known = self.groups.remove(key);
        if known.is_some() || self.matching.fill.right.is_none() {
            return Ok(known);
        }
        self.held.grow(key.heap_size() as u64 + 128)?;
        Ok(Some(Group::default()))
    }

    /// Puts a match group back.
    pub(super) fn put_back(&mut self, key: Labels, group: Group) {
        self.groups.insert(key, group);
    }

    /// Adds marks; whether one was there already.
    pub(super) fn mark(&mut self, marks: &mut Vec<bool>, met: &[bool]) -> Result<bool, QueryError> {
        if marks.is_empty() {
            self.held.grow(self.steps as u64 + 64)?;
            marks.resize(self.steps, false);
        }
        let mut twice = false;
        for (mark, &met) in marks.iter_mut().zip(met) {
            twice |= *mark && met;
            *mark |= met;
        }
        Ok(twice)
    }

    /// Fails if it is ambiguous at a step at which the other side has this row.
    pub(super) fn refuse_duplicates(&self, one: &Tile, row: &[f64]) -> Result<(), QueryError> {
        if self.duplicates.is_empty() {
            return Ok(());
        }
        let mut present = row.iter().enumerate().filter(|(_, value)| is_present(**value));
        let pair = present.find_map(|(step, _)| self.duplicates.get(&step));
        pair.map_or(Ok(()), |pair| Err(self.ambiguous(one, *pair)))
    }

    /// Fails if it is ambiguous at any step.
    pub(super) fn refuse_any_duplicates(&self, one: &Tile) -> Result<(), QueryError> {
        let first = self.duplicates.iter().min_by_key(|(step, _)| **step);
        first.map_or(Ok(()), |(_, pair)| Err(self.ambiguous(one, *pair)))
    }

    fn ambiguous(&self, one: &Tile, pair: [usize; 2]) -> QueryError {
        let mut texts = pair.map(|row| one.labels(row).to_string());
        texts.sort();
        let group = match_labels(one.labels(pair[0]), &self.matching);
        let side = if self.matching.cardinality == Cardinality::OneToMany { "left" } else { "right" };
        QueryError::execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            texts[0], texts[1],
        ))
    }
}

/// The labels that a match group is about, as error texts show them.
fn match_labels(labels: &Labels, matching: &Matching) -> Labels {
    let names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
    if matching.on { labels.keep(&names) } else { signature(labels, matching) }
}
