//! Native histograms: the message is the same in 1.0 and 2.0.
//!
//! ```text
//! Histogram  1 count_int uint64   2 count_float double   3 sum double   4 schema sint32
//!            5 zero_threshold double   6 zero_count_int uint64   7 zero_count_float double
//!            8 negative_spans*   9 negative_deltas sint64*   10 negative_counts double*
//!           11 positive_spans*  12 positive_deltas sint64*   13 positive_counts double*
//!           14 reset_hint enum  15 timestamp int64  16 custom_values double*
//!           17 start_timestamp int64 (2.0)
//! BucketSpan 1 offset sint32  2 length uint32
//! ```
//!
//! Each list has a vector of its own for all histograms of a request, so that a list is one range of it
//! however it came: packed, in several pieces or value by value.

use std::borrow::Cow;

use latewood_model::histogram::{HistogramParts, PartCounts, Span as BucketSpan};
use latewood_model::{NO_START, TimestampMs};

use super::reader::{Decoding, FIXED64, LEN, Reader, Tag, VARINT, row};
use super::{DecodeError, Range32};

const MESSAGE: &str = "Histogram";

/// The counts of a histogram outside of its buckets.
#[derive(Clone, Copy, Debug)]
enum Totals {
    Integer { count: u64, zero_count: u64 },
    Float { count: f64, zero_count: f64 },
}

/// A native histogram as sent: nothing of it was compared with anything. Its lists are ranges of
/// [`HistogramColumns`].
#[derive(Clone, Copy, Debug)]
pub struct HistogramRow {
    /// When.
    pub timestamp: TimestampMs,
    /// Since when it has been counted up; [`NO_START`] if that is not said.
    pub start: TimestampMs,
    schema: i32,
    zero_threshold: f64,
    sum: f64,
    reset_hint: i32,
    totals: Totals,
    lists: Marks,
    ends: Marks,
}

/// How far each of the lists is filled.
#[derive(Clone, Copy, Debug)]
struct Marks {
    custom_bounds: u32,
    spans: [u32; 2],
    deltas: [u32; 2],
    counts: [u32; 2],
}

/// The places of the two sides in pairs of lists.
const NEGATIVE: usize = 0;
const POSITIVE: usize = 1;

/// The histograms of a request, list by list; of pairs the first is of the negative side.
#[derive(Debug, Default)]
pub struct HistogramColumns {
    /// The histograms, in the order of the request.
    pub rows: Vec<HistogramRow>,
    custom_bounds: Vec<f64>,
    spans: [Vec<BucketSpan>; 2],
    deltas: [Vec<i64>; 2],
    counts: [Vec<f64>; 2],
}

impl HistogramColumns {
    /// The fields of a histogram, lists where they are.
    #[must_use]
    pub fn parts(&self, row: &HistogramRow) -> HistogramParts<'_> {
        let counts = match row.totals {
            Totals::Integer { count, zero_count } => {
                let deltas = |side| list(&self.deltas, row, side, |marks| marks.deltas);
                PartCounts::Integer {
                    count,
                    zero_count,
                    positive_deltas: deltas(POSITIVE),
                    negative_deltas: deltas(NEGATIVE),
                }
            }
            Totals::Float { count, zero_count } => {
                let counts = |side| list(&self.counts, row, side, |marks| marks.counts);
                PartCounts::Float {
                    count,
                    zero_count,
                    positive_counts: counts(POSITIVE),
                    negative_counts: counts(NEGATIVE),
                }
            }
        };
        let spans = |side| list(&self.spans, row, side, |marks| marks.spans);
        let bounds = Range32 { start: row.lists.custom_bounds, end: row.ends.custom_bounds };
        HistogramParts {
            schema: row.schema,
            zero_threshold: row.zero_threshold,
            sum: row.sum,
            reset_hint: row.reset_hint,
            custom_bounds: bounds.of(&self.custom_bounds).into(),
            positive_spans: spans(POSITIVE),
            negative_spans: spans(NEGATIVE),
            counts,
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.custom_bounds.clear();
        self.spans.iter_mut().for_each(Vec::clear);
        self.deltas.iter_mut().for_each(Vec::clear);
        self.counts.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        let spans: usize = self.spans.iter().map(Vec::capacity).sum();
        let deltas: usize = self.deltas.iter().map(Vec::capacity).sum();
        let counts: usize = self.counts.iter().map(Vec::capacity).sum();
        let numbers = self.custom_bounds.capacity() + deltas + counts;
        self.rows.capacity() * size_of::<HistogramRow>()
            + spans * size_of::<BucketSpan>()
            + numbers * size_of::<u64>()
    }

    fn marks(&self) -> Marks {
        Marks {
            custom_bounds: row(&self.custom_bounds),
            spans: self.spans.each_ref().map(|list| row(list)),
            deltas: self.deltas.each_ref().map(|list| row(list)),
            counts: self.counts.each_ref().map(|list| row(list)),
        }
    }
}

/// The part of a side's list that is a histogram's.
fn list<'a, T: Clone>(
    lists: &'a [Vec<T>; 2],
    row: &HistogramRow,
    side: usize,
    of: impl Fn(&Marks) -> [u32; 2],
) -> Cow<'a, [T]> {
    let (Some(list), Some(&start), Some(&end)) =
        (lists.get(side), of(&row.lists).get(side), of(&row.ends).get(side))
    else {
        return Cow::Borrowed(&[]);
    };
    Cow::Borrowed(Range32 { start, end }.of(list))
}

/// Decodes a histogram into the columns. Each bucket, span and bound is an item of the request.
pub(super) fn histogram(decoding: &mut Decoding<'_>, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    decoding.spend()?;
    let marks = decoding.columns.histograms.marks();
    let mut fields = HistogramRow {
        timestamp: 0,
        start: NO_START,
        schema: 0,
        zero_threshold: 0.0,
        sum: 0.0,
        reset_hint: 0,
        totals: Totals::Integer { count: 0, zero_count: 0 },
        lists: marks,
        ends: marks,
    };
    let (mut integers, mut floats, mut is_float) = ([0_u64; 2], [0.0; 2], false);
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 | 6 => {
                tag.expect(MESSAGE, VARINT)?;
                let number = reader.varint()?;
                put(&mut integers, tag, number);
                is_float &= tag.field != 1;
            }
            2 | 7 => {
                tag.expect(MESSAGE, FIXED64)?;
                let number = reader.double()?;
                put(&mut floats, tag, number);
                is_float |= tag.field == 2;
            }
            8..=13 | 16 => buckets(decoding, tag, &mut reader)?,
            _ => scalar(&mut fields, tag, &mut reader)?,
        }
    }
    fields.totals = match is_float {
        true => Totals::Float { count: floats[0], zero_count: floats[1] },
        false => Totals::Integer { count: integers[0], zero_count: integers[1] },
    };
    fields.ends = decoding.columns.histograms.marks();
    decoding.columns.histograms.rows.push(fields);
    Ok(())
}

/// A count goes first, a zero count second.
fn put<T>(totals: &mut [T; 2], tag: Tag, number: T) {
    let [count, zero_count] = totals;
    *(if tag.field <= 2 { count } else { zero_count }) = number;
}

fn scalar(fields: &mut HistogramRow, tag: Tag, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match tag.field {
        3 | 5 => {
            tag.expect(MESSAGE, FIXED64)?;
            let number = reader.double()?;
            *(if tag.field == 3 { &mut fields.sum } else { &mut fields.zero_threshold }) = number;
        }
        4 => {
            tag.expect(MESSAGE, VARINT)?;
            fields.schema = reader.zigzag()? as i32;
        }
        14 => {
            tag.expect(MESSAGE, VARINT)?;
            fields.reset_hint = i32::try_from(reader.varint()?).unwrap_or(0);
        }
        15 | 17 => {
            tag.expect(MESSAGE, VARINT)?;
            let time = reader.varint()? as i64;
            *(if tag.field == 15 { &mut fields.timestamp } else { &mut fields.start }) = time;
        }
        _ => reader.skip(MESSAGE, tag)?,
    }
    Ok(())
}

/// A field that is a list, or a piece of one.
fn buckets(decoding: &mut Decoding<'_>, tag: Tag, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let side = if tag.field >= 11 { POSITIVE } else { NEGATIVE };
    match tag.field {
        8 | 11 => {
            tag.expect(MESSAGE, LEN)?;
            decoding.spend()?;
            let span = span(reader.message()?)?;
            decoding.columns.histograms.spans[side].push(span);
        }
        9 | 12 => each(decoding, tag, VARINT, reader, |decoding, reader| {
            let delta = reader.zigzag()?;
            decoding.columns.histograms.deltas[side].push(delta);
            Ok(())
        })?,
        _ => each(decoding, tag, FIXED64, reader, |decoding, reader| {
            let number = reader.double()?;
            let columns = &mut decoding.columns.histograms;
            let list = if tag.field == 16 { &mut columns.custom_bounds } else { &mut columns.counts[side] };
            list.push(number);
            Ok(())
        })?,
    }
    Ok(())
}

/// The values of a repeated field, packed or one.
fn each<'a>(
    decoding: &mut Decoding<'_>,
    tag: Tag,
    wire_type: u8,
    reader: &mut Reader<'a>,
    mut take: impl FnMut(&mut Decoding<'_>, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if tag.wire_type == wire_type {
        decoding.spend()?;
        return take(decoding, reader);
    }
    tag.expect(MESSAGE, LEN)?;
    let mut packed = reader.message()?;
    while !packed.is_at_end() {
        decoding.spend()?;
        take(decoding, &mut packed)?;
    }
    Ok(())
}

fn span(mut reader: Reader<'_>) -> Result<BucketSpan, DecodeError> {
    let mut span = BucketSpan::default();
    while let Some(tag) = reader.tag()? {
        match tag.field {
            1 | 2 => tag.expect("BucketSpan", VARINT)?,
            _ => {
                reader.skip("BucketSpan", tag)?;
                continue;
            }
        }
        if tag.field == 1 {
            span.offset = reader.zigzag()? as i32;
        } else {
            // Longer than any histogram, as no number of buckets then fits.
            span.length = u32::try_from(reader.varint()?).unwrap_or(u32::MAX);
        }
    }
    Ok(span)
}
