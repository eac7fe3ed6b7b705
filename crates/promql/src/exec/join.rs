//! Binary operations on two vectors. The side whose elements are unique to their match group (the "one"
//! side) is held, the other streams.
//!
//! Errors depend on what is there at a step: two elements of one match group on the "one" side matter only
//! at steps where the other side has anything.

use latewood_model::Labels;

use super::arithmetic::{compare, element_binary};
use super::fill::StandIn;
use super::histograms::{Operand, binary};
use super::join_side::{Group, OneSide};
use super::matching::{result_labels, signature};
use super::merge::Merger;
use super::row::{Row, RowMut};
use super::tile::{Tile, absent, has_values, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::ast::{BinaryOp, Cardinality, Matching};
use crate::plan::VectorBinary;
use crate::{QueryError, SampleValue};

/// See the module.
pub(super) struct JoinOperator {
    env: Env,
    steps: usize,
    op: BinaryOp,
    return_bool: bool,
    matching: Matching,
    many: Option<BoxOperator>,
    one: Option<BoxOperator>,
    side: OneSide,
    /// The next row of the "one" side to be looked at once the other side has ended: it may want a stand-in.
    unmatched: usize,
    /// Whether results of different rows may have equal labels.
    merges: bool,
}

impl JoinOperator {
    /// `unique` says that results of different rows have different labels.
    pub(super) fn new(
        env: &Env,
        grid: Grid,
        binary: &VectorBinary,
        [left, right]: [BoxOperator; 2],
        unique: bool,
    ) -> Result<Self, QueryError> {
        let swapped = binary.matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        Ok(Self {
            env: env.clone(),
            steps: grid.len(),
            op: binary.op,
            return_bool: binary.return_bool,
            matching: binary.matching.clone(),
            many: Some(many),
            one: Some(one),
            side: OneSide::new(env, grid.len(), &binary.matching)?,
            unmatched: 0,
            merges: !unique || binary.matching.fill.is_some(),
        })
    }

    /// The results of one row of the "many" side.
    fn join_row(&mut self, one: &Tile, row: Row<'_>, out: &mut Tile) -> Result<(), QueryError> {
        self.side.refuse_duplicates(one, row.values)?;
        let key = signature(row.labels, &self.matching);
        let Some(mut group) = self.side.take_group(&key)? else {
            return Ok(());
        };
        let mut partners: Vec<Row<'_>> = group.rows.iter().map(|number| one.row(*number)).collect();
        let fill = StandIn::for_partners(self.matching.fill.right, &key, row.values, &partners);
        partners.extend(fill.as_ref().map(StandIn::row));
        for (index, other) in partners.into_iter().enumerate() {
            self.env.control.check()?;
            self.join_pair(&mut group, row, other, index == 0, out)?;
        }
        self.side.put_back(key, group);
        Ok(())
    }

    /// The results of two rows.
    fn join_pair(
        &mut self,
        group: &mut Group,
        many: Row<'_>,
        one: Row<'_>,
        first: bool,
        out: &mut Tile,
    ) -> Result<(), QueryError> {
        let drops_name = self.return_bool && !self.env.delays_names;
        let labels = result_labels(many.labels, one.labels, self.op, drops_name, &self.matching);
        // Without included labels all partners lead to the same labels, at different steps.
        if first || !self.matching.include.is_empty() {
            out.push(labels.clone())?;
            out.set_drops_name(out.len() - 1, self.return_bool && self.env.delays_names);
        }
        let mut target = out.row_mut(out.len() - 1);
        let is_mixed = many.has_histograms() || one.has_histograms() || self.op.is_trim();
        let met = if is_mixed {
            self.combine_mixed(many, one, &mut target)
        } else {
            self.combine(many.values, one.values, target.values)
        };
        let grown = target.take_grown();
        out.book(grown)?;
        self.refuse_ambiguous(group, labels, &met)
    }

    /// The results of rows of the "one" side that no row of the other side has met, if that side is filled.
    fn join_unmatched(&mut self, one: &Tile) -> Result<Option<Tile>, QueryError> {
        let mut out = Tile::new(&self.env.control, self.steps)?;
        while self.matching.fill.left.is_some() && self.unmatched < one.len() && !out.is_full() {
            self.env.control.check()?;
            let row = one.row(self.unmatched);
            self.unmatched += 1;
            let key = signature(row.labels, &self.matching);
            let Some(mut group) = self.side.take_group(&key)? else { continue };
            let fill = StandIn::for_unmatched(self.matching.fill.left, &key, row.values, &group.matched);
            if let Some(fill) = &fill {
                self.join_pair(&mut group, fill.row(), row, true, &mut out)?;
                if !has_values(out.row(out.len() - 1).values) {
                    out.pop();
                }
            }
            self.side.put_back(key, group);
        }
        Ok(out.non_empty())
    }

    /// Fills a row of results; at which steps both sides were there.
    fn combine(&self, many: &[f64], one: &[f64], target: &mut [f64]) -> Vec<bool> {
        let swapped = self.matching.cardinality == Cardinality::OneToMany;
        let values = many.iter().zip(one).zip(target);
        let combine = |((&many, &one), target): ((&f64, &f64), &mut f64)| {
            if !is_present(many) || !is_present(one) {
                return false;
            }
            let (left, right) = if swapped { (one, many) } else { (many, one) };
            *target = match compare(self.op, left, right) {
                Some(holds) if self.return_bool => f64::from(u8::from(holds)),
                _ => element_binary(self.op, left, right).unwrap_or_else(absent),
            };
            true
        };
        values.map(combine).collect()
    }

    /// The same where there are histograms. Two that an operator has no meaning for have not met.
    fn combine_mixed(&self, many: Row<'_>, one: Row<'_>, target: &mut RowMut<'_>) -> Vec<bool> {
        let swapped = self.matching.cardinality == Cardinality::OneToMany;
        let mut met = vec![false; self.steps];
        for (step, met) in met.iter_mut().enumerate() {
            let (many_value, one_value) = (many.values[step], one.values[step]);
            if !is_present(many_value) || !is_present(one_value) {
                continue;
            }
            let many = many.histogram(step).map_or(Operand::Float(many_value), Operand::Histogram);
            let one = one.histogram(step).map_or(Operand::Float(one_value), Operand::Histogram);
            let (left, right) = if swapped { (one, many) } else { (many, one) };
            let result = match (left, right) {
                (Operand::Float(left), Operand::Float(right)) if !self.op.is_trim() => {
                    Ok(element_binary(self.op, left, right).map(SampleValue::Float))
                }
                _ => binary(&self.env, self.op, left, right),
            };
            let Ok(result) = result else { continue };
            *met = true;
            let truth = || SampleValue::Float(f64::from(u8::from(result.is_some())));
            let value = if self.return_bool { Some(truth()) } else { result };
            target.set(step, value);
        }
        met
    }

    fn refuse_ambiguous(
        &mut self,
        group: &mut Group,
        labels: Labels,
        met: &[bool],
    ) -> Result<(), QueryError> {
        if !met.contains(&true) {
            return Ok(());
        }
        let twice = if self.matching.cardinality == Cardinality::OneToOne {
            self.side.mark(&mut group.matched, met)?.then_some(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            )
        } else {
            if self.matching.fill.left.is_some() {
                self.side.mark(&mut group.matched, met)?;
            }
            let ambiguous = self.merges && self.side.mark(group.results.entry(labels).or_default(), met)?;
            ambiguous.then_some("multiple matches for labels: grouping labels must ensure unique matches")
        };
        twice.map_or(Ok(()), |text| Err(QueryError::execution(text)))
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        if let Some(one) = self.one.take() {
            self.side.hold(one)?;
        }
        let Some(one) = self.side.rows.take() else {
            return Ok(None);
        };
        if self.matching.fill.is_some() {
            self.side.refuse_any_duplicates(&one)?;
        }
        let mut result = self.join_tiles(&one)?;
        if result.is_none() {
            result = self.join_unmatched(&one)?;
        }
        self.side.rows = result.is_some().then_some(one);
        Ok(result)
    }

    /// The results of the next tile of the "many" side that has any.
    fn join_tiles(&mut self, one: &Tile) -> Result<Option<Tile>, QueryError> {
        let Some(mut many) = self.many.take() else {
            return Ok(None);
        };
        while let Some(tile) = many.next()? {
            let mut out = Tile::new(&self.env.control, self.steps)?;
            for row in tile.rows() {
                self.env.control.check()?;
                self.join_row(one, row, &mut out)?;
            }
            out.drop_empty_rows();
            if !out.is_empty() {
                self.many = Some(many);
                return Ok(Some(out));
            }
        }
        Ok(None)
    }
}

impl Operator for JoinOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        if !self.merges {
            return self.next_tile();
        }
        Merger::new(&self.env.control, self.steps, false)?.of_all(|| self.next_tile())
    }
}
