//! Which native histograms may be stored.

use latewood_model::histogram::HistogramError;
use latewood_model::{HistogramSample, NativeHistogram};
use latewood_proto::remote_write::{HistogramColumns, HistogramRow, Range32};

use super::validate::Rules;
use crate::Cause;
use crate::write::settle_histograms;

/// Appends the histograms of a series that may be stored to `out`, strictly ascending in time; returns
/// where they are and how many were sent for them.
pub(super) fn check_histograms(
    range: Range32,
    columns: &HistogramColumns,
    rules: &Rules<'_>,
    out: &mut Vec<HistogramSample>,
    mut refuse: impl FnMut(Cause, u64, String),
) -> (Range32, u32) {
    let first = out.len();
    for row in range.of(&columns.rows) {
        match check(row, columns, rules) {
            Ok(histogram) => {
                out.push(HistogramSample { timestamp: row.timestamp, histogram, start: row.start });
            }
            Err((cause, words)) => refuse(cause, 1, words),
        }
    }
    let number = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
    let sent = out.len() - first;
    settle_histograms(out, first);
    (Range32 { start: number(first), end: number(out.len()) }, number(sent))
}

fn check(
    row: &HistogramRow,
    columns: &HistogramColumns,
    rules: &Rules<'_>,
) -> Result<NativeHistogram, (Cause, String)> {
    let at = row.timestamp;
    if at > rules.newest {
        return Err((Cause::TooFarInFuture, rules.too_late(at)));
    }
    if at < rules.oldest {
        return Err((Cause::TooOld, rules.too_early(at)));
    }
    let histogram = columns.parts(row).into_native().map_err(|error| {
        let cause = match error {
            HistogramError::TooManyBuckets(_) => Cause::TooManyBuckets,
            _ => Cause::InvalidHistogram,
        };
        (cause, format!("the native histogram at {at} ms: {error}"))
    })?;
    let (buckets, most) = (histogram.buckets(), rules.config.max_native_histogram_buckets);
    if most > 0 && buckets > most {
        let words = format!(
            "the native histogram at {at} ms has {buckets} buckets; at most {most} are allowed (max_native_histogram_buckets)"
        );
        return Err((Cause::TooManyBuckets, words));
    }
    Ok(histogram)
}
