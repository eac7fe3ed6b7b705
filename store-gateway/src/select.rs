//! Series of several blocks as one stream of frames.

use futures::{StreamExt, stream};
use latewood_block::SelectSpec;
use latewood_proto::store::{
    BatchBounds, FrameBuilder, FrameStream, SeriesStream, StoreError, merge_series, wire, work_ahead,
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

/// A frame a batch, ending after `limit` series.
pub(crate) fn frames(
    series: SeriesStream,
    limit: usize,
    newest_version: u64,
    metrics: Metrics,
) -> FrameStream {
    let next = move |(mut series, left): (SeriesStream, usize)| {
        let metrics = metrics.clone();
        async move {
            if left == 0 {
                return None;
            }
            let mut batch = match series.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some((Err(error), (series, 0))),
            };
            batch.truncate(left);
            let left = left - batch.len();
            let mut builder = FrameBuilder::new();
            batch.into_iter().for_each(|one| builder.push(one));
            metrics.series.inc_by(builder.series() as u64);
            metrics.samples.inc_by(builder.samples() as u64);
            let frame = wire::SelectFrame { newest_version, ..builder.take() };
            Some((Ok(frame), (series, left)))
        }
    };
    stream::unfold((series, limit), next).boxed()
}
