//! Leases: who works on what, so that two compactors do not do the same work. They save work only: safety is
//! in the conditions of commits, so a lease may be lost, doubled or held by a dead process without harm.

use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_model::TimestampMs;
use latewood_objstore::BucketError;
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::{CatalogError, TenantCatalog, keys};

/// The most bytes of a lease's object.
const MAX_BYTES: u64 = 4_096;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseBody {
    holder: Ulid,
    expires_ms: TimestampMs,
}

/// A lease that is held. It runs out by itself; [`Lease::release`] ends it earlier.
#[derive(Debug)]
pub struct Lease<'a> {
    catalog: &'a TenantCatalog,
    key: String,
    holder: Ulid,
    expires_ms: TimestampMs,
}

/// A lease as who does not hold it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingLease {
    /// What is worked on.
    pub name: String,
    /// Who took it; none where that cannot be read.
    pub holder: Option<Ulid>,
    /// When it runs out, in milliseconds since the Unix epoch; 0 where that cannot be read.
    pub expires_ms: TimestampMs,
}

impl TenantCatalog {
    /// The leases that are there, those that ran out included. Lists: never on a hot path.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`].
    pub async fn leases(&self) -> Result<Vec<StandingLease>, CatalogError> {
        let (bucket, folder) = (&self.log().shared.bucket, keys::lease_folder(self.tenant()));
        let mut listing = bucket.list(&folder, None);
        let mut leases = Vec::new();
        while let Some(info) = listing.try_next().await? {
            let object = match bucket.get(&info.key, MAX_BYTES).await {
                // Let go meanwhile.
                Err(BucketError::NotFound { .. }) => continue,
                Err(BucketError::TooLarge { .. }) => None,
                object => Some(object?),
            };
            let body =
                object.and_then(|object| envelope::decode::<LeaseBody>(Kind::Lease, &info.key, &object).ok());
            leases.push(StandingLease {
                name: info.key.rsplit('/').next().unwrap_or_default().to_owned(),
                holder: body.as_ref().map(|body| body.holder),
                expires_ms: body.map_or(0, |body| body.expires_ms),
            });
        }
        Ok(leases)
    }

    /// Takes a lease for so many milliseconds, or gives none while another holds it. `name` is a part of a key
    /// (letters, digits, `-`, `_`, `.`, `=`).
    ///
    /// # Errors
    /// [`CatalogError::Bucket`].
    pub async fn lease(&self, name: &str, for_ms: i64) -> Result<Option<Lease<'_>>, CatalogError> {
        let shared = &self.log().shared;
        let now_ms = shared.clock.now_ms();
        let lease = Lease {
            catalog: self,
            key: keys::lease(self.tenant(), name),
            holder: shared.ids.next(),
            expires_ms: now_ms.saturating_add(for_ms),
        };
        if lease.create().await? {
            return Ok(Some(lease));
        }
        match lease.standing().await? {
            Some(body) if body.holder == lease.holder => return Ok(Some(lease)),
            Some(body) if body.expires_ms > now_ms => return Ok(None),
            // It ran out, or its holder let it go just now.
            _ => {}
        }
        shared.bucket.delete(&lease.key).await?;
        Ok(lease.create().await?.then_some(lease))
    }
}

impl Lease<'_> {
    /// When it runs out, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn expires_ms(&self) -> TimestampMs {
        self.expires_ms
    }

    /// Holds it for so many milliseconds from now; false when another holds it meanwhile.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`].
    pub async fn renew(&mut self, for_ms: i64) -> Result<bool, CatalogError> {
        if !self.is_ours().await? {
            return Ok(false);
        }
        let shared = &self.catalog.log().shared;
        self.expires_ms = shared.clock.now_ms().saturating_add(for_ms);
        shared.bucket.put(&self.key, self.object()?).await?;
        Ok(true)
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`]; it then runs out by itself.
    pub async fn release(self) -> Result<(), CatalogError> {
        if self.is_ours().await? {
            self.catalog.log().shared.bucket.delete(&self.key).await?;
        }
        Ok(())
    }

    async fn is_ours(&self) -> Result<bool, CatalogError> {
        let standing = self.standing().await?;
        Ok(standing.is_some_and(|body| body.holder == self.holder))
    }

    fn object(&self) -> Result<bytes::Bytes, CatalogError> {
        let body = LeaseBody { holder: self.holder, expires_ms: self.expires_ms };
        envelope::encode(Kind::Lease, &body)
            .map_err(|message| CatalogError::Corrupt { key: self.key.clone(), message })
    }

    /// Whether the place was free. A lost reply shows when the lease is read next.
    async fn create(&self) -> Result<bool, CatalogError> {
        let bucket = &self.catalog.log().shared.bucket;
        match bucket.create(&self.key, self.object()?).await {
            Ok(()) => Ok(true),
            Err(BucketError::AlreadyExists { .. }) => Ok(false),
            Err(error @ BucketError::Unavailable { .. }) => match self.standing().await? {
                Some(body) => Ok(body.holder == self.holder),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn standing(&self) -> Result<Option<LeaseBody>, CatalogError> {
        let object = match self.catalog.log().shared.bucket.get(&self.key, MAX_BYTES).await {
            Err(BucketError::NotFound { .. }) => return Ok(None),
            object => object?,
        };
        match envelope::decode(Kind::Lease, &self.key, &object) {
            Ok(body) => Ok(Some(body)),
            // One that nobody can read must not stand for ever.
            Err(error) => {
                tracing::warn!(%error, "a lease is unreadable and counts as run out");
                Ok(None)
            }
        }
    }
}
