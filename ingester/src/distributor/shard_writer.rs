//! The seam between routing and a shard.

use std::sync::Arc;

use async_trait::async_trait;
use latewood_model::TenantId;

use crate::{Cause, IngestError, SeriesRow, WriteBatch};

/// The series of a write that one shard takes. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ShardPart {
    batch: Arc<WriteBatch>,
    shard: u32,
    rows: Arc<[u32]>,
}

impl ShardPart {
    /// The rows of `batch` that go to `shard`, ascending.
    #[must_use]
    pub fn new(batch: Arc<WriteBatch>, shard: u32, rows: Arc<[u32]>) -> Self {
        Self { batch, shard, rows }
    }

    /// All of a batch.
    #[must_use]
    pub fn whole(batch: Arc<WriteBatch>, shard: u32) -> Self {
        let rows = (0..u32::try_from(batch.len()).unwrap_or(u32::MAX)).collect();
        Self { batch, shard, rows }
    }

    /// Whose series these are.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.batch.tenant()
    }

    /// Which shard takes them.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// How many series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The series with their row in the batch, by which [`RefusedRow`] names them. A series may occur
    /// more than once.
    pub fn series(&self) -> impl Iterator<Item = (u32, SeriesRow<'_>)> {
        self.rows.iter().filter_map(|&row| Some((row, self.batch.row(row)?)))
    }

    /// How many samples and histograms, equal times of one row counted once.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.series().map(|(_, series)| series.samples().len() + series.histograms().len()).sum()
    }

    /// The batch that this is a part of.
    #[must_use]
    pub fn batch(&self) -> &Arc<WriteBatch> {
        &self.batch
    }
}

/// What became of a part that was taken. All that is not refused is durable and visible to reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// The rows that were not stored, for good: the sender is told not to retry.
    pub refused: Vec<RefusedRow>,
}

/// A row that was not stored, with all its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The row in the batch.
    pub row: u32,
    /// Why.
    pub cause: Cause,
    /// Why, in words that say what to do.
    pub message: Arc<str>,
}

/// A shard that takes writes: the local one, or a client of its leader.
#[async_trait]
pub trait ShardWriter: Send + Sync + 'static {
    /// Stores the part. Returns when it is durable and visible to reads; a part that was stored before
    /// is success again.
    ///
    /// # Errors
    /// Nothing of the part may be relied on to be stored; [`latewood_base::Kinded::kind`] says whether a
    /// retry helps.
    async fn write(&self, part: ShardPart) -> Result<WriteOutcome, IngestError>;
}
