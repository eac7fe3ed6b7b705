//! Where a reader that knows nothing of a log begins.
//!
//! At the checkpoint that the hint names, or without a hint at the first commit; the bucket is not listed. Commits are
//! deleted oldest first, and those after a checkpoint only once that checkpoint is gone (`prune.rs`). So a beginning that
//! is still there when the log's end was seen proves that nothing between them was deleted: the hint may be old, damaged
//! or missing, and what is loaded is the newest view all the same. Where nothing proves it, a listing decides.

use latewood_objstore::BucketError;

use crate::log::Log;
use crate::{CatalogError, View, keys};

/// How often a log is loaded again because its checkpoint was pruned meanwhile.
const LOAD_ATTEMPTS: usize = 3;
/// How many commits are read at once to begin with: few follow a checkpoint, and one that is missing shows by those after
/// it.
const LOOK_AHEAD: usize = 8;

/// A view, and the checkpoint that it was read from; 0 is none.
pub(crate) struct Loaded {
    pub(crate) view: View,
    pub(crate) checkpoint: u64,
}

impl Log {
    /// The newest view.
    pub(crate) async fn load(&self) -> Result<Loaded, CatalogError> {
        match self.load_hinted().await {
            Ok(Some(loaded)) => return Ok(loaded),
            Ok(None) => tracing::debug!(tenant = %self.tenant, "no hint leads into the log: it is listed"),
            Err(error @ (CatalogError::Corrupt { .. } | CatalogError::UnknownFormat { .. })) => {
                tracing::warn!(tenant = %self.tenant, %error, "the log is listed");
            }
            Err(error) => return Err(error),
        }
        self.load_listed().await
    }

    /// The newest view, if it can be found, and proved to be the newest, without a listing.
    async fn load_hinted(&self) -> Result<Option<Loaded>, CatalogError> {
        let checkpoint = self.hinted().await?.unwrap_or(0);
        let (view, anchor) = match checkpoint {
            0 => (View::empty(self.tenant.clone()), keys::commit(&self.tenant, 1)),
            version => match self.read_checkpoint(version).await {
                Err(CatalogError::Bucket(BucketError::NotFound { .. })) => return Ok(None),
                view => (view?, keys::checkpoint(&self.tenant, version)),
            },
        };
        // Without a first commit the log is empty, or its beginning was pruned.
        if checkpoint == 0 && !self.is_there(&anchor).await? {
            return Ok(None);
        }
        let view = self.follow(view, LOOK_AHEAD).await?;
        Ok(self.is_there(&anchor).await?.then_some(Loaded { view, checkpoint }))
    }

    /// The newest view as a listing shows the way to it.
    async fn load_listed(&self) -> Result<Loaded, CatalogError> {
        for _ in 1..LOAD_ATTEMPTS {
            match self.load_listed_once().await {
                // Pruned between the listing and the reading, which takes its age: there is a newer one.
                Err(CatalogError::Bucket(BucketError::NotFound { .. })) => {}
                loaded => return loaded,
            }
        }
        self.load_listed_once().await
    }

    /// A checkpoint is a shortcut: one that is damaged is passed over for an older one, or for none, as long
    /// as the commits from there on lead to where it was taken.
    async fn load_listed_once(&self) -> Result<Loaded, CatalogError> {
        let mut versions: Vec<u64> = self.checkpoints().await?.iter().map(|(version, _)| *version).collect();
        let mut damaged = None;
        while let Some(version) = versions.pop() {
            match self.load_from(version).await {
                Err(error @ CatalogError::Corrupt { .. }) => {
                    tracing::error!(tenant = %self.tenant, %error, "an older checkpoint is tried");
                    damaged.get_or_insert((version, error));
                }
                loaded => return covering(damaged, loaded),
            }
        }
        let loaded = self.load_from(0).await;
        covering(damaged, loaded)
    }

    async fn load_from(&self, checkpoint: u64) -> Result<Loaded, CatalogError> {
        let view = match checkpoint {
            0 => View::empty(self.tenant.clone()),
            version => self.read_checkpoint(version).await?,
        };
        let listed = self.commits_after(checkpoint).await?.last().map_or(0, |(last, _)| *last);
        let view = self.follow(view, 1).await?;
        if view.version < listed {
            return Err(self.missing(view.version + 1, listed));
        }
        Ok(Loaded { view, checkpoint })
    }
}

/// What was loaded without the newest checkpoint, if it is all that the checkpoint had; else its damage.
fn covering(
    damaged: Option<(u64, CatalogError)>,
    loaded: Result<Loaded, CatalogError>,
) -> Result<Loaded, CatalogError> {
    match (damaged, loaded) {
        (None, loaded) => loaded,
        (Some((version, _)), Ok(loaded)) if loaded.view.version >= version => Ok(loaded),
        (Some((_, damage)), Ok(_) | Err(CatalogError::Corrupt { .. })) => Err(damage),
        (Some(_), Err(error)) => Err(error),
    }
}
