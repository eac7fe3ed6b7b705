//! Start timestamps of the samples of a piece.

use std::ops::Range;

use latewood_model::{NO_START, StartTimestamps, TimestampMs};

use super::decoded::{PageCache, SamplePageData};
use super::part::Part;
use super::plan::Piece;
use crate::BlockError;
use crate::span::SpanStarts;

impl PageCache {
    /// Those of samples at `stamps`, which stand in `rows`: of histograms the rows of the first part.
    pub(super) fn starts(
        &self,
        piece: &Piece,
        part: &Part,
        rows: &Range<u64>,
        stamps: &[TimestampMs],
    ) -> Result<StartTimestamps, BlockError> {
        match piece.span.starts {
            SpanStarts::None => Ok(StartTimestamps::none()),
            SpanStarts::All(start) => Ok(stamps.first().map(|&first| (first, start)).into_iter().collect()),
            SpanStarts::Each => {
                let missing = || BlockError::corrupt(&part.file.name, "it has no column start_ts");
                let column = part.start_ts.ok_or_else(missing)?;
                let mut starts = vec![NO_START; stamps.len()];
                self.visit(piece, part, column, rows, |page, cut, at| {
                    if let SamplePageData::Integers(page) = page {
                        let starts = starts.get_mut(at..).unwrap_or_default();
                        page.each(cut, starts, |slot, start| *slot = start);
                    }
                })?;
                Ok(stamps.iter().copied().zip(starts).collect())
            }
        }
    }
}
