//! The Parquet block: plain Parquet files that DuckDB reads, at half a byte to three quarters a sample.
//!
//! [`BlockWriter`] takes series in storage order and writes a folder; [`Block`] answers selects from such
//! a folder in a bucket; `docs/format/block.md` has
//! the layout. Every value and time reads back bit for bit (FMT-1). This crate alone knows Parquet and
//! Arrow; it knows nothing of catalogs, heads or queries.

mod config;
mod decimal;
mod error;
mod index;
mod meta;
mod read;
mod schema;
mod span;
mod write;

pub use config::{ReaderConfig, WriterConfig};
pub use error::BlockError;
pub use meta::{BlockHeader, BlockMeta, FORMAT_VERSION, FileMeta, PartMeta};
pub use read::{Block, BlockStatistics, Count, SelectSpec};
pub use write::BlockWriter;
