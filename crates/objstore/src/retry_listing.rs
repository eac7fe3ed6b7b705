//! A listing whose beginning is tried again. Once it has given an object it is not: stores differ in the
//! order between folders, so "after the last one" is not sure to mean the rest. Whoever lists begins anew.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::backoff::Backoff;
use crate::{Bucket, BucketError, ObjectInfo};

/// The objects below `prefix` after `start_after`; failures before the first are borne as often as
/// `backoff` allows.
pub(crate) fn listing(
    bucket: Bucket,
    backoff: Backoff,
    prefix: String,
    start_after: Option<String>,
) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
    let begin = async move {
        let (bucket, prefix, start_after) = (&bucket, prefix.as_str(), start_after.as_deref());
        let attempt = || async move {
            let mut listing = Arc::clone(bucket).list(prefix, start_after);
            let first = listing.next().await.transpose()?;
            Ok(stream::iter(first.map(Ok)).chain(listing))
        };
        backoff.run(attempt).await
    };
    stream::once(begin).try_flatten().boxed()
}
