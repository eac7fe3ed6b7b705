//! The Parquet block: plain Parquet files that DuckDB reads, at half a byte to three quarters a sample.
//!
//! [`BlockWriter`] takes series in storage order and writes a folder; [`Block`] answers selects from such
//! a folder in a bucket; [`inspect`], [`verify`] and [`views`] are for people; `docs/format/block.md` has
//! the layout. Every value and time reads back bit for bit (FMT-1). This crate alone knows Parquet and
//! Arrow; it knows nothing of catalogs, heads or queries.

mod config;
mod decimal;
mod error;
mod histogram_part;
mod index;
mod inspect;
mod meta;
mod read;
mod rollup_value;
mod schema;
mod span;
#[cfg(feature = "testing")]
pub mod testing;
mod verify;
mod views;
mod views_rollups;
mod write;

pub use config::{ReaderConfig, WriterConfig};
pub use error::BlockError;
pub use inspect::inspect;
pub use latewood_model::RollupColumns;
pub use meta::{BlockHeader, BlockMeta, FORMAT_VERSION, FileMeta, PartMeta};
pub use read::{Block, BlockStatistics, Count, DecodedPages, RollupSpec, SelectSpec};
pub use verify::{Problem, VerifyReport, verify};
pub use views::{views, views_in, views_of};
pub use write::{BlockWriter, FinishedPart};
