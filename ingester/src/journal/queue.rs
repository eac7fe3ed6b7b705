//! What waits to be proposed: parts of writes, cut so that no entry grows beyond its size.

use std::ops::Range;
use std::sync::Arc;

use latewood_model::{HistogramSample, TenantId};
use tokio::sync::oneshot;

use super::builder::Row;
use super::proposer::ProposeError;
use crate::WriteBatch;
use crate::distributor::{RefusedRow, ShardPart};

/// Rows of a batch, or parts of long rows, that together make at most about one entry.
#[derive(Debug)]
pub(super) struct Piece {
    batch: Arc<WriteBatch>,
    rows: Vec<PieceRow>,
    weight: usize,
}

/// A row of the batch: some of its samples, or some of its histograms.
#[derive(Debug)]
struct PieceRow {
    row: u32,
    samples: Range<u32>,
    histograms: Range<u32>,
}

/// How many bytes an entry needs for a sample, at most: a time of 10 and a value of 8.
const SAMPLE_WEIGHT: usize = 18;
/// How many more for a start timestamp: a run's length of 1 and a time of 10.
const START_WEIGHT: usize = 11;
/// About how many bytes an entry needs for a row beside labels and samples.
const ROW_WEIGHT: usize = 16;

impl Piece {
    fn new(batch: &Arc<WriteBatch>) -> Self {
        Self { batch: Arc::clone(batch), rows: Vec::new(), weight: 64 }
    }

    /// Cuts a part into pieces of about `target` bytes each.
    pub(super) fn cut(part: &ShardPart, target: usize) -> Vec<Self> {
        let (mut pieces, mut piece) = (Vec::new(), Self::new(part.batch()));
        for (row, series) in part.series() {
            let texts = series.label_bytes().map(|(name, value)| name.len() + value.len() + 4);
            let labels: usize = ROW_WEIGHT + texts.sum::<usize>();
            let total = series.samples().len();
            let each = SAMPLE_WEIGHT + if series.starts().is_empty() { 0 } else { START_WEIGHT };
            let mut start = 0;
            loop {
                if piece.weight + labels + each > target && !piece.rows.is_empty() {
                    pieces.push(std::mem::replace(&mut piece, Self::new(part.batch())));
                }
                let room = target.saturating_sub(piece.weight + labels) / each;
                let end = total.min(start + room.max(1));
                // Histograms have rows of their own.
                if end > 0 || series.histograms().is_empty() {
                    piece.rows.push(PieceRow { row, samples: start as u32..end as u32, histograms: 0..0 });
                    piece.weight += labels + (end - start) * each;
                }
                start = end;
                if start >= total {
                    break;
                }
            }
            for (at, histogram) in (0..).zip(series.histograms()) {
                let weight = histogram_weight(histogram);
                if piece.weight + labels + weight > target && !piece.rows.is_empty() {
                    pieces.push(std::mem::replace(&mut piece, Self::new(part.batch())));
                }
                piece.add_histogram(row, at, labels, weight);
            }
        }
        if !piece.rows.is_empty() {
            pieces.push(piece);
        }
        pieces
    }

    fn add_histogram(&mut self, row: u32, at: u32, labels: usize, weight: usize) {
        self.weight += weight;
        match self.rows.last_mut() {
            Some(last) if last.row == row && last.histograms.end == at && at > 0 => last.histograms.end += 1,
            _ => {
                self.weight += labels;
                self.rows.push(PieceRow { row, samples: 0..0, histograms: at..at + 1 });
            }
        }
    }

    /// About how many bytes it makes in an entry.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Whose series these are.
    pub(super) fn tenant(&self) -> &TenantId {
        self.batch.tenant()
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows of the batch that these are, or are parts of.
    pub(super) fn batch_rows(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().map(|row| row.row)
    }

    /// The rows with their samples, of the piece of a number in its entry.
    pub(super) fn rows(&self, number: u32) -> impl Iterator<Item = Row<'_>> {
        let range = |range: &Range<u32>| range.start as usize..range.end as usize;
        self.rows.iter().filter_map(move |row| {
            let series = self.batch.row(row.row)?;
            let samples = series.samples().get(range(&row.samples))?;
            let histograms = series.histograms().get(range(&row.histograms))?;
            let starts = series.starts().get(range(&row.samples)).unwrap_or_default();
            Some(Row { series, samples, starts, histograms, place: (number, row.row) })
        })
    }
}

/// About how many bytes an entry needs for a histogram, at most.
fn histogram_weight(sample: &HistogramSample) -> usize {
    64 + START_WEIGHT + 8 * sample.histogram.buckets()
}

/// A piece with whoever waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) piece: Piece,
    pub(super) done: oneshot::Sender<Result<Vec<RefusedRow>, ProposeError>>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use latewood_cluster::Command;
    use latewood_model::{Labels, Sample, TimestampMs};

    use super::*;
    use crate::BatchBuilder;
    use crate::head::Generation;
    use crate::journal::{EntryBuilder, ShardCommand};

    /// The samples that take the most bytes: times as far apart as sorted ones can be, and other starts each time.
    #[test]
    fn no_entry_is_larger_than_its_pieces_weigh() {
        let start = |n: u64| if n.is_multiple_of(2) { TimestampMs::MIN } else { TimestampMs::MAX / 2 };
        let mut builder = BatchBuilder::new(TenantId::anonymous(), &[]);
        for series in 0..50_u64 {
            let labels = Labels::from_pairs([("__name__", "up"), ("n", &series.to_string())]);
            let value = |n: u64| f64::from_bits((series * 1000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let time = |n: u64| i64::MIN.wrapping_add_unsigned(n * (u64::MAX / 400));
            let sample = |n: u64| (Sample { timestamp: time(n), value: value(n) }, start(n));
            let samples: Vec<_> = (0..(series * 7) % 400).map(sample).collect();
            builder.push_started(&labels, &samples);
        }
        let part = ShardPart::whole(Arc::new(builder.build()), 0);
        let generation = Arc::new(Generation::new(u64::MAX));
        for target in [4096, 65_536] {
            for piece in Piece::cut(&part, target) {
                let mut entry = EntryBuilder::new(&generation, u64::MAX);
                entry.push_piece(&piece);
                let bytes: Bytes = ShardCommand::Write(Arc::new(entry.build())).encode();
                assert!(bytes.len() <= piece.weight() && piece.weight() <= target, "{}", bytes.len());
            }
        }
    }
}
