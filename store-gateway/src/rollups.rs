//! What blocks of windows answer: their windows, or one sample of each for who reads samples.

use futures::StreamExt;
use latewood_block::{RollupSpec, SelectSpec};
use latewood_model::{RollupColumns, RollupWindows, SeriesRollups};
use latewood_proto::store::{SeriesStream, StoreError};

use crate::GatewayError;
use crate::blocks::OpenBlock;

/// The windows that blocks have, the same in all; none without blocks.
pub(crate) fn common_windows(blocks: &[OpenBlock]) -> Result<Option<RollupWindows>, GatewayError> {
    let mut common: Option<(&OpenBlock, RollupWindows)> = None;
    for open in blocks {
        let windows = open.windows().ok_or(GatewayError::NoWindows { block: open.id })?;
        match common {
            Some((first, known)) if known != windows => {
                return Err(GatewayError::Resolutions { blocks: [first.id, open.id] });
            }
            _ => common = Some((open, windows)),
        }
    }
    Ok(common.map(|(_, windows)| windows))
}

/// A block's series with their windows, less those in which anything was deleted.
pub(crate) fn windows_of(
    open: OpenBlock,
    windows: RollupWindows,
    spec: RollupSpec,
    side_by_side: usize,
) -> SeriesStream<SeriesRollups> {
    let batches = open.block.select_rollups_beside(spec, side_by_side);
    batches
        .map(move |batch| match batch {
            Ok(series) => {
                let masked = series.into_iter().filter_map(|one| open.masks.apply_rollups(one, windows));
                Ok(masked.collect())
            }
            Err(error) => Err(StoreError::from(open.failed(error))),
        })
        .boxed()
}

/// The last samples of a block's windows: those that lie in the range, wherever their windows end.
pub(crate) fn thinned_of(
    open: OpenBlock,
    windows: RollupWindows,
    spec: SelectSpec,
    side_by_side: usize,
) -> SeriesStream {
    let (range, labels_only) = (spec.range, spec.skip_samples);
    let spec = RollupSpec {
        matchers: spec.matchers,
        range: windows.ends_of(range),
        skip_windows: labels_only,
        columns: RollupColumns::THINNED,
    };
    let thin = move |series: SeriesRollups| {
        let samples = series.thinned().within(range);
        (labels_only || !samples.is_empty()).then_some(samples)
    };
    let batches = windows_of(open, windows, spec, side_by_side);
    batches.map(move |batch| Ok(batch?.into_iter().filter_map(thin).collect())).boxed()
}
