//! Series of several blocks as one stream.

use futures::{StreamExt, stream};
use latewood_block::SelectSpec;
use latewood_model::SeriesSamples;
use latewood_proto::store::{
    BatchBounds, SelectBatch, SelectStream, SeriesStream, StoreError, merge_series, work_ahead,
};

use crate::blocks::OpenBlock;
use crate::metrics::Metrics;

/// The blocks' series in storage order, those of equal labels joined by the tie rule.
pub(crate) fn merged(blocks: Vec<OpenBlock>, spec: &SelectSpec, decode_ahead_blocks: usize) -> SeriesStream {
    let side_by_side = blocks.len();
    let ahead = side_by_side <= decode_ahead_blocks;
    let sources = blocks.into_iter().map(|open| {
        let series = series_of(open, spec.clone(), side_by_side);
        if ahead { work_ahead(series) } else { series }
    });
    merge_series(sources.collect(), BatchBounds::default())
}

/// A block's series, less what was deleted.
fn series_of(open: OpenBlock, spec: SelectSpec, side_by_side: usize) -> SeriesStream {
    let batches = open.block.select_beside(spec, side_by_side);
    batches
        .map(move |batch| match batch {
            Ok(series) => {
                let masked = series.into_iter().filter_map(|one| open.masks.apply(one));
                Ok(masked.collect())
            }
            Err(error) => Err(StoreError::from(open.failed(error))),
        })
        .boxed()
}

/// What answers a select, ending after `limit` series.
pub(crate) fn batches(
    merged: SeriesStream,
    limit: usize,
    newest_version: u64,
    metrics: Metrics,
) -> SelectStream {
    let next = move |(mut merged, left): (SeriesStream, usize)| {
        let metrics = metrics.clone();
        async move {
            if left == 0 {
                return None;
            }
            let mut batch = match merged.next().await? {
                Ok(series) => SelectBatch { series, newest_version },
                Err(error) => return Some((Err(error), (merged, 0))),
            };
            batch.series.truncate(left);
            let left = left - batch.series.len();
            metrics.series.inc_by(batch.series.len() as u64);
            metrics.samples.inc_by(batch.series.iter().map(SeriesSamples::weight).sum::<usize>() as u64);
            Some((Ok(batch), (merged, left)))
        }
    };
    stream::unfold((merged, limit), next).boxed()
}
