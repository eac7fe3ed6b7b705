//! Series of several blocks as one stream.

use std::sync::Arc;

use futures::{StreamExt, stream};
use latewood_block::SelectSpec;
use latewood_objstore::Usage;
use latewood_proto::store::wire::BucketUsage;
use latewood_proto::store::{
    BatchBounds, SelectBatch, SelectStream, SeriesStream, StoreError, StoredSeries, merge_series, work_ahead,
};

use crate::blocks::OpenBlock;
use crate::metrics::Metrics;
use crate::rollups::thinned_of;

/// The blocks' series in storage order, those of equal labels joined. `series_of` gives those of one of so many blocks
/// side by side.
pub(crate) fn merged<S: StoredSeries>(
    blocks: Vec<OpenBlock>,
    decode_ahead_blocks: usize,
    usage: &Arc<Usage>,
    series_of: impl Fn(OpenBlock, usize) -> SeriesStream<S>,
) -> SeriesStream<S> {
    let side_by_side = blocks.len();
    let ahead = side_by_side <= decode_ahead_blocks;
    let sources = blocks.into_iter().map(|open| {
        let series = usage.of_stream(series_of(open, side_by_side));
        if ahead { work_ahead(series) } else { series }
    });
    merge_series(sources.collect(), BatchBounds::default())
}

/// What was asked of the bucket since this was last told; none if nothing.
pub(crate) fn told(usage: &Usage) -> Option<BucketUsage> {
    let (requests, read_bytes) = usage.take();
    (requests > 0 || read_bytes > 0).then_some(BucketUsage { requests, read_bytes })
}

/// A block's series with samples, less what was deleted.
pub(crate) fn samples_of(open: OpenBlock, spec: SelectSpec, side_by_side: usize) -> SeriesStream {
    if let Some(windows) = open.windows() {
        return thinned_of(open, windows, spec, side_by_side);
    }
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

/// What answers a select, ending after `limit` series; the last batch may have no series, and tell of requests alone.
pub(crate) fn batches<S: StoredSeries>(
    merged: SeriesStream<S>,
    limit: usize,
    newest_version: u64,
    metrics: Metrics,
    usage: Arc<Usage>,
) -> SelectStream<S> {
    let next = move |(mut merged, left): (SeriesStream<S>, usize)| {
        let (metrics, usage) = (metrics.clone(), Arc::clone(&usage));
        async move {
            let series = if left == 0 { None } else { merged.next().await };
            let bucket = || told(&usage);
            let mut batch = match series {
                Some(Ok(series)) => SelectBatch { series, newest_version, bucket: bucket() },
                Some(Err(error)) => return Some((Err(error), (merged, 0))),
                None => {
                    let bucket = Some(bucket()?);
                    return Some((
                        Ok(SelectBatch { series: Vec::new(), newest_version, bucket }),
                        (merged, 0),
                    ));
                }
            };
            batch.series.truncate(left);
            let left = left - batch.series.len();
            metrics.series.inc_by(batch.series.len() as u64);
            metrics.samples.inc_by(batch.series.iter().map(S::weight).sum::<usize>() as u64);
            Some((Ok(batch), (merged, left)))
        }
    };
    stream::unfold((merged, limit), next).boxed()
}
