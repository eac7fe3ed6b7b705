//! Reads the blocks of Prometheus's own storage, as Prometheus, its snapshots and Thanos leave them.
//!
//! ```text
//! <ULID>/meta.json      time range, sources; in Thanos's blocks external labels and resolution, too
//!        index          symbols, series with the places of their chunks, postings
//!        chunks/000001  samples, some hundred of one series a chunk
//!        tombstones     intervals that were deleted and not yet cut out
//! ```
//!
//! [`TsdbBlock`] opens such a folder, and [`SeriesReader`] gives its series in the order in which Latewood stores
//! them, one at a time: a block larger than memory is no trouble. The formats are described in Prometheus's
//! `tsdb/docs/format`. Everything that is read counts as untrusted: lengths and places are compared with the file,
//! checksums are compared, and what is wrong is named with its file and place ([`TsdbError`]).
//!
//! No block is written here, and nothing is known of Latewood's own. Chunks are written, too ([`encode`]), for clients that
//! read them over remote read.

mod block;
mod chunk;
mod cursor;
mod error;
mod gather;
mod index;
mod labelling;
mod limits;
mod meta;
mod order;
mod segments;
mod source;
mod tombstones;
mod window;

pub use block::{SeriesReader, TsdbBlock};
pub use chunk::{Chunk, encode};
pub use error::TsdbError;
pub use meta::{BlockFile, TsdbMeta};
