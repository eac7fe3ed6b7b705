//! Lets no conditional write through before the probe has shown that they hold.
//!
//! So a process may start while its bucket is away: it can do nothing that relies on create-if-absent, such
//! as a commit, until the bucket has answered and been found right.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::Ids;
use tokio::sync::OnceCell;

use crate::{Bucket, BucketError, BucketLayer, ProbeError, probe};

/// The pause between looks at a bucket that does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// A bucket whose create-if-absent is proved before it is used, once for the life of the process.
#[derive(Debug)]
pub struct Proven {
    inner: Bucket,
    ids: Ids,
    verdict: OnceCell<Result<(), ProbeError>>,
}

impl Proven {
    /// A bucket of which nothing is known yet.
    #[must_use]
    pub fn new(inner: Bucket, ids: Ids) -> Self {
        Self { inner, ids, verdict: OnceCell::new() }
    }

    /// Runs [`probe`] unless its verdict is known; callers at the same time share one run.
    ///
    /// # Errors
    /// [`ProbeError::NotExclusive`] is final; after any other the next call tries again.
    pub async fn prove(&self) -> Result<(), ProbeError> {
        let look = || async {
            match probe(&self.inner, &self.ids).await {
                Err(error @ ProbeError::Bucket(_)) => Err(error),
                verdict => Ok(verdict),
            }
        };
        self.verdict.get_or_try_init(look).await.cloned().flatten()
    }

    /// Tries until the bucket answers. Resolves when it was found wrong, and never when it was found right.
    pub async fn refuted(&self) -> ProbeError {
        loop {
            match self.prove().await {
                Ok(()) => return pending().await,
                Err(ProbeError::Bucket(error)) => {
                    tracing::warn!(%error, "the bucket does not answer; nothing is committed until it does");
                }
                Err(wrong) => return wrong,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl BucketLayer for Proven {
    fn inner(&self) -> &Bucket {
        &self.inner
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        match self.prove().await {
            Ok(()) => self.inner.create(key, body).await,
            Err(ProbeError::Bucket(error)) => Err(error),
            Err(wrong) => Err(BucketError::Denied { key: key.to_owned(), message: wrong.to_string() }),
        }
    }
}
