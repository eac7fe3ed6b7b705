//! Samples of one series that no longer change.

use std::sync::Arc;

use latewood_model::TimeRange;

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
    /// The bits of an [`OpenChunk`].
    pub(super) fn xored(bytes: &[u8], span: TimeRange, count: u32, has_starts: bool) -> Self {
        let form = if has_starts { Form::XoredWithStarts } else { Form::Xored };
        Self { bytes: bytes.into(), span, count, form }
    }

    /// Packs samples of strictly ascending times for good.
    pub(super) fn pack(samples: &StartedSamples) -> Self {
        let mut open = if samples.has_starts() { OpenChunk::with_starts() } else { OpenChunk::default() };
        samples.started().for_each(|(sample, start)| open.push(sample, start));
        open.snapshot().settled(samples)
    }

    /// The same samples packed for good. `samples` are what it holds.
    pub(super) fn settled(self, samples: &StartedSamples) -> Self {
        if self.form != Form::Xored {
            return self;
        }
        match columns::pack(samples.times(), samples.values()) {
            Some(bytes) if bytes.len() <= self.bytes.len() + WORTH_BYTES => {
                Self { bytes: bytes.into(), form: Form::Columns, ..self }
            }
            _ => self,
        }
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
                let before = out.len();
                out.extend_columns(|times, values| {
                    columns::unpack(&self.bytes, self.count as usize, times, values);
                });
                out.cut(before, range);
            }
            Form::Xored => self.read_xored(false, range, out),
            Form::XoredWithStarts => self.read_xored(true, range, out),
        }
    }

    #[inline]
    fn read_xored(&self, has_starts: bool, range: TimeRange, out: &mut StartedSamples) {
        let mut reader = XorReader::new(&self.bytes, self.span.start, self.count, has_starts);
        while let Some(sample) = reader.next()
            && sample.timestamp <= range.end
        {
            if sample.timestamp >= range.start {
                out.push(sample, reader.start());
            }
        }
    }
}
