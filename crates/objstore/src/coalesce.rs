//! Fetches ranges that lie near each other together.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use futures::{StreamExt, TryStreamExt};

use crate::{Bucket, BucketError, BucketLayer};

/// Ranges with at most so many bytes between them are fetched together: a round trip costs about as much.
const MAX_GAP: u64 = 512 << 10;
/// Ranges are not joined much beyond this many bytes, so that a large read runs in parallel: by a gap, lest what is asked
/// for by multiples of this many ends in a request for a rest.
const MAX_JOINED: u64 = 16 << 20;
/// How many requests one call has under way.
const CONCURRENCY: usize = 16;

/// Fetches ranges that lie near each other together, and the rest side by side.
#[derive(Debug)]
pub(crate) struct Coalescing {
    inner: Bucket,
}

impl Coalescing {
    pub(crate) fn new(inner: Bucket) -> Self {
        Self { inner }
    }
}

/// The requests that cover all ranges, in order of their starts. Empty ranges are covered only by chance.
fn join(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> =
        ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if fits(last, &range) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn fits(last: &Range<u64>, next: &Range<u64>) -> bool {
    let contained = next.end <= last.end;
    let near = next.start <= last.end.saturating_add(MAX_GAP);
    contained || (near && next.end - last.start <= MAX_JOINED + MAX_GAP)
}

/// The part of what was fetched that a range asked for.
fn cut(joined: &[Range<u64>], bodies: &[Bytes], range: &Range<u64>) -> Option<Bytes> {
    if range.start == range.end {
        return Some(Bytes::new());
    }
    // The last that begins no later need not reach far enough; an earlier, longer one then does.
    let after = joined.partition_point(|whole| whole.start <= range.start);
    let mut before = joined.iter().zip(bodies).take(after).rev();
    let (whole, body) = before.find(|(whole, _)| whole.end >= range.end)?;
    let start = usize::try_from(range.start - whole.start).ok()?;
    let end = usize::try_from(range.end - whole.start).ok()?;
    (end <= body.len()).then(|| body.slice(start..end))
}

#[async_trait]
impl BucketLayer for Coalescing {
    fn inner(&self) -> &Bucket {
        &self.inner
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let joined = join(ranges);
        let fetch = |range: Range<u64>| async move {
            let bodies = self.inner.get_ranges(key, std::slice::from_ref(&range)).await?;
            Ok(bodies.into_iter().next().unwrap_or_default())
        };
        let requests = stream::iter(joined.clone()).map(fetch).buffered(CONCURRENCY);
        let bodies: Vec<Bytes> = requests.try_collect().await?;
        let missing = || BucketError::Invalid {
            key: key.to_owned(),
            message: "a range is turned around or beyond the end".to_owned(),
        };
        let parts = ranges.iter();
        parts.map(|range| cut(&joined, &bodies, range).ok_or_else(missing)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_ranges_are_joined_and_far_or_long_ones_are_not() {
        let far = 10 << 20;
        assert_eq!(join(&[far..far + 5, 0..10, 20..30]), [0..30, far..far + 5]);
        assert_eq!(join(&[0..10, 10 + MAX_GAP..20 + MAX_GAP]).len(), 1);
        assert_eq!(join(&[0..10, 11 + MAX_GAP..20 + MAX_GAP]).len(), 2);
        let most = MAX_JOINED + MAX_GAP;
        assert_eq!(join(&[0..MAX_JOINED, MAX_JOINED..most]).len(), 1);
        assert_eq!(join(&[0..MAX_JOINED, MAX_JOINED..most + 1]).len(), 2);
        let nothing = Range { start: 5, end: 5 };
        assert_eq!(join(&[nothing]), []);
    }

    proptest! {
        #[test]
        fn every_range_is_cut_out_of_what_was_fetched(
            starts in prop::collection::vec((0_u64..4_000, 0_u64..500), 1..20),
            scale in 1_u64..9_000,
        ) {
            // Scaled up so that gaps and lengths fall on both sides of the limits, without the bytes.
            let ranges: Vec<_> = starts.iter().map(|(s, l)| s * scale..(s + l) * scale).collect();
            let joined = join(&ranges);
            for range in ranges.iter().filter(|range| !range.is_empty()) {
                prop_assert!(joined.iter().any(|whole| whole.start <= range.start && range.end <= whole.end));
            }
        }

        #[test]
        fn the_bytes_are_the_right_ones(starts in prop::collection::vec((0_u64..900, 0_u64..100), 1..20)) {
            let object: Bytes = (0..1_000_u32).map(|i| (i % 251) as u8).collect();
            let ranges: Vec<_> = starts.iter().map(|(s, l)| *s..s + l).collect();
            let joined = join(&ranges);
            let slice = |range: &Range<u64>| object.slice(range.start as usize..range.end as usize);
            let bodies: Vec<Bytes> = joined.iter().map(slice).collect();
            for range in &ranges {
                prop_assert_eq!(cut(&joined, &bodies, range), Some(slice(range)));
            }
        }
    }
}
