//! Between the Store API's messages and the model.

use std::sync::Arc;

use latewood_base::{ErrorKind, Offload};
use latewood_model::{MatchOp, Matcher, SeriesSamples};

use super::frame::{FrameReader, FrameTables, FrameWriter, broken};
use super::starts::{starts_from_wire, starts_to_wire};
use super::wire::{LabelMatcher, SelectFrame, Series, label_matcher};
use super::{SelectBatch, StoreError};

/// A matcher as it is sent.
#[must_use]
pub fn matcher_to_wire(matcher: &Matcher) -> LabelMatcher {
    let op = match matcher.op() {
        MatchOp::Equal => label_matcher::Op::Equal,
        MatchOp::NotEqual => label_matcher::Op::NotEqual,
        MatchOp::Regex => label_matcher::Op::Regex,
        MatchOp::NotRegex => label_matcher::Op::NotRegex,
    };
    LabelMatcher { op: op.into(), name: matcher.name().to_owned(), value: matcher.value().to_owned() }
}

/// A matcher as it was sent.
///
/// # Errors
/// `Invalid` for an unknown operator or an expression that does not compile.
pub fn matcher_from_wire(matcher: &LabelMatcher) -> Result<Matcher, StoreError> {
    let op = match label_matcher::Op::try_from(matcher.op) {
        Ok(label_matcher::Op::Equal) => MatchOp::Equal,
        Ok(label_matcher::Op::NotEqual) => MatchOp::NotEqual,
        Ok(label_matcher::Op::Regex) => MatchOp::Regex,
        Ok(label_matcher::Op::NotRegex) => MatchOp::NotRegex,
        Err(error) => return Err(StoreError::new(ErrorKind::Invalid, error)),
    };
    Matcher::new(op, &matcher.name, &matcher.value)
        .map_err(|error| StoreError::new(ErrorKind::Invalid, error))
}

/// Matchers as they were sent, compiled off the runtime where they are long: a regular expression of a megabyte takes
/// a tenth of a second.
///
/// # Errors
/// As [`matcher_from_wire`].
pub async fn matchers_from_wire(
    sent: Vec<LabelMatcher>,
    offload: &Offload,
) -> Result<Vec<Matcher>, StoreError> {
    let bytes = sent.iter().map(|matcher| matcher.value.len()).sum();
    let compiled = offload.run_on_text(bytes, move || sent.iter().map(matcher_from_wire).collect());
    compiled.await.map_err(|error| StoreError::from_kinded(&error))?
}

/// A batch as it is sent.
pub(super) fn frame_of_batch(batch: SelectBatch) -> SelectFrame {
    let mut writer = FrameWriter::default();
    let series = batch.series.into_iter().map(|series| Series {
        labels: writer.labels(&series.labels),
        times: writer.times(series.timestamps),
        values: series.values,
        histograms: writer.histograms(&series.histograms),
        starts: starts_to_wire(&series.starts),
    });
    let series = series.collect();
    let FrameTables { symbols, times, layouts } = writer.finish();
    let SelectBatch { newest_version, bucket, .. } = batch;
    SelectFrame { symbols, times, series, newest_version, layouts, bucket }
}

/// A batch as it was sent.
///
/// # Errors
/// `Corrupt` when the frame's references lead nowhere or its columns differ in length.
pub(super) fn batch_of_frame(frame: SelectFrame) -> Result<SelectBatch, StoreError> {
    let SelectFrame { symbols, times, series, newest_version, layouts, bucket } = frame;
    let reader = FrameReader::new(FrameTables { symbols, times, layouts })?;
    let decode = |series: Series| {
        let labels = reader.labels(&series.labels)?;
        let timestamps = match reader.times(series.times) {
            Some(shared) => Arc::clone(shared),
            None if series.values.is_empty() => Arc::default(),
            None => return Err(broken("a series refers to no times")),
        };
        if timestamps.len() != series.values.len() {
            return Err(broken("times and values differ in number"));
        }
        let histograms = reader.histograms(series.histograms.as_ref())?;
        let starts = starts_from_wire(series.starts.as_ref());
        let starts = starts.ok_or_else(|| broken("runs of start timestamps do not fit"))?;
        Ok(SeriesSamples { labels, timestamps, values: series.values, starts, histograms })
    };
    let series: Result<_, _> = series.into_iter().map(decode).collect();
    Ok(SelectBatch { series: series?, newest_version, bucket })
}

#[cfg(test)]
mod tests {
    use latewood_model::{Labels, TimestampMs};

    use super::super::wire::BucketUsage;
    use super::*;

    #[test]
    fn series_come_back_with_their_bits_and_share_their_times() {
        let times: Arc<[TimestampMs]> = [-5, 10, 25].into();
        let series = |name: &str, last: u64| SeriesSamples {
            labels: Labels::from_pairs([("__name__", name), ("job", "a")]),
            timestamps: Arc::clone(&times),
            values: vec![1.0, -0.0, f64::from_bits(last)],
            starts: [(-5, 0), (10, last as i64), (25, -7)].into_iter().collect(),
            histograms: Vec::new(),
        };
        let sent = vec![series("up", 0x7ff0_0000_0000_0002), series("down", 0x7ff8_dead_beef_0001)];
        let bucket = Some(BucketUsage { requests: 3, read_bytes: 4 });
        let frame = frame_of_batch(SelectBatch { series: sent, newest_version: 7, bucket });
        assert_eq!((frame.times.len(), frame.symbols.len()), (1, 5));
        let SelectBatch {
            series: back,
            newest_version: 7,
            bucket: Some(BucketUsage { requests: 3, read_bytes: 4 }),
        } = batch_of_frame(frame).unwrap()
        else {
            panic!("the version is lost")
        };
        assert!(Arc::ptr_eq(&back[0].timestamps, &back[1].timestamps));
        assert_eq!(back[1].labels, series("down", 0).labels);
        assert_eq!(back[1].starts, series("down", 0x7ff8_dead_beef_0001).starts);
        assert!(back[1].samples().eq(series("down", 0x7ff8_dead_beef_0001).samples()));
    }

    #[test]
    fn a_frame_that_refers_to_nothing_is_refused() {
        let series = Series { labels: vec![0, 1], values: vec![1.0], ..Default::default() };
        let frame = SelectFrame { series: vec![series], ..Default::default() };
        assert!(batch_of_frame(frame).is_err());
    }
}
