//! Writing a block: series by series in storage order, one open row group in memory.

mod block_writer;
mod labels;
mod output;
mod samples;
mod scrapes;
mod spans;

pub use block_writer::BlockWriter;
