//! [`Block`].

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use latewood_base::Offload;
use latewood_model::{Matcher, MetricMetadata, SeriesSamples, TimeRange};
use latewood_objstore::Bucket;

use super::{BlockStatistics, SelectSpec};
use crate::{BlockError, BlockMeta, ReaderConfig};

/// A block in a bucket, open for reading. Cheap to share; all methods take `&Arc<Self>` or `&self`.
#[derive(Debug)]
pub struct Block {
    meta: BlockMeta,
}

impl Block {
    /// Reads meta.json and index of the block in `folder`.
    pub async fn open(
        bucket: Bucket,
        folder: &str,
        offload: Offload,
        config: ReaderConfig,
    ) -> Result<Arc<Self>, BlockError> {
        let _ = (offload, config);
        let json = bucket.get(&format!("{folder}/meta.json"), 1 << 20).await?;
        Ok(Arc::new(Self {
            meta: BlockMeta::from_json(&json)?,
        }))
    }

    /// What `meta.json` says.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn weight(&self) -> usize {
        0
    }

    /// Series that match, in storage order, in batches.
    pub fn select(
        self: &Arc<Self>,
        spec: SelectSpec,
    ) -> BoxStream<'static, Result<Vec<SeriesSamples>, BlockError>> {
        let _ = spec;
        futures::stream::empty().boxed()
    }

    /// Names of the labels of the series that match and overlap the range, sorted.
    pub async fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, BlockError> {
        let _ = (matchers, range);
        Ok(Vec::new())
    }

    /// Values of a label on the series that match and overlap the range, sorted.
    pub async fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, BlockError> {
        let _ = (name, matchers, range);
        Ok(Vec::new())
    }

    /// Type, unit and help of all metrics, or of one; sorted by metric, distinct.
    pub async fn metadata(&self, metric: Option<&str>) -> Result<Vec<(String, MetricMetadata)>, BlockError> {
        let _ = metric;
        Ok(Vec::new())
    }

    /// Cardinality, each list at most `limit` long.
    pub async fn statistics(&self, limit: usize) -> Result<BlockStatistics, BlockError> {
        let _ = limit;
        Err(BlockError::Config("not there yet".to_owned()))
    }
}
