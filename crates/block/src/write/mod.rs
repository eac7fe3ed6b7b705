//! Writing a block: series by series in storage order, one open row group in memory.

mod block_writer;
mod cut;
mod dictionary;
mod histograms;
mod label_codes;
mod labels;
mod output;
mod part;
mod parts;
mod push_rollups;
mod push_samples;
mod rollup_check;
mod rollup_values;
mod rollups;
mod runs;
mod samples;
mod scrapes;
mod spans;

pub use block_writer::BlockWriter;
pub(crate) use cut::Cut;
pub use parts::FinishedPart;
pub(crate) use rollup_check::problem_of_times;
