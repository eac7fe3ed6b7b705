//! How much memory all requests under way may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::IngestError;

/// A budget of bytes shared by all requests.
#[derive(Debug)]
pub(super) struct Inflight {
    limit: usize,
    used: AtomicUsize,
}

impl Inflight {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of nothing, to be grown.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

/// What one request holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Inflight>,
    bytes: usize,
}

impl Share {
    /// Takes more of the budget, or fails at once: waiting would hold the memory of those who wait.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), IngestError> {
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&used| used <= self.budget.limit)
        });
        taken.map_err(|_| IngestError::Overloaded)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bounded_together_and_given_back() {
        let budget = Inflight::new(100);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.grow(60).is_ok() && second.grow(40).is_ok());
        assert!(first.grow(1).is_err() && second.grow(usize::MAX).is_err());
        drop(second);
        assert!(first.grow(40).is_ok());
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
