//! The memory of a batch, used again for later requests.

use std::sync::Arc;

use latewood_model::HistogramSample;
use latewood_proto::remote_write::Columns;
use parking_lot::Mutex;

use super::Row;

/// The vectors of a batch.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The decompressed body: labels point into it.
    pub(crate) body: Vec<u8>,
    pub(crate) columns: Columns,
    pub(crate) rows: Vec<Row>,
    /// The histograms that may be stored.
    pub(crate) histograms: Vec<HistogramSample>,
}

impl Buffers {
    fn capacity_bytes(&self) -> usize {
        self.body.capacity()
            + self.columns.capacity_bytes()
            + self.rows.capacity() * size_of::<Row>()
            + self.histograms.capacity() * size_of::<HistogramSample>()
    }
}

/// Keeps the vectors of finished batches, so that everyday requests allocate nothing. Bounded: at most
/// [`BuffersPool::PLACES`] of at most [`BuffersPool::LARGEST`] bytes each.
#[derive(Debug, Default)]
pub(crate) struct BuffersPool(Mutex<Vec<Buffers>>);

impl BuffersPool {
    const PLACES: usize = 16;
    const LARGEST: usize = 8 << 20;

    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Buffers with nothing in them that counts: whoever fills them clears them first.
    pub(crate) fn take(&self) -> Buffers {
        self.0.lock().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut buffers: Buffers) {
        // They hold memory of their own.
        buffers.histograms.clear();
        if buffers.capacity_bytes() <= Self::LARGEST {
            let mut places = self.0.lock();
            if places.len() < Self::PLACES {
                places.push(buffers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_a_bounded_number_of_bounded_buffers() {
        let pool = BuffersPool::new();
        for _ in 0..BuffersPool::PLACES * 2 {
            pool.give_back(Buffers::default());
        }
        assert_eq!(pool.0.lock().len(), BuffersPool::PLACES);
        while pool.0.lock().pop().is_some() {}
        pool.give_back(Buffers { body: Vec::with_capacity(BuffersPool::LARGEST + 1), ..Buffers::default() });
        assert_eq!(pool.0.lock().len(), 0);
    }
}
