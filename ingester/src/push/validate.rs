//! What may be stored of a decoded request: pure.
//!
//! Per series: labels sorted, names unique and not empty, a metric name, UTF-8, lengths; empty values are
//! left out as if absent. Per sample: its time; per native histogram also that it makes sense.

use latewood_model::{METRIC_NAME, MetricType, Sample, SeriesHash, TenantId, TimestampMs};
use latewood_proto::remote_write::{Columns, Defect, LabelSpan, Range32, SeriesSpan, Span, text};

use super::histograms::check_histograms;
use crate::refusal::shorten;
use crate::write::{Buffers, HashScratch, Row, settle};
use crate::{Cause, PushConfig, Refusals};

/// What a request is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) config: &'a PushConfig,
    /// The newest time that is taken.
    pub(super) newest: TimestampMs,
    /// The oldest time that is taken.
    pub(super) oldest: TimestampMs,
    /// Whether it is because samples are not kept for longer.
    by_retention: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(config: &'a PushConfig, tenant: &TenantId, now: TimestampMs) -> Self {
        let milliseconds = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let oldest = match config.max_age_seconds {
            0 => TimestampMs::MIN,
            age => now.saturating_sub(milliseconds(age)),
        };
        let newest = now.saturating_add(milliseconds(config.max_future_seconds));
        let kept = config.raw_retention.oldest(tenant, now).filter(|kept| *kept > oldest);
        Self { config, newest, oldest: kept.unwrap_or(oldest), by_retention: kept.is_some() }
    }

    /// Why a time after [`Rules::newest`] is refused.
    pub(super) fn too_late(&self, at: TimestampMs) -> String {
        let most = self.config.max_future_seconds;
        format!("the time {at} ms is more than {most} s ahead of the clock (max_future_seconds)")
    }

    /// Why a time before [`Rules::oldest`] is refused.
    pub(super) fn too_early(&self, at: TimestampMs) -> String {
        if self.by_retention {
            let oldest = self.oldest;
            return format!(
                "the time {at} ms is before {oldest} ms: samples are taken until a day before they go \
                 (compactor.retention.resolution_raw_seconds)"
            );
        }
        format!("the time {at} ms is more than {} s ago (max_age_seconds)", self.config.max_age_seconds)
    }
}

/// Fills the rows of the buffers with what may be stored, their hashes still missing, and returns the
/// rest. Metadata is left with the names of its metrics.
pub(super) fn validate(buffers: &mut Buffers, rules: &Rules<'_>) -> Refusals {
    let Buffers { body, columns, rows, histograms } = buffers;
    histograms.clear();
    let mut refusals = Refusals::default();
    for index in 0..columns.series.len() {
        let Some(series) = columns.series.get(index).copied() else {
            break;
        };
        let checked = check_series(series, body, &mut columns.labels, rules.config);
        let labels = match checked {
            Ok(labels) => labels,
            Err((cause, words)) => {
                let count = (series.samples.len() + series.histograms.len()).max(1) as u64;
                let labels = series.labels.of(&columns.labels);
                refusals.add(cause, count, || format!("series {}: {words}", describe(labels, body)));
                if let Some(series) = columns.series.get_mut(index) {
                    series.labels = Range32::default();
                }
                continue;
            }
        };
        if let Some(series) = columns.series.get_mut(index) {
            series.labels = labels;
        }
        let named = labels.of(&columns.labels);
        let mut refuse = |cause, count, words: String| {
            refusals.add(cause, count, || format!("series {}: {words}", describe(named, body)));
        };
        let all = (columns.samples.as_mut_slice(), columns.starts.as_mut_slice());
        let (samples, sent) = check_samples(series.samples, all, rules, &mut refuse);
        let sent_histograms = series.histograms;
        let (kept_histograms, sent_histograms) =
            check_histograms(sent_histograms, &columns.histograms, rules, histograms, &mut refuse);
        if !samples.is_empty() || !kept_histograms.is_empty() || !series.exemplars.is_empty() {
            rows.push(Row {
                labels,
                samples,
                exemplars: series.exemplars,
                sent,
                histograms: kept_histograms,
                sent_histograms,
                // Computed for all rows together by `hash_rows`.
                hash: SeriesHash(0),
                routing: SeriesHash(0),
            });
        }
    }
    name_metadata(columns, body);
    refusals
}

/// Computes the hashes of all rows: all of them before the first look-up, so that the look-ups' cache
/// misses overlap.
pub(super) fn hash_rows(buffers: &mut Buffers, replica_labels: &[String]) {
    let mut scratch = HashScratch::default();
    for row in &mut buffers.rows {
        let labels = row.labels.of(&buffers.columns.labels);
        (row.hash, row.routing) = scratch.hash(labels, &buffers.body, replica_labels);
    }
}

/// Why a series is refused, and in words.
type Refused = (Cause, String);

/// Sorts the labels in place and returns the range of those that are not empty.
fn check_series(
    series: SeriesSpan,
    body: &[u8],
    labels: &mut [LabelSpan],
    config: &PushConfig,
) -> Result<Range32, Refused> {
    if let Some(defect) = series.defect {
        return Err(defect_words(defect));
    }
    let (count, most) = (series.labels.len(), config.max_label_names_per_series);
    if count > most {
        let words = format!("{count} labels; at most {most} are allowed (max_label_names_per_series)");
        return Err((Cause::TooManyLabels, words));
    }
    let labels = series.labels.of_mut(labels);
    let name_of = |label: &LabelSpan| label.name.bytes(body);
    if !labels.is_sorted_by(|a, b| name_of(a) < name_of(b)) {
        labels.sort_unstable_by(|a, b| name_of(a).cmp(name_of(b)));
        if let Some(pair) = labels.windows(2).find(|pair| match pair {
            [a, b] => name_of(a) == name_of(b),
            _ => false,
        }) {
            let name = pair.first().map_or("", |label| text(label.name, body));
            return Err((Cause::DuplicateLabelName, format!("label {name:?} occurs more than once")));
        }
    }
    let (mut has_metric, mut kept) = (false, 0);
    for index in 0..labels.len() {
        let Some(&label) = labels.get(index) else { break };
        check_label(label, body, config)?;
        if !label.value.is_empty() {
            has_metric |= name_of(&label) == METRIC_NAME.as_bytes();
            labels.swap(kept, index);
            kept += 1;
        }
    }
    if !has_metric {
        let words = "no metric name: every series needs a label __name__ that is not empty".to_owned();
        return Err((Cause::MissingMetricName, words));
    }
    Ok(Range32 { start: series.labels.start, end: series.labels.start + u32::try_from(kept).unwrap_or(0) })
}

#[inline]
fn check_label(label: LabelSpan, body: &[u8], config: &PushConfig) -> Result<(), Refused> {
    let (name, value) = (label.name.len as usize, label.value.len as usize);
    if name != 0 && name <= config.max_label_name_length && value <= config.max_label_value_length {
        return Ok(());
    }
    let shown = || shorten(text(label.name, body).to_owned(), 60);
    Err(if name == 0 {
        (Cause::EmptyLabelName, "a label has no name".to_owned())
    } else if name > config.max_label_name_length {
        let most = config.max_label_name_length;
        let words = format!(
            "label name {:?} has {name} bytes; at most {most} are allowed (max_label_name_length)",
            shown()
        );
        (Cause::LabelNameTooLong, words)
    } else {
        let most = config.max_label_value_length;
        let words = format!(
            "the value of label {:?} has {value} bytes; at most {most} are allowed (max_label_value_length)",
            shown()
        );
        (Cause::LabelValueTooLong, words)
    })
}

fn defect_words(defect: Defect) -> Refused {
    match defect {
        Defect::NotUtf8 => (Cause::NotUtf8, "a label name or value is not UTF-8".to_owned()),
        Defect::ReferenceOutOfRange { reference, symbols } => (
            Cause::LabelReferences,
            format!("label reference {reference}, but there are only {symbols} symbols"),
        ),
        Defect::OddReferences(count) => (
            Cause::LabelReferences,
            format!("{count} label references; they must come in pairs of name and value"),
        ),
    }
}

/// Leaves in place the samples whose time is allowed, strictly ascending, and returns their range and how
/// many were sent for them. Their start timestamps, if there are any, go with them.
fn check_samples(
    range: Range32,
    (samples, starts): (&mut [Sample], &mut [TimestampMs]),
    rules: &Rules<'_>,
    mut refuse: impl FnMut(Cause, u64, String),
) -> (Range32, u32) {
    let (samples, starts) = (range.of_mut(samples), range.of_mut(starts));
    let (mut late, mut early) = ((0_u64, 0), (0_u64, 0));
    let mut ascending = true;
    let mut last = None;
    for sample in samples.iter() {
        let at = sample.timestamp;
        if at > rules.newest {
            late = (late.0 + 1, at);
        } else if at < rules.oldest {
            early = (early.0 + 1, at);
        }
        ascending &= last.is_none_or(|last| last < at);
        last = Some(at);
    }
    let mut kept = samples.len();
    if late.0 + early.0 > 0 {
        kept = keep(samples, starts, |sample| (rules.oldest..=rules.newest).contains(&sample.timestamp));
    }
    if late.0 > 0 {
        refuse(Cause::TooFarInFuture, late.0, rules.too_late(late.1));
    }
    if early.0 > 0 {
        refuse(Cause::TooOld, early.0, rules.too_early(early.1));
    }
    let sent = kept;
    if !ascending {
        let starts = starts.get_mut(..kept).unwrap_or_default();
        kept = settle(samples.get_mut(..kept).unwrap_or_default(), starts);
    }
    let end = range.start + u32::try_from(kept).unwrap_or(0);
    let range = Range32 { start: range.start, end };
    (range, u32::try_from(sent).unwrap_or(u32::MAX))
}

/// Moves what passes to the front, in order; returns how many.
fn keep(samples: &mut [Sample], starts: &mut [TimestampMs], pass: impl Fn(&Sample) -> bool) -> usize {
    let mut kept = 0;
    for index in 0..samples.len() {
        if samples.get(index).is_some_and(&pass) {
            samples.swap(kept, index);
            if !starts.is_empty() {
                starts.swap(kept, index);
            }
            kept += 1;
        }
    }
    kept
}

/// Gives 2.0's metadata, which hangs on series, the name of its metric; what belongs to a refused series
/// goes.
fn name_metadata(columns: &mut Columns, body: &[u8]) {
    let Columns { series, labels, metadata, .. } = columns;
    metadata.retain_mut(|one| {
        if let Some(row) = one.series {
            let name = series.get(row as usize).and_then(|series| {
                let mut labels = series.labels.of(labels).iter();
                labels.find(|label| label.name.bytes(body) == METRIC_NAME.as_bytes())
            });
            one.family = name.map_or(Span::default(), |label| family(label.value, one.metric_type, body));
        }
        !one.family.is_empty()
    });
}

/// The family that a metric belongs to: a histogram's or a summary's parts belong to the whole.
fn family(metric: Span, metric_type: MetricType, body: &[u8]) -> Span {
    let suffixes: &[&[u8]] = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &[b"_bucket", b"_count", b"_sum"],
        MetricType::Summary => &[b"_count", b"_sum"],
        _ => &[],
    };
    let name = metric.bytes(body);
    let found = suffixes.iter().find(|suffix| name.ends_with(suffix) && name.len() > suffix.len());
    Span {
        start: metric.start,
        len: metric.len - found.map_or(0, |suffix| u32::try_from(suffix.len()).unwrap_or(0)),
    }
}

/// A label set as an error shows it, shortened. Labels that are not UTF-8 show as what is left of them.
fn describe(labels: &[LabelSpan], body: &[u8]) -> String {
    const LONGEST: usize = 160;
    let mut shown = String::from("{");
    for label in labels {
        if shown.len() > LONGEST {
            break;
        }
        if shown.len() > 1 {
            shown.push_str(", ");
        }
        let lossy = |span: Span| {
            let bytes = span.bytes(body);
            String::from_utf8_lossy(bytes.get(..LONGEST).unwrap_or(bytes)).into_owned()
        };
        shown.push_str(&format!("{}={:?}", lossy(label.name), lossy(label.value)));
    }
    shown.push('}');
    shorten(shown, LONGEST)
}
