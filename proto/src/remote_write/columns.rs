//! What the decoders fill: flat vectors with ranges into the request's body.

use latewood_model::{MetricType, NO_START, Sample, TimestampMs};

use super::HistogramColumns;

/// A range of bytes of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

impl Span {
    /// The bytes in `body`; empty when the span is not of this body.
    #[must_use]
    pub fn bytes(self, body: &[u8]) -> &[u8] {
        let start = self.start as usize;
        body.get(start..start.saturating_add(self.len as usize)).unwrap_or_default()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The text of a span that a decoder checked to be UTF-8 (empty if it is not).
#[must_use]
pub fn text(span: Span, body: &[u8]) -> &str {
    std::str::from_utf8(span.bytes(body)).unwrap_or_default()
}

/// A range of rows of one of the vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range32 {
    /// The first row.
    pub start: u32,
    /// One past the last row.
    pub end: u32,
}

impl Range32 {
    /// The rows of a slice; empty when the range is not of this slice.
    #[must_use]
    pub fn of<T>(self, rows: &[T]) -> &[T] {
        rows.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The rows of a slice, to be changed.
    #[must_use]
    pub fn of_mut<T>(self, rows: &mut [T]) -> &mut [T] {
        rows.get_mut(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// How many rows.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// A label: two texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelSpan {
    /// The name.
    pub name: Span,
    /// The value.
    pub value: Span,
}

/// What makes one series of a well-formed request unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A label name or value is not UTF-8.
    NotUtf8,
    /// 2.0: a label reference points past the symbols.
    ReferenceOutOfRange {
        /// The reference.
        reference: u64,
        /// How many symbols there are.
        symbols: u32,
    },
    /// 2.0: label references must come in pairs.
    OddReferences(u32),
}

/// A series of the request, its labels as sent: not sorted, not validated but for [`Defect`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeriesSpan {
    /// Rows of [`Columns::labels`].
    pub labels: Range32,
    /// Rows of [`Columns::samples`].
    pub samples: Range32,
    /// Rows of [`Columns::exemplars`].
    pub exemplars: Range32,
    /// Rows of [`HistogramColumns::rows`].
    pub histograms: Range32,
    /// Why it cannot be used, if so.
    pub defect: Option<Defect>,
}

/// An exemplar.
#[derive(Clone, Copy, Debug)]
pub struct ExemplarSpan {
    /// Rows of [`Columns::exemplar_labels`], as sent.
    pub labels: Range32,
    /// The value.
    pub value: f64,
    /// When.
    pub timestamp: TimestampMs,
    /// Why it cannot be used, if so.
    pub defect: Option<Defect>,
}

/// Metadata of a metric family (1.0), or of the metric that a series belongs to (2.0).
#[derive(Clone, Copy, Debug)]
pub struct MetadataSpan {
    /// 1.0: the family's name. 2.0: empty, the name is that of `series`.
    pub family: Span,
    /// 2.0: row of [`Columns::series`].
    pub series: Option<u32>,
    /// The type.
    pub metric_type: MetricType,
    /// The help text.
    pub help: Span,
    /// The unit.
    pub unit: Span,
}

/// A decoded request in columns. Reused: a decoder clears it and keeps its memory.
#[derive(Debug, Default)]
pub struct Columns {
    /// The series in the order of the request.
    pub series: Vec<SeriesSpan>,
    /// The labels of all series.
    pub labels: Vec<LabelSpan>,
    /// The samples of all series.
    pub samples: Vec<Sample>,
    /// 2.0: the start timestamps of all samples; nothing when no sample has one.
    pub starts: Vec<TimestampMs>,
    /// The native histograms of all series.
    pub histograms: HistogramColumns,
    /// The exemplars of all series.
    pub exemplars: Vec<ExemplarSpan>,
    /// The labels of all exemplars.
    pub exemplar_labels: Vec<LabelSpan>,
    /// Metadata.
    pub metadata: Vec<MetadataSpan>,
    /// 2.0: the symbol table while decoding.
    pub(super) symbols: Vec<(Span, bool)>,
}

impl Columns {
    /// Adds a sample; most come without a start timestamp, and then nothing but the sample is kept.
    #[inline]
    pub(super) fn push_started(&mut self, sample: Sample, start: TimestampMs) {
        if start != NO_START {
            self.starts.resize(self.samples.len(), NO_START);
            self.starts.push(start);
        }
        self.samples.push(sample);
    }

    /// Gives the samples behind the last one that has a start timestamp theirs, if any has.
    pub(super) fn finish_starts(&mut self) {
        if !self.starts.is_empty() {
            self.starts.resize(self.samples.len(), NO_START);
        }
    }

    /// Forgets the content, keeps the memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.labels.clear();
        self.samples.clear();
        self.starts.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.exemplar_labels.clear();
        self.metadata.clear();
        self.symbols.clear();
    }

    /// Bytes of memory that the vectors hold on to.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        fn bytes<T>(rows: &Vec<T>) -> usize {
            rows.capacity() * size_of::<T>()
        }
        bytes(&self.series)
            + bytes(&self.labels)
            + bytes(&self.samples)
            + bytes(&self.starts)
            + self.histograms.capacity_bytes()
            + bytes(&self.exemplars)
            + bytes(&self.exemplar_labels)
            + bytes(&self.metadata)
            + bytes(&self.symbols)
    }
}
