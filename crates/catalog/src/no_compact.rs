//! Marks of blocks that compaction leaves alone: what was found damaged, and what an operator chose.

use latewood_base::Ulid;
use serde::{Deserialize, Serialize};

/// A block that compaction leaves alone. Queries go on reading it. The mark goes with the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoCompactMark {
    /// The block.
    pub block: Ulid,
    /// Why, for people.
    pub details: String,
}

impl NoCompactMark {
    /// The most bytes of the details.
    pub const MAX_DETAILS: usize = 1_024;

    /// A mark; details that are too long are cut.
    #[must_use]
    pub fn new(block: Ulid, details: &str) -> Self {
        let end = details.floor_char_boundary(Self::MAX_DETAILS);
        Self { block, details: details.get(..end).unwrap_or_default().to_owned() }
    }

    /// Checks what must hold of a mark by itself; the text says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.details.len() > Self::MAX_DETAILS {
            let (block, bytes, most) = (self.block, self.details.len(), Self::MAX_DETAILS);
            return Err(format!("block {block}: its mark has {bytes} bytes; at most {most} are allowed"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_cut_between_characters() {
        let mark = NoCompactMark::new(Ulid(1), &"ä".repeat(1_000));
        assert_eq!((mark.details.len(), mark.check()), (NoCompactMark::MAX_DETAILS, Ok(())));
        let odd = NoCompactMark::new(Ulid(1), &format!("a{}", "ä".repeat(1_000)));
        assert_eq!(odd.details.len(), NoCompactMark::MAX_DETAILS - 1);
        assert!(NoCompactMark { block: Ulid(1), details: "a".repeat(1_025) }.check().is_err());
    }
}
