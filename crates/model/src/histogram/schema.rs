//! Which bucket schemas there are.

/// The schema of custom buckets, whose bounds are given.
pub const CUSTOM_BUCKETS: i32 = -53;

/// The coarsest exponential schema.
pub const MIN_SCHEMA: i32 = -4;

/// The finest exponential schema: 256 buckets to a power of two.
pub const MAX_SCHEMA: i32 = 8;

/// The finest schema that is accepted and brought down to [`MAX_SCHEMA`].
pub(super) const MAX_ACCEPTED_SCHEMA: i32 = 52;

/// Whether the bounds of the buckets are given one by one.
#[must_use]
pub fn is_custom(schema: i32) -> bool {
    schema == CUSTOM_BUCKETS
}

/// Whether the bounds are powers of `2^(2^-schema)`, in a schema that is stored.
#[must_use]
pub fn is_exponential(schema: i32) -> bool {
    (MIN_SCHEMA..=MAX_SCHEMA).contains(&schema)
}

/// The bucket of a coarser schema that holds a bucket of a finer one.
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    // Buckets include their upper bound, hence the steps aside and back.
    let shift = from.saturating_sub(to).clamp(0, 31) as u32;
    ((i64::from(index) - 1) >> shift) as i32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarser_bucket_ends_where_its_last_part_does() {
        for (index, expect) in [(-3, -1), (-2, -1), (-1, 0), (0, 0), (1, 1), (2, 1), (3, 2), (4, 2)] {
            assert_eq!(coarser_index(index, 1, 0), expect, "{index}");
        }
        assert_eq!(coarser_index(i32::MIN, 8, -4), i32::MIN / 4096);
        assert_eq!(coarser_index(i32::MAX, 52, 8), 1);
    }
}
