//! The memory of requests: estimated from the catalog, reserved before anything is opened.
//!
//! A block's tables are shared by all that read it, so that they are reserved once however many do. What
//! is reserved is let go when the last stream over the block ends.
//!
//! Invariant (MEM-1): what requests hold by these estimates never exceeds
//! `max_estimated_memory_consumption`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use latewood_base::Ulid;
use latewood_block::ReaderConfig;
use latewood_catalog::BlockEntry;
use latewood_model::{Resolution, RollupColumns, TenantId, TimestampMs};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;
use crate::{GatewayConfig, GatewayError};

/// Bytes of memory of one series in a block's tables: 224 were measured.
const SERIES_BYTES: u64 = 256;
/// The same in a block of windows, whose spans say more.
const ROLLUP_SERIES_BYTES: u64 = 320;
/// The file of a block that has the times.
const SCRAPES: &str = "scrapes.parquet";
/// Bytes of memory of a sample on its way: page, decoded value and time, batch.
const SAMPLE_BYTES: u64 = 32;
/// What a permit of the semaphore stands for, in bytes.
const UNIT: u64 = 1 << 10;

type Key = (TenantId, Ulid);

/// Reserves memory for requests.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    whole: Arc<Semaphore>,
    units: u32,
    max_per_request: u64,
    patience: Duration,
    tables: Mutex<HashMap<Key, Weak<Lease>>>,
    metrics: Metrics,
}

/// Memory that is reserved until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    permit: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Lease {
    fn new(permit: OwnedSemaphorePermit, metrics: Metrics) -> Arc<Self> {
        metrics.reserved_bytes.inc_by(gauge(permit.num_permits()));
        Arc::new(Self { permit, metrics })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.metrics.reserved_bytes.dec_by(gauge(self.permit.num_permits()));
    }
}

fn gauge(units: usize) -> i64 {
    i64::try_from(units as u64 * UNIT).unwrap_or(i64::MAX)
}

/// All that one request has reserved.
pub(crate) type Reserved = Arc<[Arc<Lease>]>;

/// What a block's tables take in memory, in bytes.
pub(crate) fn tables_bytes(entry: &BlockEntry, reader: &ReaderConfig) -> u64 {
    let (series, times) = match entry.resolution {
        Resolution::Raw => (SERIES_BYTES, 0),
        _ => (ROLLUP_SERIES_BYTES, times_bytes(entry, reader)),
    };
    let series = entry.series.saturating_mul(series).saturating_add(times);
    series.saturating_add(entry.index_bytes.saturating_mul(2))
}

/// What the times of windows take that are kept: each has three, so that they are many beside the rows.
fn times_bytes(entry: &BlockEntry, reader: &ReaderConfig) -> u64 {
    let packed = entry.file(SCRAPES).map_or(0, |file| file.size);
    packed.min(reader.scrape_memory).saturating_mul(size_of::<TimestampMs>() as u64)
}

/// What a block's samples, or some figures of its windows, take while they are streamed, in bytes.
pub(crate) fn stream_bytes(entry: &BlockEntry, reader: &ReaderConfig, columns: RollupColumns) -> u64 {
    let (numbers, reader) = match entry.resolution {
        Resolution::Raw => (1, Cow::Borrowed(reader)),
        _ => {
            // A batch has a series at least, with a page of each of its columns: integers and doubles of each figure,
            // and of those that tell it.
            let numbers = columns.count() as usize + 1;
            let batch_pages = reader.batch_pages.max(2 * (numbers + 1));
            (numbers as u64, Cow::Owned(ReaderConfig { batch_pages, ..reader.clone() }))
        }
    };
    let all = entry.samples.saturating_mul(SAMPLE_BYTES * numbers).saturating_add(entry.bytes);
    reader.batch_bytes(entry.bytes).min(all)
}

impl RequestMemory {
    pub(crate) fn new(config: &GatewayConfig, metrics: Metrics) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = u32::try_from(config.max_estimated_memory_consumption / UNIT).unwrap_or(u32::MAX);
        let units = units.clamp(1, most);
        let most = config.max_estimated_memory_consumption_per_request;
        Self {
            whole: Arc::new(Semaphore::new(units as usize)),
            units,
            max_per_request: most.min(u64::from(units) * UNIT),
            patience: Duration::from_secs(config.memory_wait_seconds),
            tables: Mutex::default(),
            metrics,
        }
    }

    /// Reserves the tables of blocks, those that another request has reserved apart, and `streams` bytes
    /// beside them. Waits a while for others to end: a query holds several requests, which must not wait for
    /// each other for ever.
    pub(crate) async fn reserve(
        &self,
        blocks: Vec<(Key, u64)>,
        streams: u64,
    ) -> Result<Reserved, GatewayError> {
        let tables = blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.1));
        let needed = tables.saturating_add(streams);
        if needed > self.max_per_request {
            self.metrics.too_large.inc();
            let (blocks, max) = (blocks.len(), self.max_per_request);
            return Err(GatewayError::TooMuchMemory { needed, blocks, max });
        }
        let (mut leases, missing) = self.held(blocks);
        let wanted = missing.iter().map(|(_, bytes)| units(*bytes)).sum::<u64>() + units(streams);
        // By rounding it may be a little more than there is at all.
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.units);
        let mut permit = self.acquire(wanted).await?;
        let mut tables = self.tables.lock();
        for (key, bytes) in missing {
            let part = usize::try_from(units(bytes)).ok().and_then(|units| permit.split(units));
            if let Some(part) = part {
                let lease = Lease::new(part, self.metrics.clone());
                tables.insert(key, Arc::downgrade(&lease));
                leases.push(lease);
            }
        }
        leases.push(Lease::new(permit, self.metrics.clone()));
        Ok(leases.into())
    }

    /// The blocks whose tables are reserved already, held once more, and the others.
    fn held(&self, blocks: Vec<(Key, u64)>) -> (Vec<Arc<Lease>>, Vec<(Key, u64)>) {
        let mut tables = self.tables.lock();
        tables.retain(|_, lease| lease.strong_count() > 0);
        let (mut held, mut missing) = (Vec::new(), Vec::new());
        for (key, bytes) in blocks {
            match tables.get(&key).and_then(Weak::upgrade) {
                Some(lease) => held.push(lease),
                None => missing.push((key, bytes)),
            }
        }
        (held, missing)
    }

    async fn acquire(&self, units: u32) -> Result<OwnedSemaphorePermit, GatewayError> {
        let permit = Arc::clone(&self.whole).acquire_many_owned(units);
        match tokio::time::timeout(self.patience, permit).await {
            Ok(permit) => permit.map_err(|_| GatewayError::Stopping),
            Err(_) => {
                self.metrics.no_memory.inc();
                Err(GatewayError::NoMemory { waited_seconds: self.patience.as_secs() })
            }
        }
    }
}

fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn memory(per_request: u64, all: u64) -> RequestMemory {
        let config = GatewayConfig {
            max_estimated_memory_consumption_per_request: per_request,
            max_estimated_memory_consumption: all,
            memory_wait_seconds: 0,
            ..GatewayConfig::default()
        };
        RequestMemory::new(&config, Metrics::new(&mut Registry::default()))
    }

    fn blocks(ids: impl IntoIterator<Item = u128>) -> Vec<(Key, u64)> {
        ids.into_iter().map(|id| ((TenantId::anonymous(), Ulid(id)), 10 * UNIT)).collect()
    }

    #[tokio::test]
    async fn tables_are_reserved_once_and_let_go_with_their_last_reader() {
        let memory = memory(50 * UNIT, 50 * UNIT);
        let first = memory.reserve(blocks(0..3), 5 * UNIT).await.unwrap();
        let second = memory.reserve(blocks(1..4), 5 * UNIT).await.unwrap();
        assert_eq!(memory.metrics.reserved_bytes.get(), gauge(50));
        drop(first);
        assert_eq!(memory.metrics.reserved_bytes.get(), gauge(35));
        let refused = memory.reserve(blocks(4..6), 0).await.unwrap_err();
        assert!(matches!(refused, GatewayError::NoMemory { .. }), "{refused}");
        drop(second);
        assert_eq!(memory.metrics.reserved_bytes.get(), 0);
        memory.reserve(blocks(4..6), 0).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_could_never_be_answered_is_not_kept_waiting() {
        let memory = memory(30 * UNIT, 50 * UNIT);
        let error = memory.reserve(blocks(0..3), 1).await.unwrap_err();
        assert!(matches!(error, GatewayError::TooMuchMemory { blocks: 3, .. }), "{error}");
        let huge = vec![((TenantId::anonymous(), Ulid(1)), u64::MAX); 2];
        assert!(memory.reserve(huge, u64::MAX).await.is_err());
        memory.reserve(blocks(0..3), 0).await.unwrap();
    }
}
