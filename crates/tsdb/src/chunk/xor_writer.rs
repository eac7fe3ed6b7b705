//! Writes what [`super::xor::XorFloat`] reads.

use super::bit_writer::BitWriter;

/// A float, and which of its bits changed last.
#[derive(Clone, Copy, Debug)]
pub(super) struct XorWriter {
    bits: u64,
    /// Unchanged bits before and behind the others; none changed yet if there is none.
    changed: Option<(u32, u32)>,
}

impl XorWriter {
    /// The first one, as it is.
    pub(super) fn first(out: &mut BitWriter, value: f64) -> Self {
        out.float(value);
        Self { bits: value.to_bits(), changed: None }
    }

    /// The next one.
    pub(super) fn step(&mut self, out: &mut BitWriter, value: f64) {
        let change = value.to_bits() ^ self.bits;
        self.bits = value.to_bits();
        if change == 0 {
            return out.put(0, 1);
        }
        out.put(1, 1);
        // Five bits tell how many lead.
        let (leading, trailing) = (change.leading_zeros().min(31), change.trailing_zeros());
        if let Some((before, behind)) = self.changed.filter(|(a, b)| leading >= *a && trailing >= *b) {
            out.put(0, 1);
            return out.put(change >> behind, 64 - before - behind);
        }
        self.changed = Some((leading, trailing));
        let count = 64 - leading - trailing;
        out.put(1, 1);
        out.put(leading.into(), 5);
        // 64 is written as 0.
        out.put(count.into(), 6);
        out.put(change >> trailing, count);
    }
}
