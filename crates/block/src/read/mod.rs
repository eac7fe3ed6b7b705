//! Reading a block from a bucket.
//!
//! `meta.json` and `index` are read at opening; series, spans and scrape times at the first question;
//! pages of samples as selects need them, in rounds of many batches, checksums first. Nothing here trusts a length or a count from a
//! file before it was compared with what is really there.

mod block;
mod check;
mod check_histograms;
mod check_parts;
mod check_rollups;
mod check_starts;
mod codes;
mod column;
mod decoded;
mod decoded_pages;
mod fetch;
mod histograms;
mod labels;
mod matching;
mod packed_spans;
mod page_header;
mod paged;
mod part;
mod plan;
mod rollup_spec;
mod rollups;
mod rounds;
mod select;
mod select_rollups;
mod series_table;
mod span_check;
mod span_table;
mod spec;
mod starts;
mod statistics;
mod table_file;
mod tables;
mod texts;

pub use block::Block;
pub(crate) use block::{check_index, open_files};
pub(crate) use check::{check_samples, check_scrapes};
pub(crate) use check_histograms::check_histograms;
pub(crate) use check_parts::check_parts;
pub(crate) use check_rollups::{HistogramEnds, check_rollups};
pub use decoded_pages::DecodedPages;
pub use rollup_spec::RollupSpec;
pub(crate) use series_table::SeriesTable;
pub(crate) use span_table::SpanTable;
pub use spec::SelectSpec;
pub use statistics::{BlockStatistics, Count};
pub(crate) use table_file::check_file;

use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use crate::BlockError;
use crate::index::{IndexEntry, parse_tail};

/// The footer of a file, from the index.
pub(crate) fn parse_entry(entry: &IndexEntry) -> Result<Arc<ParquetMetaData>, BlockError> {
    parse_tail(&entry.path, &entry.tail, entry.size)
}
