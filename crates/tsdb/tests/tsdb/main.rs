//! Blocks of Prometheus from end to end: as it wrote them, damaged, and of older kinds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod damage;
mod golden;
mod synthetic;
mod writer;

use std::path::{Path, PathBuf};

use latewood_model::{Labels, SeriesSamples};
use latewood_tsdb::{TsdbBlock, TsdbError};

/// The block that a real Prometheus wrote.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// All series of a block, with external labels.
fn read(block: &Path, external: &Labels) -> Result<Vec<SeriesSamples>, TsdbError> {
    TsdbBlock::open(block)?.series(external)?.collect()
}

/// A series as a text that is equal for equal bits alone.
fn text(series: &SeriesSamples) -> String {
    let values: Vec<_> = series.samples().map(|sample| (sample.timestamp, sample.value.to_bits())).collect();
    format!("{:?} {values:?} {:?}", series.labels, series.histograms)
}

/// All series of a block as texts.
fn texts(block: &Path) -> Result<Vec<String>, TsdbError> {
    Ok(read(block, &Labels::empty())?.iter().map(text).collect())
}
