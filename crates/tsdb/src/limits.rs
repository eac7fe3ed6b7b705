//! How much is read of one thing. Each is far beyond what writers of blocks write, and within a server's memory.

/// Bytes of a `meta.json`.
pub(crate) const META_BYTES: u64 = 16 << 20;

/// Bytes of a table of symbols, which is held in memory.
pub(crate) const SYMBOL_BYTES: u64 = 1 << 30;

/// Bytes of an entry of an index: one series with its chunks, or one label pair.
pub(crate) const ENTRY_BYTES: u64 = 16 << 20;

/// Bytes of the names and values of one series. Prometheus's own cap is 64 KiB a label, if it is set at all.
pub(crate) const LABEL_BYTES: u64 = 1 << 20;

/// Bytes of the labels of one metric's series, where they have to be put in order in memory. Mostly they come in order.
pub(crate) const SORTED_BYTES: u64 = 1 << 30;

/// Bytes of a chunk. Prometheus ends them at one KiB, or ten histograms.
pub(crate) const CHUNK_BYTES: u64 = 4 << 20;

/// Samples of one series, a bucket of a native histogram counting as one. One each second for half a year are so many,
/// and half a gigabyte while they are put together.
pub(crate) const SERIES_SAMPLES: u64 = 16 << 20;

/// Bytes of a file of tombstones, which is held in memory.
pub(crate) const TOMBSTONE_BYTES: u64 = 256 << 20;
