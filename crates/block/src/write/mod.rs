//! Writing a block: series by series in storage order, one open row group in memory.

mod block_writer;
mod histograms;
mod labels;
mod output;
mod part;
mod runs;
mod samples;
mod scrapes;
mod spans;

pub use block_writer::BlockWriter;
