//! Streams of series from heads and local blocks, merged and put into frames.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use latewood_base::{ErrorKind, Offload};
use latewood_block::SelectSpec;
use latewood_model::SeriesSamples;
use latewood_proto::store::wire::SelectFrame;
use latewood_proto::store::{
    BatchBounds, FrameBuilder, FrameStream, SeriesStream, StoreError, merge_series, work_ahead,
};

use super::reads::Reads;
use super::store::store_error;
use crate::flush::LocalBlock;
use crate::head::{HeadCursor, HeadPart};

/// The frames that answer a select; after `limit` series (0: none) they end.
pub(super) fn frames(reads: Reads, spec: &SelectSpec, limit: u64, offload: &Offload) -> FrameStream {
    let newest_version = reads.newest_version;
    let sources = reads.parts().map(|part| source(part, spec.clone(), offload));
    let mut sources: Vec<SeriesStream> = sources.collect();
    let merged = match sources.len() {
        0 | 1 => sources.pop().unwrap_or_else(|| stream::empty().boxed()),
        _ => merge_series(sources.into_iter().map(work_ahead).collect(), BatchBounds::default()),
    };
    let left = if limit == 0 { u64::MAX } else { limit };
    let state = Some((merged, left, true));
    stream::unfold(state, move |state| async move {
        let (mut merged, left, first) = state?;
        let mut batch = match merged.next().await {
            Some(Ok(batch)) if left > 0 => batch,
            Some(Err(error)) => return Some((Err(error), None)),
            // An answer without series still tells the newest version.
            Some(Ok(_)) | None if first => return Some((Ok(empty(newest_version)), None)),
            Some(Ok(_)) | None => return None,
        };
        batch.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - batch.len() as u64;
        let mut builder = FrameBuilder::new();
        for series in batch {
            builder.push(series);
        }
        let mut frame = builder.take();
        frame.newest_version = newest_version;
        let rest = (left > 0).then_some((merged, left, false));
        Some((Ok(frame), rest))
    })
    .boxed()
}

fn empty(newest_version: u64) -> SelectFrame {
    SelectFrame { newest_version, ..SelectFrame::default() }
}

fn source(part: HeadPart, spec: SelectSpec, offload: &Offload) -> SeriesStream {
    match part {
        HeadPart::Memory(head) => {
            let skip_starts = spec.skip_starts;
            let begin = move || head.select(&spec.matchers, spec.range, spec.skip_samples);
            head_stream(Reading::Begin(Box::new(begin)), skip_starts, offload.clone())
        }
        HeadPart::Local(local) => local_stream(local, spec),
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
fn head_stream(reading: Reading, skip_starts: bool, offload: Offload) -> SeriesStream {
    let bounds = BatchBounds::default();
    stream::unfold(Some((reading, offload)), move |state| async move {
        let (reading, offload) = state?;
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
        match offload.run(work).await {
            Ok((cursor, batch)) => Some((Ok(batch?), Some((Reading::Going(cursor), offload)))),
            Err(error) => Some((Err(StoreError::new(ErrorKind::Internal, error)), None)),
        }
    })
    .boxed()
}
