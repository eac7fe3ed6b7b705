//! Times that were joined out of two vectors, remembered so that series scraped together share them again.

use std::sync::Arc;

use hashbrown::HashMap;
use latewood_model::TimestampMs;

type Times = Arc<[TimestampMs]>;

/// Vectors that are remembered.
const MAX_JOINED: usize = 1_024;

/// Joined vectors by what they were made of. The parts are kept with them, so that no address is used again.
#[derive(Default)]
pub(super) struct JoinedTimes(HashMap<(usize, usize), (Times, Times, Times)>);

impl JoinedTimes {
    /// Two vectors in one, which is the same one as long as they are the same ones.
    pub(super) fn join(&mut self, first: &Times, second: &Times) -> Times {
        if first.is_empty() || second.is_empty() {
            return Arc::clone(if first.is_empty() { second } else { first });
        }
        let address = |times: &Times| Arc::as_ptr(times).cast::<TimestampMs>() as usize;
        let key = (address(first), address(second));
        if let Some((_, _, joined)) = self.0.get(&key) {
            return Arc::clone(joined);
        }
        if self.0.len() >= MAX_JOINED {
            self.0.clear();
        }
        let joined: Times = first.iter().chain(second.iter()).copied().collect();
        self.0.insert(key, (Arc::clone(first), Arc::clone(second), Arc::clone(&joined)));
        joined
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
}
