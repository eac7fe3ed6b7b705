//! A generation that takes no more writes.

use std::sync::Arc;

use latewood_cluster::Position;

use super::Generation;
use crate::flush::LocalGeneration;

/// A frozen generation on its way to the bucket.
#[derive(Clone, Debug)]
pub struct ClosedGeneration {
    /// Its number.
    pub number: u64,
    /// Where the log froze it; none of a generation that an earlier journal left on disk.
    pub frozen: Option<Frozen>,
    /// Whether all its tenants are in the catalog, as the log says.
    pub flushed: bool,
    /// The terms whose leaders have uploaded blocks of it, or may have: 0 for the ids of before that was logged.
    pub uploaders: Vec<u64>,
    /// Where its samples are.
    pub data: ClosedData,
}

impl ClosedGeneration {
    /// One that was closed just now.
    pub(super) fn new(number: u64, frozen: Option<Frozen>, data: ClosedData) -> Self {
        Self { number, frozen, flushed: false, uploaders: vec![0], data }
    }
}

/// Where in the log a generation ended: a checkpoint is taken here once it is flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The place of the freeze.
    pub at: Position,
    /// The number of the generation that it opened.
    pub next: u64,
}

/// Where a closed generation's samples are.
#[derive(Clone, Debug)]
pub enum ClosedData {
    /// In memory.
    Memory(Arc<Generation>),
    /// In local blocks that an earlier run of this process finished and that are not open yet.
    OnDisk,
    /// In local blocks.
    Local(Arc<LocalGeneration>),
}
