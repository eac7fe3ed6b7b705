//! Proves, before anything relies on it, that a bucket's create-if-absent lets exactly one writer win.
//!
//! All that Latewood knows about its data hangs on it: two commits of the same sequence would each believe
//! to be the one. Some stores ignore `If-None-Match`, and some check it and write without a lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use latewood_base::{ErrorKind, Ids, Kinded, Ulid};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::{Bucket, BucketError};

/// How many writers race for a key.
const WRITERS: usize = 12;
/// How many keys are raced for, all at once: some stores make the losers of a race wait for seconds.
const ROUNDS: usize = 3;
/// Where: no tenant has this name.
const FOLDER: &str = "__latewood__/probe";
/// The most bytes of a probe's object.
const MAX_BYTES: u64 = 1_024;

/// Why a bucket cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The bucket did not do what was asked at all.
    #[error("the bucket cannot be used: {0}")]
    Bucket(#[from] BucketError),
    /// Create-if-absent does not hold.
    #[error(
        "the bucket does not honour create-if-absent (PUT with If-None-Match: *): {what}. Two writers would \
         overwrite each other's commits, so it is not used. Known to ignore or race it: Garage, s3s-fs, rclone \
         serve s3, JuiceFS gateway. Known to honour it in recent versions: AWS S3, GCS, Azure, SeaweedFS, MinIO"
    )]
    NotExclusive {
        /// What was seen.
        what: String,
    },
}

impl Kinded for ProbeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Bucket(error) => error.kind(),
            Self::NotExclusive { .. } => ErrorKind::Internal,
        }
    }
}

/// Whether a bucket is there and may be read: for who only reads, has nothing to prove, and may have no right to write.
///
/// # Errors
/// Those of a listing.
pub async fn reach(bucket: &Bucket) -> Result<(), BucketError> {
    bucket.list(FOLDER, None).next().await.transpose().map(|_| ())
}

/// Proves with concurrent writers that exactly one `create` of a key wins, that the object is the winner's,
/// and that a later `create` is refused. Clears up behind itself.
///
/// # Errors
/// [`ProbeError`] says what the bucket did wrong.
pub async fn probe(bucket: &Bucket, ids: &Ids) -> Result<(), ProbeError> {
    let id = ids.next();
    let rounds = (0..ROUNDS).map(|round| async move {
        let key = format!("{FOLDER}/{id}-{round}");
        let result = race(bucket, &key, id).await;
        let cleared = bucket.delete(&key).await;
        result?;
        Ok(cleared?)
    });
    let results: Vec<Result<(), ProbeError>> = join_all(rounds).await;
    results.into_iter().collect()
}

async fn race(bucket: &Bucket, key: &str, id: Ulid) -> Result<(), ProbeError> {
    let wrong = |what: String| Err(ProbeError::NotExclusive { what });
    let outcomes = write_at_once(bucket, key, id).await;
    let body = bucket.get(key, MAX_BYTES).await;
    let body = match body {
        Err(BucketError::NotFound { .. }) => return Err(no_winner(key, outcomes)),
        body => body?,
    };
    let mut winners: BTreeSet<Bytes> = BTreeSet::new();
    let mut open: BTreeSet<Bytes> = BTreeSet::new();
    for (text, outcome) in outcomes {
        match outcome {
            Ok(()) => drop(winners.insert(text)),
            Err(BucketError::AlreadyExists { .. }) => {}
            // Whether it took place shows in the object.
            Err(BucketError::Unavailable { .. }) => drop(open.insert(text)),
            Err(error) => return Err(error.into()),
        }
    }
    if winners.len() > 1 {
        let count = winners.len();
        return wrong(format!("{count} of {WRITERS} concurrent writers of {key:?} were told that they won"));
    }
    if !winners.contains(&body) && (!winners.is_empty() || !open.contains(&body)) {
        return wrong(format!("{key:?} holds the body of a writer that was told that it lost"));
    }
    let late = bucket.create(key, Bytes::from(format!("{id} late"))).await;
    match late {
        Err(BucketError::AlreadyExists { .. }) => {}
        Ok(()) => return wrong(format!("{key:?} existed, and creating it again succeeded")),
        Err(error) => return Err(error.into()),
    }
    if bucket.get(key, MAX_BYTES).await? != body {
        return wrong(format!("{key:?} existed, and a refused create replaced it"));
    }
    Ok(())
}

/// The most telling error of a race after which nothing is there.
fn no_winner(key: &str, outcomes: Vec<(Bytes, Result<(), BucketError>)>) -> ProbeError {
    let mut errors = Vec::new();
    for (_, outcome) in outcomes {
        match outcome {
            Ok(()) => {
                let what = format!("a writer of {key:?} was told that it won, and the object is not there");
                return ProbeError::NotExclusive { what };
            }
            Err(BucketError::AlreadyExists { .. }) => {}
            Err(error) => errors.push(error),
        }
    }
    let what = format!("{WRITERS} concurrent writers of {key:?} all lost");
    errors.pop().map_or(ProbeError::NotExclusive { what }, ProbeError::Bucket)
}

async fn write_at_once(bucket: &Bucket, key: &str, id: Ulid) -> Vec<(Bytes, Result<(), BucketError>)> {
    let start = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (bucket, key, start) = (Arc::clone(bucket), key.to_owned(), Arc::clone(&start));
        writers.spawn(async move {
            let body = Bytes::from(format!("{id} writer {writer}"));
            start.wait().await;
            let outcome = bucket.create(&key, body.clone()).await;
            (body, outcome)
        });
    }
    // A writer that panicked is missing, which shows as "all lost" at worst.
    let mut outcomes = Vec::with_capacity(WRITERS);
    while let Some(joined) = writers.join_next().await {
        outcomes.extend(joined.ok());
    }
    outcomes
}

#[cfg(test)]
mod tests;
