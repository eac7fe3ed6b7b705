//! Samples of one series that no longer change.

use std::ops::Range;
use std::sync::Arc;

use latewood_model::{Sample, TimeRange, TimestampMs};

use super::chunk::OpenChunk;
use super::columns;
use super::started::StartedSamples;
use super::xor_reader::XorReader;

/// Columns may be so many bytes larger than XORed bits: what they save is time.
const WORTH_BYTES: usize = 32;

/// A chunk that no longer changes.
#[derive(Clone, Debug)]
pub(super) struct SealedChunk {
    bytes: Arc<[u8]>,
    span: TimeRange,
    count: u32,
    form: Form,
}

/// How the samples are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As [`columns`] packs them.
    Columns,
    /// As [`OpenChunk`] packs them.
    Xored,
    /// The same with start timestamps.
    XoredWithStarts,
}

impl SealedChunk {
    /// Of the bits of an [`OpenChunk`] and the samples that they say, packed the better way.
    pub(super) fn new(xored: &[u8], span: TimeRange, has_starts: bool, samples: &StartedSamples) -> Self {
        let columns = if has_starts { None } else { columns::pack(samples.times(), samples.values()) };
        let columns = columns.filter(|columns| columns.len() <= xored.len() + WORTH_BYTES);
        let form = match (&columns, has_starts) {
            (Some(_), _) => Form::Columns,
            (None, false) => Form::Xored,
            (None, true) => Form::XoredWithStarts,
        };
        let bytes = columns.as_deref().unwrap_or(xored).into();
        Self { bytes, span, count: samples.len() as u32, form }
    }

    /// Packs samples of strictly ascending times.
    pub(super) fn pack(samples: &StartedSamples) -> Self {
        let mut open = if samples.has_starts() { OpenChunk::with_starts() } else { OpenChunk::default() };
        samples.started().for_each(|(sample, start)| open.push(sample, start));
        open.seal()
    }

    /// The span of its times.
    pub(super) fn span(&self) -> TimeRange {
        self.span
    }

    /// How many samples.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        self.bytes.len() + 2 * size_of::<usize>()
    }

    /// Adds the samples within a range with their start timestamps, oldest first.
    pub(super) fn read(&self, range: TimeRange, out: &mut StartedSamples) {
        match self.form {
            Form::Columns => {
                let (before, count) = (out.len(), self.count as usize);
                out.extend_columns(|times, values| {
                    columns::unpack_times(&self.bytes, count, times);
                    columns::unpack_values(&self.bytes, count, 0..count, values);
                });
                out.cut(before, range);
            }
            Form::Xored | Form::XoredWithStarts => {
                let has_starts = self.form == Form::XoredWithStarts;
                XorReader::new(&self.bytes, self.span.start, self.count, has_starts).read(range, out);
            }
        }
    }

    /// Reads from each line of its memory: see [`super::series::Samples::touch`].
    pub(super) fn touch(&self) -> usize {
        self.bytes.iter().step_by(64).map(|byte| usize::from(*byte)).sum()
    }

    /// Whether times and values can be read one without the other, and there are no start timestamps.
    pub(super) fn has_columns(&self) -> bool {
        self.form == Form::Columns
    }

    /// Whether another chunk of columns has the same times. Unpacks nothing.
    pub(super) fn has_times_of(&self, other: &Self) -> bool {
        self.count == other.count && self.packed_times() == other.packed_times()
    }

    fn packed_times(&self) -> &[u8] {
        columns::packed_times(&self.bytes, self.count as usize)
    }

    /// Adds all times of a chunk of columns.
    pub(super) fn times(&self, out: &mut Vec<TimestampMs>) {
        columns::unpack_times(&self.bytes, self.count as usize, out);
    }

    /// Adds those values of a chunk of columns whose places are in a range.
    pub(super) fn values(&self, places: Range<usize>, out: &mut Vec<f64>) {
        columns::unpack_values(&self.bytes, self.count as usize, places, out);
    }

    /// The newest sample of a chunk of columns.
    pub(super) fn newest(&self) -> Option<Sample> {
        let value = columns::newest(&self.bytes).filter(|_| self.has_columns())?;
        Some(Sample { timestamp: self.span.end, value })
    }
}
