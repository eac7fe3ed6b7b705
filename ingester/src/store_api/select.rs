//! Streams of series from heads and local blocks, merged.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use latewood_base::{ErrorKind, Offload, Pieces};
use latewood_block::SelectSpec;
use latewood_model::{SeriesSamples, StartTimestamps};
use latewood_proto::store::{
    BatchBounds, Detail, SelectBatch, SelectStream, SeriesStream, StoreError, merge_ahead,
};

use super::reads::Reads;
use super::scope::Scope;
use super::store::store_error;
use crate::flush::LocalBlock;
use crate::head::{HeadCursor, HeadPart, MaskedPart};

/// Batches of a head after which a read is a long one. Counted here, because whoever asks may be another process
/// and knows no better.
const PROMPT_BATCHES: usize = 8;

/// What is wanted of each series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) detail: Detail,
    pub(super) skip_starts: bool,
}

/// What answers a select; after `limit` series (0: none) it ends.
pub(super) fn batches(
    reads: Reads,
    scope: &Scope,
    wanted: Wanted,
    limit: u64,
    offload: &Offload,
) -> SelectStream {
    let newest_version = reads.newest_version;
    let sources = reads.parts().map(|part| source(part, scope, wanted, offload));
    let merged = merge_ahead(sources.collect());
    let left = if limit == 0 { u64::MAX } else { limit };
    let state = Some((merged, left, true));
    stream::unfold(state, move |state| async move {
        let (mut merged, left, first) = state?;
        let mut series = match merged.next().await {
            Some(Ok(series)) if left > 0 => series,
            Some(Err(error)) => return Some((Err(error), None)),
            // An answer without series still tells the newest version.
            Some(Ok(_)) | None if first => {
                return Some((Ok(SelectBatch { newest_version, ..SelectBatch::default() }), None));
            }
            Some(Ok(_)) | None => return None,
        };
        series.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - series.len() as u64;
        let rest = (left > 0).then_some((merged, left, false));
        Some((Ok(SelectBatch { series, newest_version, bucket: None }), rest))
    })
    .boxed()
}

fn source(masked: MaskedPart, scope: &Scope, wanted: Wanted, offload: &Offload) -> SeriesStream {
    let MaskedPart { part, masks } = masked;
    if masks.is_empty() {
        return whole_source(part, scope, wanted, offload);
    }
    // Which sample is the newest, and whether a series has any, shows only when the others are gone.
    let all = Wanted { detail: Detail::Samples, ..wanted };
    let series = whole_source(part, scope, all, offload);
    let labels_only = wanted.detail == Detail::Labels;
    let left = move |batch: Vec<SeriesSamples>| {
        let left = batch.into_iter().filter_map(|series| masks.apply(series));
        if labels_only { left.map(labels_of).collect() } else { left.collect() }
    };
    series.map(move |batch| batch.map(&left)).boxed()
}

/// A series without its samples.
fn labels_of(series: SeriesSamples) -> SeriesSamples {
    let (labels, starts) = (series.labels, StartTimestamps::none());
    SeriesSamples { labels, timestamps: Arc::default(), values: Vec::new(), starts, histograms: Vec::new() }
}

fn whole_source(part: HeadPart, scope: &Scope, wanted: Wanted, offload: &Offload) -> SeriesStream {
    let Wanted { detail, skip_starts } = wanted;
    let (matchers, range) = (scope.matchers.clone(), scope.range);
    match part {
        HeadPart::Memory(head) => {
            let begin = move || head.select(&matchers, range, detail);
            let pieces = Pieces::new(offload.clone(), PROMPT_BATCHES);
            head_stream(Reading::Begin(Box::new(begin)), skip_starts, pieces)
        }
        HeadPart::Local(local) => {
            let skip_samples = detail == Detail::Labels;
            local_stream(local, SelectSpec { matchers, range, skip_samples, skip_starts })
        }
    }
}

/// A local block's batches. The stream holds the open block, so that its files stay until it ends.
fn local_stream(local: Arc<LocalBlock>, spec: SelectSpec) -> SeriesStream {
    let opened = local.open().map(|opened| match opened {
        Ok(open) => {
            let series = open.block().select(spec);
            series
                .map(move |batch| {
                    let _held = &open;
                    batch.map_err(|error| store_error(&error))
                })
                .boxed()
        }
        Err(error) => stream::iter([Err(store_error(&error))]).boxed(),
    });
    opened.flatten_stream().boxed()
}

/// A read of a head, before and after its first batch: what makes the cursor looks at all names.
enum Reading {
    Begin(Box<dyn FnOnce() -> HeadCursor + Send>),
    Going(HeadCursor),
}

/// A cursor's batches, each made off the runtime, as is the cursor.
fn head_stream(reading: Reading, skip_starts: bool, pieces: Pieces) -> SeriesStream {
    let bounds = BatchBounds::default();
    stream::unfold(Some((reading, pieces)), move |state| async move {
        let (reading, pieces) = state?;
        let work = move || {
            let mut cursor = match reading {
                Reading::Begin(begin) => begin(),
                Reading::Going(cursor) => cursor,
            };
            let mut batch = cursor.next_batch(bounds.series, bounds.samples);
            if skip_starts {
                batch.iter_mut().flatten().for_each(SeriesSamples::forget_starts);
            }
            (cursor, batch)
        };
        match pieces.run(work).await {
            Ok((cursor, batch)) => Some((Ok(batch?), Some((Reading::Going(cursor), pieces)))),
            Err(error) => Some((Err(StoreError::new(ErrorKind::Internal, error)), None)),
        }
    })
    .boxed()
}
