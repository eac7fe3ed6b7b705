//! Encoding of remote-write requests: for the load generator, tests and tools.
//!
//! What it writes is what Prometheus writes: fields in order, defaults left out, references packed.

use std::collections::HashMap;

use latewood_model::histogram::{HistogramParts, PartCounts, Span};
use latewood_model::{Exemplar, LabelPair, MetricMetadata, NO_START, Sample, TimestampMs};

/// Compresses a body into a snappy block.
///
/// # Errors
/// Snappy's own, for a body of 4 GiB and more.
pub fn compress(body: &[u8]) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(body)
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a varint field, unless it is 0.
pub fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(out, u64::from(field) << 3);
        put_varint(out, number);
    }
}

/// Appends a double, unless its bits are 0.
pub fn put_double(out: &mut Vec<u8>, field: u32, value: f64) {
    if value.to_bits() != 0 {
        put_varint(out, u64::from(field) << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_label(out: &mut Vec<u8>, (name, value): LabelPair<'_>) {
    let mut label = Vec::with_capacity(name.len() + value.len() + 8);
    put_bytes(&mut label, 1, name.as_bytes());
    put_bytes(&mut label, 2, value.as_bytes());
    put_bytes(out, 1, &label);
}

fn put_sample(out: &mut Vec<u8>, sample: Sample, start: TimestampMs, scratch: &mut Vec<u8>) {
    scratch.clear();
    put_double(scratch, 1, sample.value);
    put_number(scratch, 2, sample.timestamp as u64);
    put_number(scratch, 3, start as u64);
    put_bytes(out, 2, scratch);
}

/// Small magnitudes to small numbers.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// A varint field that is part of a `oneof`: it goes out even if it is 0.
fn put_number_of(out: &mut Vec<u8>, field: u32, number: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, number);
}

/// A double that is part of a `oneof`.
fn put_double_of(out: &mut Vec<u8>, field: u32, number: f64) {
    put_varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_spans(out: &mut Vec<u8>, field: u32, spans: &[Span]) {
    for span in spans {
        let mut message = Vec::with_capacity(12);
        put_number(&mut message, 1, zigzag(span.offset.into()));
        put_number(&mut message, 2, span.length.into());
        put_bytes(out, field, &message);
    }
}

fn put_deltas(out: &mut Vec<u8>, field: u32, deltas: &[i64]) {
    let mut packed = Vec::with_capacity(deltas.len() * 2);
    deltas.iter().for_each(|&delta| put_varint(&mut packed, zigzag(delta)));
    put_packed(out, field, &packed);
}

fn put_doubles(out: &mut Vec<u8>, field: u32, doubles: &[f64]) {
    let packed: Vec<u8> = doubles.iter().flat_map(|double| double.to_le_bytes()).collect();
    put_packed(out, field, &packed);
}

fn put_packed(out: &mut Vec<u8>, field: u32, packed: &[u8]) {
    if !packed.is_empty() {
        put_bytes(out, field, packed);
    }
}

/// The `Histogram` message, the same in both versions.
fn histogram(timestamp: TimestampMs, parts: &HistogramParts<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match parts.counts {
        PartCounts::Integer { count, .. } => put_number_of(&mut out, 1, count),
        PartCounts::Float { count, .. } => put_double_of(&mut out, 2, count),
    }
    put_double(&mut out, 3, parts.sum);
    put_number(&mut out, 4, zigzag(parts.schema.into()));
    put_double(&mut out, 5, parts.zero_threshold);
    match parts.counts {
        PartCounts::Integer { zero_count, .. } => put_number_of(&mut out, 6, zero_count),
        PartCounts::Float { zero_count, .. } => put_double_of(&mut out, 7, zero_count),
    }
    put_spans(&mut out, 8, &parts.negative_spans);
    match &parts.counts {
        PartCounts::Integer { negative_deltas, .. } => put_deltas(&mut out, 9, negative_deltas),
        PartCounts::Float { negative_counts, .. } => put_doubles(&mut out, 10, negative_counts),
    }
    put_spans(&mut out, 11, &parts.positive_spans);
    match &parts.counts {
        PartCounts::Integer { positive_deltas, .. } => put_deltas(&mut out, 12, positive_deltas),
        PartCounts::Float { positive_counts, .. } => put_doubles(&mut out, 13, positive_counts),
    }
    put_number(&mut out, 14, parts.reset_hint as u64);
    put_number(&mut out, 15, timestamp as u64);
    put_doubles(&mut out, 16, &parts.custom_bounds);
    out
}

/// Writes a 1.0 request.
#[derive(Debug, Default)]
pub struct EncoderV1 {
    out: Vec<u8>,
    series: Vec<u8>,
    scratch: Vec<u8>,
}

impl EncoderV1 {
    /// An empty request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series; the labels go out in the order given.
    pub fn series<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        samples: &[Sample],
        exemplars: &[Exemplar],
    ) -> &mut Self {
        self.series.clear();
        for label in labels {
            put_label(&mut self.series, label);
        }
        for &sample in samples {
            put_sample(&mut self.series, sample, NO_START, &mut self.scratch);
        }
        for exemplar in exemplars {
            self.scratch.clear();
            for label in exemplar.labels.iter() {
                put_label(&mut self.scratch, label);
            }
            put_double(&mut self.scratch, 2, exemplar.value);
            put_number(&mut self.scratch, 3, exemplar.timestamp as u64);
            put_bytes(&mut self.series, 3, &self.scratch);
        }
        put_bytes(&mut self.out, 1, &self.series);
        self
    }

    /// Adds a series of native histograms.
    pub fn histograms<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        histograms: &[(TimestampMs, HistogramParts<'_>)],
    ) -> &mut Self {
        self.mixed(labels, &[], histograms)
    }

    /// Adds a series that has both.
    pub fn mixed<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        samples: &[Sample],
        histograms: &[(TimestampMs, HistogramParts<'_>)],
    ) -> &mut Self {
        self.series.clear();
        for label in labels {
            put_label(&mut self.series, label);
        }
        for &sample in samples {
            put_sample(&mut self.series, sample, NO_START, &mut self.scratch);
        }
        for (timestamp, parts) in histograms {
            put_bytes(&mut self.series, 4, &histogram(*timestamp, parts));
        }
        put_bytes(&mut self.out, 1, &self.series);
        self
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Adds metadata of a metric family.
    pub fn metadata(&mut self, family: &str, metadata: &MetricMetadata) -> &mut Self {
        self.scratch.clear();
        put_number(&mut self.scratch, 1, metadata.metric_type as u64);
        put_bytes(&mut self.scratch, 2, family.as_bytes());
        put_bytes(&mut self.scratch, 4, metadata.help.as_bytes());
        put_bytes(&mut self.scratch, 5, metadata.unit.as_bytes());
        put_bytes(&mut self.out, 3, &self.scratch);
        self
    }

    /// The request, not compressed; the encoder is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// Writes a 2.0 request.
#[derive(Debug)]
pub struct EncoderV2 {
    symbols: HashMap<Box<str>, u32>,
    symbol_bytes: Vec<u8>,
    out: Vec<u8>,
    series: Vec<u8>,
    scratch: Vec<u8>,
    references: Vec<u8>,
}

impl Default for EncoderV2 {
    fn default() -> Self {
        let mut encoder = Self {
            symbols: HashMap::new(),
            symbol_bytes: Vec::new(),
            out: Vec::new(),
            series: Vec::new(),
            scratch: Vec::new(),
            references: Vec::new(),
        };
        encoder.symbol("");
        encoder
    }
}

impl EncoderV2 {
    /// An empty request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series; the labels go out in the order given.
    pub fn series<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        samples: &[Sample],
        exemplars: &[Exemplar],
        metadata: Option<&MetricMetadata>,
    ) -> &mut Self {
        self.series.clear();
        self.put_references(labels);
        put_bytes(&mut self.series, 1, &self.references);
        for &sample in samples {
            put_sample(&mut self.series, sample, NO_START, &mut self.scratch);
        }
        for exemplar in exemplars {
            self.put_references(exemplar.labels.iter());
            self.scratch.clear();
            put_bytes(&mut self.scratch, 1, &self.references);
            put_double(&mut self.scratch, 2, exemplar.value);
            put_number(&mut self.scratch, 3, exemplar.timestamp as u64);
            put_bytes(&mut self.series, 4, &self.scratch);
        }
        if let Some(metadata) = metadata {
            let (help, unit) = (self.symbol(&metadata.help), self.symbol(&metadata.unit));
            self.scratch.clear();
            put_number(&mut self.scratch, 1, metadata.metric_type as u64);
            put_number(&mut self.scratch, 3, help.into());
            put_number(&mut self.scratch, 4, unit.into());
            put_bytes(&mut self.series, 5, &self.scratch);
        }
        put_bytes(&mut self.out, 5, &self.series);
        self
    }

    /// Adds a series of samples with their start timestamps.
    pub fn started<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        samples: &[(Sample, TimestampMs)],
    ) -> &mut Self {
        self.series.clear();
        self.put_references(labels);
        put_bytes(&mut self.series, 1, &self.references);
        for &(sample, start) in samples {
            put_sample(&mut self.series, sample, start, &mut self.scratch);
        }
        put_bytes(&mut self.out, 5, &self.series);
        self
    }

    /// Adds a series of native histograms that all have one start timestamp.
    pub fn started_histograms<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        histograms: &[(TimestampMs, HistogramParts<'_>)],
        start: TimestampMs,
    ) -> &mut Self {
        self.series.clear();
        self.put_references(labels);
        put_bytes(&mut self.series, 1, &self.references);
        for (timestamp, parts) in histograms {
            let mut message = histogram(*timestamp, parts);
            put_number(&mut message, 17, start as u64);
            put_bytes(&mut self.series, 3, &message);
        }
        put_bytes(&mut self.out, 5, &self.series);
        self
    }

    /// Adds a series of native histograms.
    pub fn histograms<'a>(
        &mut self,
        labels: impl IntoIterator<Item = LabelPair<'a>>,
        histograms: &[(TimestampMs, HistogramParts<'_>)],
    ) -> &mut Self {
        self.started_histograms(labels, histograms, NO_START)
    }

    /// The request, not compressed; the encoder is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut done = std::mem::take(self);
        done.symbol_bytes.append(&mut done.out);
        done.symbol_bytes
    }

    fn put_references<'a>(&mut self, labels: impl IntoIterator<Item = LabelPair<'a>>) {
        self.references.clear();
        for (name, value) in labels {
            let (name, value) = (self.symbol(name), self.symbol(value));
            put_varint(&mut self.references, name.into());
            put_varint(&mut self.references, value.into());
        }
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(&reference) = self.symbols.get(text) {
            return reference;
        }
        let reference = u32::try_from(self.symbols.len()).unwrap_or(u32::MAX);
        self.symbols.insert(text.into(), reference);
        put_bytes(&mut self.symbol_bytes, 4, text.as_bytes());
        reference
    }
}
