//! Remote write 1.0: `prometheus.WriteRequest`.
//!
//! ```text
//! WriteRequest   1 timeseries*  3 metadata*
//! TimeSeries     1 labels*  2 samples*  3 exemplars*  4 histograms*
//! Label          1 name  2 value
//! Sample         1 value double  2 timestamp int64
//! Histogram      see `histograms.rs`
//! Exemplar       1 labels*  2 value double  3 timestamp int64
//! MetricMetadata 1 type enum  2 metric_family_name  4 help  5 unit
//! ```

use latewood_model::{MetricType, NO_START, Sample, TimestampMs};

use super::histograms::histogram;
use super::reader::{Decoding, FIXED64, LEN, Reader, VARINT, row};
use super::{Columns, DecodeError, Defect, ExemplarSpan, LabelSpan, MetadataSpan, Range32, SeriesSpan, Span};

/// Decodes a 1.0 request into `columns`, which are cleared first. At most `limit` items (series, labels,
/// samples, histograms with their buckets, exemplars, metadata) are taken.
///
/// # Errors
/// [`DecodeError`] when the body is no such message; the columns then hold a part of it.
pub fn decode(body: &[u8], limit: usize, columns: &mut Columns) -> Result<(), DecodeError> {
    const MESSAGE: &str = "WriteRequest";
    let mut decoding = Decoding::new(body, limit, columns)?;
    let mut reader = Reader::new(body);
    let mut looks_like_v2 = false;
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => {
                tag.expect(MESSAGE, LEN)?;
                series(&mut decoding, reader.message()?)?;
            }
            3 => {
                tag.expect(MESSAGE, LEN)?;
                metadata(&mut decoding, reader.message()?)?;
            }
            field => {
                looks_like_v2 |= field == 5 && tag.wire_type == LEN;
                reader.skip(MESSAGE, tag)?;
            }
        }
    }
    if looks_like_v2 && columns.series.is_empty() && columns.metadata.is_empty() {
        return Err(DecodeError::OtherVersion { claimed: "1.0", found: "2.0" });
    }
    Ok(())
}

fn series(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "TimeSeries";
    decoding.spend()?;
    let first_label = row(&decoding.columns.labels);
    let first_sample = row(&decoding.columns.samples);
    let first_exemplar = row(&decoding.columns.exemplars);
    let first_histogram = row(&decoding.columns.histograms.rows);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1..=4 => tag.expect(MESSAGE, LEN)?,
            _ => {
                reader.skip(MESSAGE, tag)?;
                continue;
            }
        }
        let field = reader.message()?;
        match tag.field {
            1 => {
                decoding.spend()?;
                let label = label(field)?;
                decoding.columns.labels.push(label);
            }
            2 => {
                decoding.spend()?;
                let (sample, _) = sample::<false>(field)?;
                decoding.columns.samples.push(sample);
            }
            3 => exemplar(decoding, field)?,
            _ => histogram(decoding, field)?,
        }
    }
    let labels = Range32 { start: first_label, end: row(&decoding.columns.labels) };
    let defect = utf8_defect(decoding, labels.of(&decoding.columns.labels));
    decoding.columns.series.push(SeriesSpan {
        labels,
        samples: Range32 { start: first_sample, end: row(&decoding.columns.samples) },
        exemplars: Range32 { start: first_exemplar, end: row(&decoding.columns.exemplars) },
        histograms: Range32 { start: first_histogram, end: row(&decoding.columns.histograms.rows) },
        defect,
    });
    Ok(())
}

#[inline]
fn label(mut reader: Reader<'_>) -> Result<LabelSpan, DecodeError> {
    const MESSAGE: &str = "Label";
    let mut label = LabelSpan::default();
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => {
                tag.expect(MESSAGE, LEN)?;
                label.name = reader.span()?;
            }
            2 => {
                tag.expect(MESSAGE, LEN)?;
                label.value = reader.span()?;
            }
            _ => reader.skip(MESSAGE, tag)?,
        }
    }
    Ok(label)
}

/// A sample of 1.0 or 2.0, and its start timestamp, which only 2.0 has.
#[inline]
pub(super) fn sample<const STARTED: bool>(
    mut reader: Reader<'_>,
) -> Result<(Sample, TimestampMs), DecodeError> {
    const MESSAGE: &str = "Sample";
    let (mut value, mut timestamp, mut start) = (0.0, 0, NO_START);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => {
                tag.expect(MESSAGE, FIXED64)?;
                value = reader.double()?;
            }
            2 => {
                tag.expect(MESSAGE, VARINT)?;
                timestamp = reader.varint()? as i64;
            }
            3 if STARTED => {
                tag.expect(MESSAGE, VARINT)?;
                start = reader.varint()? as i64;
            }
            _ => reader.skip(MESSAGE, tag)?,
        }
    }
    Ok((Sample { timestamp, value }, start))
}

fn exemplar(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "Exemplar";
    decoding.spend()?;
    let first_label = row(&decoding.columns.exemplar_labels);
    let (mut value, mut timestamp) = (0.0, 0);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 => {
                tag.expect(MESSAGE, LEN)?;
                decoding.spend()?;
                let label = label(reader.message()?)?;
                decoding.columns.exemplar_labels.push(label);
            }
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
    let labels = Range32 { start: first_label, end: row(&decoding.columns.exemplar_labels) };
    let defect = utf8_defect(decoding, labels.of(&decoding.columns.exemplar_labels));
    decoding.columns.exemplars.push(ExemplarSpan { labels, value, timestamp, defect });
    Ok(())
}

fn metadata(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    const MESSAGE: &str = "MetricMetadata";
    decoding.spend()?;
    let mut metric_type = MetricType::Unknown;
    let (mut family, mut help, mut unit) = (Span::default(), Span::default(), Span::default());
    while let Some(tag) = reader.tag()? {
        let text = match tag.field {
            1 => {
                tag.expect(MESSAGE, VARINT)?;
                metric_type = MetricType::from_wire(i32::try_from(reader.varint()?).unwrap_or(0));
                continue;
            }
            2 => &mut family,
            4 => &mut help,
            5 => &mut unit,
            _ => {
                reader.skip(MESSAGE, tag)?;
                continue;
            }
        };
        tag.expect(MESSAGE, LEN)?;
        *text = reader.span()?;
    }
    // Texts that are not UTF-8 are of no use; metadata never fails a write.
    if [family, help, unit].iter().all(|&text| decoding.is_utf8(text)) {
        decoding.columns.metadata.push(MetadataSpan { family, series: None, metric_type, help, unit });
    }
    Ok(())
}

/// Whether some text of these labels is not UTF-8. The labels of a message stand next to each other and
/// the bytes between the texts (keys and lengths below 128) are ASCII themselves, so that one pass over
/// all of it mostly settles the question.
fn utf8_defect(decoding: &Decoding<'_>, labels: &[LabelSpan]) -> Option<Defect> {
    let texts = || labels.iter().flat_map(|label| [label.name, label.value]);
    let start = texts().filter(|text| !text.is_empty()).map(|text| text.start).min()?;
    let end = texts().map(|text| text.start + text.len).max()?;
    let all = Span { start, len: end.saturating_sub(start) };
    if all.bytes(decoding.body).is_ascii() || texts().all(|text| decoding.is_utf8(text)) {
        None
    } else {
        Some(Defect::NotUtf8)
    }
}
