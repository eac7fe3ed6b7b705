//! Aggregations that keep some of a group's series as they are: `topk`, `bottomk`, `limitk`, `limit_ratio`.
//!
//! Which of equal elements stay is decided by a heap that works as Go's `container/heap`, as upstream.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_model::FloatHistogram;

use super::groups::Groups;
use super::kept_series::KeptSeries;
use super::pace::{Pace, sort_by};
use super::ratio;
use super::row::{Row, histogram_size};
use super::scalar::{Scalar, Values};
use super::tile::{Tile, is_present};
use super::{BoxOperator, Env, Grid, Operator};
use crate::ast::AggregateOp;
use crate::plan::AggregateNode;
use crate::{Notice, QueryError, Reservation, SampleValue};

/// See the module.
pub(super) struct TopkOperator {
    env: Env,
    steps: usize,
    op: AggregateOp,
    input: Option<BoxOperator>,
    groups: Groups,
    param: Option<Scalar>,
    /// Whose elements are kept.
    series: KeptSeries,
    /// The histograms of elements, by series and step.
    histograms: HashMap<(u32, usize), Arc<FloatHistogram>>,
    kept: Vec<Vec<Element>>,
}

/// A value and the number of its series.
type Element = (f64, u32);

impl TopkOperator {
    pub(super) fn new(env: &Env, grid: Grid, input: BoxOperator, node: &AggregateNode) -> Self {
        Self {
            env: env.clone(),
            steps: grid.len(),
            op: node.op,
            input: Some(input),
            groups: Groups::new(node, false),
            param: node.param.as_ref().map(|param| Scalar::new(env, grid, param)),
            series: KeptSeries::new(),
            histograms: HashMap::new(),
            kept: Vec::new(),
        }
    }

    fn fold(&mut self, tile: &Tile, limits: &[f64], held: &mut Reservation) -> Result<(), QueryError> {
        for row in tile.rows() {
            self.env.control.check()?;
            let (group, new) = self.groups.find(row.labels);
            if new {
                held.grow((self.steps as u64).saturating_mul(size_of::<Vec<Element>>() as u64))?;
                self.kept.resize(self.kept.len() + self.steps, Vec::new());
            }
            if self.fold_row(group, row, limits, held)? {
                self.series.keep(row, held)?;
            }
            // Of the other aggregations elements stay once they are kept.
            if self.orders_by_value() && self.series.are_many() {
                let elements = self.kept.iter_mut().flatten();
                self.series.sweep(elements.map(|(_, number)| number), held);
            }
        }
        Ok(())
    }

    /// Whether the greatest or the least are kept.
    fn orders_by_value(&self) -> bool {
        matches!(self.op, AggregateOp::Topk | AggregateOp::Bottomk)
    }

    /// Offers the elements of a row to those of its group, under the next number; whether any is kept.
    fn fold_row(
        &mut self,
        group: usize,
        row: Row<'_>,
        limits: &[f64],
        held: &mut Reservation,
    ) -> Result<bool, QueryError> {
        let (by_value, number) = (self.orders_by_value(), self.series.next()?);
        let offset = (self.op == AggregateOp::LimitRatio).then(|| ratio::offset(row.labels));
        let start = group * self.steps;
        let heaps = self.kept.get_mut(start..start + self.steps).unwrap_or_default();
        let (mut added, mut is_kept, mut pace) = (0, false, Pace::new(&self.env.control));
        let elements = heaps.iter_mut().zip(row.values).zip(limits).enumerate();
        for (step, ((heap, &value), &limit)) in elements.filter(|(_, ((_, value), _))| is_present(**value)) {
            pace.did(1)?;
            let histogram = row.histogram(step);
            if by_value && histogram.is_some() {
                if limit >= 1.0 {
                    self.env.add(&Notice::IgnoredInAggregation(self.op.as_str()));
                }
                continue;
            }
            let before = heap.len();
            let taken = offer(self.op, heap, (value, number), limit, offset);
            if let Some(histogram) = histogram.filter(|_| taken) {
                held.grow(histogram_size(histogram) + 32)?;
                self.histograms.insert((number, step), Arc::clone(histogram));
            }
            added += heap.len() - before;
            is_kept |= taken;
        }
        held.grow(added as u64 * 2 * size_of::<Element>() as u64)?;
        Ok(is_kept)
    }

    /// The parameter at each step; `None` when nothing can be kept.
    fn limits(&mut self) -> Result<Option<Vec<f64>>, QueryError> {
        let Some(param) = &mut self.param else {
            return Ok(None);
        };
        let values = param.values()?;
        let constant = matches!(values, Values::Constant(_));
        let limits: Vec<f64> = (0..self.steps).map(|step| values.at(step)).collect();
        let with_nan = limits.iter().any(|limit| limit.is_nan());
        let most = limits.iter().copied().fold(f64::MIN, |a, b| if constant { b } else { a.max(b) });
        let least = limits.iter().copied().fold(f64::MAX, |a, b| if constant { b } else { a.min(b) });
        if self.op == AggregateOp::LimitRatio {
            return self.checked_ratios(limits, with_nan, most, least);
        }
        if !with_nan && most < 1.0 {
            return Ok(None);
        }
        let bound = i64::MAX as f64;
        if with_nan {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        if least <= -bound {
            let least = crate::print::general(least);
            return Err(QueryError::execution(format!("Scalar value {least} underflows int64")));
        }
        if most >= bound {
            let most = crate::print::general(most);
            return Err(QueryError::execution(format!("Scalar value {most} overflows int64")));
        }
        Ok(Some(limits))
    }

    fn checked_ratios(
        &self,
        limits: Vec<f64>,
        with_nan: bool,
        most: f64,
        least: f64,
    ) -> Result<Option<Vec<f64>>, QueryError> {
        if with_nan {
            return Err(QueryError::execution("Ratio value is NaN"));
        }
        for (outside, given, cap) in [(most > 1.0, most, 1), (least < -1.0, least, -1)] {
            if outside {
                let given = crate::print::general(given);
                self.env
                    .warn(&format!("ratio value should be between -1 and 1, got {given}, capping to {cap}"));
            }
        }
        Ok((most != 0.0 || least != 0.0).then_some(limits))
    }

    fn emit(&mut self) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        let mut rows: HashMap<u32, usize> = HashMap::new();
        let (control, by_value) = (&self.env.control, self.orders_by_value());
        let mut pace = Pace::new(control);
        for heaps in self.kept.chunks_mut(self.steps) {
            for (step, heap) in heaps.iter_mut().enumerate() {
                pace.did(1)?;
                if by_value {
                    let topk = self.op == AggregateOp::Topk;
                    sort_by(control, heap, |a, b| order(topk, b.0, a.0))?;
                }
                for &(value, number) in heap.iter() {
                    pace.did(8)?;
                    let row = *rows.entry(number).or_insert_with(|| tile.len());
                    if row == tile.len() {
                        let series = self.series.get(number).cloned();
                        let (labels, drops_name) = series.unwrap_or_default();
                        tile.push(labels)?;
                        tile.set_drops_name(row, drops_name);
                    }
                    match self.histograms.remove(&(number, step)) {
                        Some(histogram) => tile.set(row, step, Some(SampleValue::Histogram(histogram)))?,
                        None => tile.row_mut(row).values[step] = value,
                    }
                    tile.count_samples(1)?;
                }
            }
        }
        Ok(tile.non_empty())
    }
}

impl Operator for TopkOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let Some(limits) = self.limits()? else {
            return Ok(None);
        };
        let mut held = self.env.control.reserve(limits.len() as u64 * 8)?;
        while let Some(tile) = input.next()? {
            self.fold(&tile, &limits, &mut held)?;
        }
        let result = self.emit();
        (self.kept, self.series) = (Vec::new(), KeptSeries::new());
        result
    }
}

/// Offers an element to those that are kept of its group and step; whether it is one of them now.
fn offer(op: AggregateOp, heap: &mut Vec<Element>, new: Element, limit: f64, offset: Option<f64>) -> bool {
    if let Some(offset) = offset {
        let is_within = ratio::is_within(limit, offset);
        heap.extend(is_within.then_some(new));
        return is_within;
    }
    if limit < 1.0 {
        return false;
    }
    let (room, topk) = ((heap.len() as f64) < limit.trunc(), op == AggregateOp::Topk);
    match heap.first().copied() {
        _ if room && op == AggregateOp::Limitk => heap.push(new),
        _ if room => push(heap, topk, new),
        Some(worst) if op != AggregateOp::Limitk => {
            let beats = if topk { worst.0 < new.0 } else { worst.0 > new.0 };
            if !(beats || (worst.0.is_nan() && !new.0.is_nan())) {
                return false;
            }
            heap[0] = new;
            sink(heap, topk);
        }
        _ => return false,
    }
    true
}

/// Whether `a` is to be thrown out before `b`.
fn worse(topk: bool, a: f64, b: f64) -> bool {
    a.is_nan() || if topk { a < b } else { a > b }
}

fn order(topk: bool, a: f64, b: f64) -> std::cmp::Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (a_nan, b_nan) if a_nan || b_nan => b_nan.cmp(&a_nan),
        _ => {
            let ascending = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal);
            if topk { ascending } else { ascending.reverse() }
        }
    }
}

fn push(heap: &mut Vec<Element>, topk: bool, new: Element) {
    heap.push(new);
    let mut child = heap.len() - 1;
    while child > 0 {
        let parent = (child - 1) / 2;
        if !worse(topk, heap[child].0, heap[parent].0) {
            break;
        }
        heap.swap(parent, child);
        child = parent;
    }
}

fn sink(heap: &mut [Element], topk: bool) {
    let mut parent = 0;
    loop {
        let left = 2 * parent + 1;
        if left >= heap.len() {
            return;
        }
        let right = left + 1;
        let worst = if right < heap.len() && worse(topk, heap[right].0, heap[left].0) { right } else { left };
        if !worse(topk, heap[worst].0, heap[parent].0) {
            return;
        }
        heap.swap(parent, worst);
        parent = worst;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(op: AggregateOp, values: &[f64], k: f64) -> Vec<f64> {
        let mut heap = Vec::new();
        for (number, &value) in values.iter().enumerate() {
            offer(op, &mut heap, (value, number as u32), k, None);
        }
        let topk = op == AggregateOp::Topk;
        heap.sort_by(|a, b| order(topk, b.0, a.0));
        heap.into_iter().map(|element| element.0).collect()
    }

    #[test]
    fn heaps_keep_the_best_and_nan_last() {
        let values = [3.0, f64::NAN, 1.0, 4.0, 1.5, 9.0];
        assert_eq!(kept(AggregateOp::Topk, &values, 3.0), [9.0, 4.0, 3.0]);
        assert_eq!(kept(AggregateOp::Bottomk, &values, 3.0), [1.0, 1.5, 3.0]);
        let all = kept(AggregateOp::Topk, &values, 1e12);
        assert_eq!(all[..5], [9.0, 4.0, 3.0, 1.5, 1.0]);
        assert!(all[5].is_nan());
    }
}
