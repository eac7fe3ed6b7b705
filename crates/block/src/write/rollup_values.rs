//! The values of a series' windows, routed into columns.

use std::ops::Range;

use latewood_model::{FloatRollups, is_stale};

use crate::decimal::{Scale, Slot, route};
use crate::rollup_value::{HeldValues, RollupValue};

/// Values in their columns.
#[derive(Debug, Default)]
pub(super) struct RoutedRollups {
    /// The scale of all integers; none when there are none.
    pub(super) scale: Option<Scale>,
    /// For each [`RollupValue`] one a window; [`Slot::Null`] where others tell it.
    pub(super) slots: [Vec<Slot>; 6],
    pub(super) held: HeldValues,
}

impl RoutedRollups {
    /// Of some windows. What others tell bit for bit is left out, and the rest has one scale: minima, maxima and sums
    /// of decimals have the same digits as these.
    pub(super) fn of(floats: &FloatRollups, rows: &Range<usize>) -> Self {
        let mut stored = Vec::new();
        let is_stored: [Vec<bool>; 6] = RollupValue::ALL.map(|value| {
            let values = column(floats, value).get(rows.clone()).unwrap_or_default();
            let told = values.iter().zip(rows.clone()).map(|(of, row)| is_told(floats, row, value, *of));
            let kept: Vec<bool> = told.map(|told| !told).collect();
            stored.extend(values.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(of, _)| *of));
            kept
        });
        let routed = route(&stored);
        let mut slots = routed.slots.into_iter().zip(stored).map(|(slot, value)| match slot {
            // No value of a window is the marker, but its bits would come back, too.
            Slot::Null if is_stale(value) => Slot::Double(value),
            slot => slot,
        });
        let mut held = HeldValues::default();
        let slots = is_stored.map(|kept| {
            let next = |kept: bool| if kept { slots.next().unwrap_or(Slot::Null) } else { Slot::Null };
            kept.into_iter().map(next).collect::<Vec<Slot>>()
        });
        for (value, slots) in RollupValue::ALL.into_iter().zip(&slots) {
            for slot in slots {
                let (vi, vf) = slot.columns();
                held.note(value, vi.is_some(), vf.is_some());
            }
        }
        let stale = floats.stale.get(rows.clone()).unwrap_or_default();
        held.note_stale(stale.contains(&true));
        Self { scale: routed.scale, slots, held }
    }

    /// Of windows without floats: only times and counts.
    pub(super) fn none(windows: usize, has_stale: bool) -> Self {
        let mut held = HeldValues::default();
        held.note_stale(has_stale);
        Self { scale: None, slots: std::array::from_fn(|_| vec![Slot::Null; windows]), held }
    }
}

fn column(floats: &FloatRollups, value: RollupValue) -> &[f64] {
    match value {
        RollupValue::Sum => &floats.sums,
        RollupValue::Min => &floats.mins,
        RollupValue::Max => &floats.maxs,
        RollupValue::First => &floats.firsts,
        RollupValue::Last => &floats.lasts,
        RollupValue::Correction => &floats.corrections,
    }
}

/// Whether a reader finds a window's value without its being stored.
fn is_told(floats: &FloatRollups, row: usize, value: RollupValue, stored: f64) -> bool {
    let known = (|| Some((*floats.counts.get(row)?, *floats.firsts.get(row)?, *floats.lasts.get(row)?)))();
    let derived = known.and_then(|(count, first, last)| value.derived(count, first, last));
    derived.is_some_and(|derived| derived.to_bits() == stored.to_bits())
}
