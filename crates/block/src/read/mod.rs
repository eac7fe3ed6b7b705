//! Reading a block from a bucket.
//!
//! `meta.json` and `index` are read at opening; series, spans and scrape times at the first question;
//! pages of samples as selects need them, checksums first. Nothing here trusts a length or a count from a
//! file before it was compared with what is really there.

mod block;
mod column;
mod decoded;
mod labels;
mod matching;
mod paged;
mod plan;
mod select;
mod series_table;
mod span_table;
mod spec;
mod statistics;
mod table_file;
mod tables;
mod texts;

pub use block::Block;
pub use spec::SelectSpec;
pub use statistics::{BlockStatistics, Count};
