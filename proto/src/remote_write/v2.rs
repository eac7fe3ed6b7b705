//! Remote write 2.0: `io.prometheus.write.v2.Request`.
//!
//! ```text
//! Request    4 symbols*  5 timeseries*            (1 to 3 are reserved: they are 1.0's)
//! TimeSeries 1 labels_refs uint32*  2 samples*  3 histograms*  4 exemplars*  5 metadata
//!            (6 is reserved: it was a time of creation)
//! Sample     1 value double  2 timestamp int64  3 start_timestamp int64
//! Histogram  see `histograms.rs`
//! Exemplar   1 labels_refs uint32*  2 value double  3 timestamp int64
//! Metadata   1 type enum  3 help_ref uint32  4 unit_ref uint32
//! ```

use latewood_model::MetricType;

use super::histograms::histogram;
use super::reader::{Decoding, FIXED64, LEN, Reader, Tag, VARINT, row};
use super::v1::sample;
use super::{Columns, DecodeError, Defect, ExemplarSpan, LabelSpan, MetadataSpan, Range32, SeriesSpan, Span};

/// Decodes a 2.0 request into `columns`, which are cleared first. At most `limit` items (symbols, series,
/// labels, samples, histograms with their buckets, exemplars, metadata) are taken.
///
/// # Errors
/// [`DecodeError`] when the body is no such message; the columns then hold a part of it.
pub fn decode(body: &[u8], limit: usize, columns: &mut Columns) -> Result<(), DecodeError> {
    const MESSAGE: &str = "Request";
    let mut decoding = Decoding::new(body, limit, columns)?;
    symbols(&mut decoding)?;
    // Series may come before symbols on the wire, so they are read in a second walk.
    let mut reader = Reader::new(body);
    let mut looks_like_v1 = false;
    while let Some(tag) = reader.tag()? {
        if tag.field == 5 {
            tag.expect(MESSAGE, LEN)?;
            series(&mut decoding, reader.message()?)?;
        } else {
            looks_like_v1 |= (tag.field == 1 || tag.field == 3) && tag.wire_type == LEN;
            reader.skip(MESSAGE, tag)?;
        }
    }
    columns.finish_starts();
    if looks_like_v1 && columns.series.is_empty() {
        return Err(DecodeError::OtherVersion { claimed: "2.0", found: "1.0" });
    }
    Ok(())
}

/// Fills the symbol table: each text with whether it is UTF-8.
fn symbols(decoding: &mut Decoding<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "Request";
    let mut reader = Reader::new(decoding.body);
    while let Some(tag) = reader.tag()? {
        if tag.field == 4 {
            tag.expect(MESSAGE, LEN)?;
            decoding.spend()?;
            let symbol = reader.span()?;
            let good = decoding.is_utf8(symbol);
            decoding.columns.symbols.push((symbol, good));
        } else {
            reader.skip(MESSAGE, tag)?;
        }
    }
    match decoding.columns.symbols.first() {
        Some((first, _)) if !first.is_empty() => Err(DecodeError::FirstSymbol),
        _ => Ok(()),
    }
}

/// Where label references of a series or an exemplar go.
#[derive(Clone, Copy)]
enum Of {
    Series,
    Exemplar,
}

/// Label references as they come: in one packed field, in several, or one by one.
struct References {
    of: Of,
    /// A name whose value has not come yet.
    name: Option<Span>,
    seen: u32,
    defect: Option<Defect>,
}

impl References {
    fn new(of: Of) -> Self {
        Self { of, name: None, seen: 0, defect: None }
    }

    fn field(
        &mut self,
        message: &'static str,
        tag: Tag,
        decoding: &mut Decoding<'_>,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        if tag.wire_type == VARINT {
            let reference = reader.varint()?;
            return self.take(reference, decoding);
        }
        tag.expect(message, LEN)?;
        let mut packed = reader.message()?;
        while !packed.is_at_end() {
            let reference = packed.varint()?;
            self.take(reference, decoding)?;
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, reference: u64, decoding: &mut Decoding<'_>) -> Result<(), DecodeError> {
        self.seen += 1;
        let text = match symbol(decoding.columns, reference) {
            Ok(text) => text,
            Err(defect) => {
                self.defect.get_or_insert(defect);
                Span::default()
            }
        };
        let Some(name) = self.name.take() else {
            self.name = Some(text);
            return Ok(());
        };
        decoding.spend()?;
        let label = LabelSpan { name, value: text };
        match self.of {
            Of::Series => decoding.columns.labels.push(label),
            Of::Exemplar => decoding.columns.exemplar_labels.push(label),
        }
        Ok(())
    }

    fn defect(&self) -> Option<Defect> {
        let odd = self.name.map(|_| Defect::OddReferences(self.seen));
        self.defect.or(odd)
    }
}

#[inline]
fn symbol(columns: &Columns, reference: u64) -> Result<Span, Defect> {
    let found = usize::try_from(reference).ok().and_then(|index| columns.symbols.get(index));
    match found {
        Some(&(text, true)) => Ok(text),
        Some(_) => Err(Defect::NotUtf8),
        None => Err(Defect::ReferenceOutOfRange { reference, symbols: row(&columns.symbols) }),
    }
}

fn series(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "TimeSeries";
    decoding.spend()?;
    let first_label = row(&decoding.columns.labels);
    let first_sample = row(&decoding.columns.samples);
    let first_exemplar = row(&decoding.columns.exemplars);
    let mut references = References::new(Of::Series);
    let first_histogram = row(&decoding.columns.histograms.rows);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => references.field(MESSAGE, tag, decoding, &mut reader)?,
            2 => {
                tag.expect(MESSAGE, LEN)?;
                decoding.spend()?;
                let (sample, start) = sample::<true>(reader.message()?)?;
                decoding.columns.push_started(sample, start);
            }
            3 => {
                tag.expect(MESSAGE, LEN)?;
                histogram(decoding, reader.message()?)?;
            }
            4 => {
                tag.expect(MESSAGE, LEN)?;
                exemplar(decoding, reader.message()?)?;
            }
            5 => {
                tag.expect(MESSAGE, LEN)?;
                metadata(decoding, reader.message()?)?;
            }
            _ => reader.skip(MESSAGE, tag)?,
        }
    }
    decoding.columns.series.push(SeriesSpan {
        labels: Range32 { start: first_label, end: row(&decoding.columns.labels) },
        samples: Range32 { start: first_sample, end: row(&decoding.columns.samples) },
        exemplars: Range32 { start: first_exemplar, end: row(&decoding.columns.exemplars) },
        histograms: Range32 { start: first_histogram, end: row(&decoding.columns.histograms.rows) },
        defect: references.defect(),
    });
    Ok(())
}

fn exemplar(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "Exemplar";
    decoding.spend()?;
    let first_label = row(&decoding.columns.exemplar_labels);
    let mut references = References::new(Of::Exemplar);
    let (mut value, mut timestamp) = (0.0, 0);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => references.field(MESSAGE, tag, decoding, &mut reader)?,
            2 => {
                tag.expect(MESSAGE, FIXED64)?;
                value = reader.double()?;
            }
            3 => {
                tag.expect(MESSAGE, VARINT)?;
                timestamp = reader.varint()? as i64;
            }
            _ => reader.skip(MESSAGE, tag)?,
        }
    }
    decoding.columns.exemplars.push(ExemplarSpan {
        labels: Range32 { start: first_label, end: row(&decoding.columns.exemplar_labels) },
        value,
        timestamp,
        defect: references.defect(),
    });
    Ok(())
}

fn metadata(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "Metadata";
    decoding.spend()?;
    let mut metric_type = MetricType::Unknown;
    let (mut help, mut unit) = (0, 0);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 | 3 | 4 => tag.expect(MESSAGE, VARINT)?,
            _ => {
                reader.skip(MESSAGE, tag)?;
                continue;
            }
        }
        let number = reader.varint()?;
        match tag.field {
            1 => metric_type = MetricType::from_wire(i32::try_from(number).unwrap_or(0)),
            3 => help = number,
            _ => unit = number,
        }
    }
    // Says nothing, or refers to nothing: metadata never fails a write.
    if metric_type == MetricType::Unknown && help == 0 && unit == 0 {
        return Ok(());
    }
    if let (Ok(help), Ok(unit)) = (symbol(decoding.columns, help), symbol(decoding.columns, unit)) {
        let series = Some(row(&decoding.columns.series));
        decoding.columns.metadata.push(MetadataSpan {
            family: Span::default(),
            series,
            metric_type,
            help,
            unit,
        });
    }
    Ok(())
}
