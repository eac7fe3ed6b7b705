//! Reading series of a generation, batch by batch, in storage order.

use std::collections::VecDeque;
use std::sync::Arc;

use latewood_model::{Labels, Matcher, SeriesSamples, TimeRange};
use latewood_proto::store::Detail;

use super::matching::Matching;
use super::samples_read::SamplesRead;
use super::shared_times::SharedTimes;
use super::table::SeriesTable;
use super::tenant_head::TenantHead;

/// Series looked at under one hold of the lock.
const HOLD: usize = 256;

/// Samples unpacked under one hold of the lock: some tens of microseconds, so that no writer waits for long.
const HOLD_SAMPLES: usize = 8_192;

/// Series whose memory is brought near at once: so many that all of it has room in the nearest cache.
const WARM: usize = 32;

/// Streams the series that match. Each batch is read as it stands when it is asked for.
#[derive(Debug)]
pub struct HeadCursor {
    head: Arc<TenantHead>,
    matching: Matching,
    times: SharedTimes,
    detail: Detail,
    metrics: VecDeque<u32>,
    current: Arc<[u32]>,
    /// Whether the current ones were asked whether they match.
    all_pass: bool,
    at: usize,
    keeps_labels: bool,
    /// Bytes: half as many as the rest of the head takes, asked for when there are any to keep.
    room_for_labels: Option<usize>,
}

impl HeadCursor {
    pub(super) fn new(head: Arc<TenantHead>, matchers: &[Matcher], range: TimeRange, detail: Detail) -> Self {
        let matching = Matching::new(matchers);
        let metrics = if range.is_empty() { VecDeque::new() } else { matching.metrics(&head.table).into() };
        let times = SharedTimes::new(range);
        let (current, all_pass, at) = (Arc::default(), false, 0);
        Self {
            head,
            matching,
            times,
            detail,
            metrics,
            current,
            all_pass,
            at,
            keeps_labels: true,
            room_for_labels: None,
        }
    }

    /// Keeps no labels for other reads.
    pub(super) fn keeping_nothing(self) -> Self {
        Self { keeps_labels: false, ..self }
    }

    /// The next series, about `max_samples` samples (a histogram counts
    /// for as many as take its memory) and at most `max_series` series at once; `None` at
    /// the end, never an empty batch. Takes the table's lock for short whiles only. CPU-bound: call it off the async
    /// runtime.
    pub fn next_batch(&mut self, max_series: usize, max_samples: usize) -> Option<Vec<SeriesSamples>> {
        let (mut batch, mut samples) = (Vec::new(), 0);
        while batch.len() < max_series && samples < max_samples {
            if self.at >= self.current.len() {
                let Some(metric) = self.metrics.pop_front() else {
                    break;
                };
                (self.current, self.all_pass) = self.head.order_of(metric, &mut self.matching);
                self.at = 0;
                continue;
            }
            let room = (max_series - batch.len(), max_samples - samples);
            for (labels, read) in self.read(room) {
                let series = self.finish(labels, read);
                samples += series.as_ref().map_or(0, SeriesSamples::weight);
                batch.extend(series);
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Reads the next series, under the lock.
    fn read(&mut self, (series, samples): (usize, usize)) -> Vec<(Labels, SamplesRead)> {
        let head = Arc::clone(&self.head);
        let (table, kept) = (head.table.read(), head.labels.read());
        let (mut out, mut taken, mut made) = (Vec::new(), 0, Vec::new());
        let (end, most) = (self.current.len().min(self.at + HOLD), samples.min(HOLD_SAMPLES));
        while self.at < end && out.len() < series && taken < most {
            let Some(&reference) = self.current.get(self.at) else {
                break;
            };
            if self.all_pass && self.at.is_multiple_of(WARM) {
                let next = self.current.get(self.at..end.min(self.at + WARM)).unwrap_or_default();
                kept.warm(next);
                table.warm(next, self.detail, self.times.range());
            }
            self.at += 1;
            let Some(read) = self.read_one(&table, reference) else {
                continue;
            };
            taken += read.values.len() + read.histograms.weight();
            let labels = kept.get(reference).cloned().unwrap_or_else(|| {
                let labels = table.labels(reference);
                made.extend(self.keeps_labels.then(|| (reference, labels.clone())));
                labels
            });
            out.push((labels, read));
        }
        if !made.is_empty() && self.room_for_labels.is_none() {
            self.room_for_labels = Some(table.heap_size() / 2);
        }
        drop((table, kept));
        head.labels.keep(made, self.room_for_labels.unwrap_or(0));
        out
    }

    /// What is wanted of a series, if it passes.
    fn read_one(&mut self, table: &SeriesTable, reference: u32) -> Option<SamplesRead> {
        let found = table.samples_of(reference)?;
        let passes = self.all_pass || self.matching.passes(table, reference);
        if !passes || !found.span().overlaps(self.times.range()) {
            return None;
        }
        Some(match self.detail {
            Detail::Labels => SamplesRead::default(),
            Detail::Newest => found.newest(&mut self.times),
            Detail::Samples => found.read(&mut self.times),
        })
    }

    fn finish(&self, labels: Labels, read: SamplesRead) -> Option<SeriesSamples> {
        let SamplesRead { timestamps, values, starts, histograms } = read;
        let histograms = histograms.read(self.times.range());
        let mut series = SeriesSamples { labels, timestamps, values, starts, histograms };
        series.resolve_kinds();
        (self.detail == Detail::Labels || !series.is_empty()).then_some(series)
    }
}
