//! Between the Store API's messages and the model.

use std::collections::HashMap;
use std::sync::Arc;

use latewood_base::{ErrorKind, Offload};
use latewood_model::{Labels, MatchOp, Matcher, SeriesSamples, TimestampMs};

use super::histograms::{HistogramWriter, Layout, histograms_from_wire};
use super::starts::{starts_from_wire, starts_to_wire};
use super::wire::{LabelMatcher, SelectFrame, Series, Times, label_matcher};
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
    let mut builder = FrameBuilder::default();
    batch.series.into_iter().for_each(|series| builder.push(series));
    SelectFrame { newest_version: batch.newest_version, bucket: batch.bucket, ..builder.finish() }
}

/// Puts series into a frame's columns: texts once, shared times once.
#[derive(Debug, Default)]
struct FrameBuilder {
    frame: SelectFrame,
    symbols: HashMap<Box<str>, u32>,
    /// The vectors put in already, by address: series that share times share the allocation.
    times: HashMap<usize, (u32, Arc<[TimestampMs]>)>,
    histograms: HistogramWriter,
}

impl FrameBuilder {
    fn push(&mut self, series: SeriesSamples) {
        let mut labels = Vec::with_capacity(series.labels.len() * 2);
        for (name, value) in series.labels.iter() {
            labels.push(self.symbol(name));
            labels.push(self.symbol(value));
        }
        let times = self.times(series.timestamps);
        let histograms = self.histograms.columns(&series.histograms);
        let starts = starts_to_wire(&series.starts);
        self.frame.series.push(Series { labels, times, values: series.values, histograms, starts });
    }

    fn finish(mut self) -> SelectFrame {
        self.frame.layouts = self.histograms.finish();
        self.frame
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(&index) = self.symbols.get(text) {
            return index;
        }
        let index = u32::try_from(self.frame.symbols.len()).unwrap_or(u32::MAX);
        self.frame.symbols.push(text.to_owned());
        self.symbols.insert(text.into(), index);
        index
    }

    fn times(&mut self, timestamps: Arc<[TimestampMs]>) -> u32 {
        let address = timestamps.as_ptr().addr();
        if let Some((index, known)) = self.times.get(&address)
            && known.len() == timestamps.len()
        {
            return *index;
        }
        let index = u32::try_from(self.frame.times.len()).unwrap_or(u32::MAX);
        let mut before = 0;
        let deltas = timestamps.iter().map(|&at| {
            let delta = at.wrapping_sub(before);
            before = at;
            delta
        });
        self.frame.times.push(Times { deltas: deltas.collect() });
        self.times.insert(address, (index, timestamps));
        index
    }
}

/// A batch as it was sent.
///
/// # Errors
/// `Corrupt` when the frame's references lead nowhere or its columns differ in length.
pub(super) fn batch_of_frame(frame: SelectFrame) -> Result<SelectBatch, StoreError> {
    let times: Vec<Arc<[TimestampMs]>> = frame.times.iter().map(|times| ascending(&times.deltas)).collect();
    let layouts: Option<Vec<Layout>> = frame.layouts.iter().map(Layout::from_wire).collect();
    let symbols = &frame.symbols;
    let broken = |what: &str| StoreError::new(ErrorKind::Corrupt, format!("store frame: {what}"));
    let layouts = layouts.ok_or_else(|| broken("a layout of histograms is none"))?;
    let symbol = |index: u32| symbols.get(index as usize).map(String::as_str);
    let decode = |series: Series| {
        let pairs: Option<Vec<_>> = series
            .labels
            .chunks(2)
            .map(|pair| Some((symbol(*pair.first()?)?, symbol(*pair.get(1)?)?)))
            .collect();
        let pairs = pairs.ok_or_else(|| broken("a label refers to no symbol"))?;
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(broken("labels are not sorted by name"));
        }
        let labels = Labels::from_sorted(pairs.into_iter());
        let timestamps = match times.get(series.times as usize) {
            Some(shared) => Arc::clone(shared),
            None if series.values.is_empty() => Arc::default(),
            None => return Err(broken("a series refers to no times")),
        };
        if timestamps.len() != series.values.len() {
            return Err(broken("times and values differ in number"));
        }
        let histograms = series.histograms.as_ref();
        let histograms = histograms.map_or(Some(Vec::new()), |sent| histograms_from_wire(sent, &layouts));
        let histograms = histograms.ok_or_else(|| broken("columns of histograms do not fit"))?;
        let starts = starts_from_wire(series.starts.as_ref());
        let starts = starts.ok_or_else(|| broken("runs of start timestamps do not fit"))?;
        Ok(SeriesSamples { labels, timestamps, values: series.values, starts, histograms })
    };
    let series: Result<_, _> = frame.series.into_iter().map(decode).collect();
    Ok(SelectBatch { series: series?, newest_version: frame.newest_version, bucket: frame.bucket })
}

/// Numbers from differences.
pub(super) fn ascending(deltas: &[i64]) -> Arc<[TimestampMs]> {
    let mut at: TimestampMs = 0;
    let absolute = deltas.iter().map(|&delta| {
        at = at.wrapping_add(delta);
        at
    });
    absolute.collect()
}

#[cfg(test)]
mod tests {
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
