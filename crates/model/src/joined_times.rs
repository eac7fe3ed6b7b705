//! Times that were joined out of two vectors, remembered so that series scraped together share them again.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::TimestampMs;

type Times = Arc<[TimestampMs]>;

/// Vectors that are remembered.
const MAX_JOINED: usize = 1_024;

/// Times that these hold together, of 8 bytes each.
const MAX_HELD: usize = 1 << 20;

/// Joined vectors by what they were made of. The parts are kept with them, so that no address is used again.
#[derive(Default)]
pub struct JoinedTimes {
    joined: HashMap<(usize, usize), (Times, Times, Times)>,
    held: usize,
}

impl JoinedTimes {
    /// Two vectors in one, which is the same one as long as they are the same ones.
    pub fn join(&mut self, first: &Times, second: &Times) -> Times {
        if first.is_empty() || second.is_empty() {
            return Arc::clone(if first.is_empty() { second } else { first });
        }
        let key = (first.as_ptr().addr(), second.as_ptr().addr());
        if let Some((_, _, joined)) = self.joined.get(&key) {
            return Arc::clone(joined);
        }
        if self.joined.len() >= MAX_JOINED || self.held > MAX_HELD {
            self.joined.clear();
            self.held = 0;
        }
        let joined: Times = first.iter().chain(second.iter()).copied().collect();
        self.held += 2 * joined.len();
        self.joined.insert(key, (Arc::clone(first), Arc::clone(second), Arc::clone(&joined)));
        joined
    }
}

impl fmt::Debug for JoinedTimes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { joined, held } = self;
        out.debug_struct("JoinedTimes").field("joined", &joined.len()).field("held", held).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_make_the_same_whole() {
        let mut joined = JoinedTimes::default();
        let (a, b): (Times, Times) = ([1, 2].into(), [3].into());
        let whole = joined.join(&a, &b);
        assert_eq!(*whole, [1, 2, 3]);
        assert!(Arc::ptr_eq(&whole, &joined.join(&a, &b)));
        assert!(!Arc::ptr_eq(&whole, &joined.join(&a, &Arc::from([3]))));
        assert!(Arc::ptr_eq(&b, &joined.join(&Arc::default(), &b)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut joined = JoinedTimes::default();
        let (a, b): (Times, Times) = (vec![1; MAX_HELD / 4].into(), [3].into());
        for _ in 0..20 {
            joined.join(&a.iter().copied().collect(), &b);
            assert!(joined.held <= 2 * MAX_HELD && joined.joined.len() < 4);
        }
    }
}
