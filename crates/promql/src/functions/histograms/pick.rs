//! Functions that do not look into histograms.

use std::sync::Arc;

use crate::annotations::CallContext;
use crate::functions::Window;
use crate::{HistogramPoint, SampleValue};

fn of_histogram(point: &HistogramPoint) -> (i64, SampleValue) {
    (point.timestamp, SampleValue::Histogram(Arc::clone(&point.histogram)))
}

fn oldest(window: &Window<'_>) -> Option<(i64, SampleValue)> {
    let float = window.first().map(|(time, value)| (time, SampleValue::Float(value)));
    let histogram = window.histograms.first().map(of_histogram);
    float.into_iter().chain(histogram).min_by_key(|(time, _)| *time)
}

fn newest(window: &Window<'_>) -> Option<(i64, SampleValue)> {
    let float = window.last().map(|(time, value)| (time, SampleValue::Float(value)));
    let histogram = window.histograms.last().map(of_histogram);
    float.into_iter().chain(histogram).max_by_key(|(time, _)| *time)
}

fn seconds((time, _): (i64, SampleValue)) -> SampleValue {
    SampleValue::Float(time as f64 / 1000.0)
}

pub(super) fn first(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    oldest(window).map(|sample| sample.1)
}

pub(super) fn last(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    newest(window).map(|sample| sample.1)
}

pub(super) fn time_of_first(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    oldest(window).map(seconds)
}

pub(super) fn time_of_last(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    newest(window).map(seconds)
}

pub(super) fn count(window: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    Some(SampleValue::Float((window.values.len() + window.histograms.len()) as f64))
}

pub(super) fn present(_: &Window<'_>, _: &mut CallContext) -> Option<SampleValue> {
    Some(SampleValue::Float(1.0))
}
