//! How a node comes to be of a cluster: it finds the one that was founded, or founds it with others.
//!
//! Whatever nodes see of each other, and whenever they stop: one record stands in the bucket, and all that are of a cluster
//! are of that one.

mod decision;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, ErrorKind, Ids, Kinded, Offload};
use latewood_catalog::{CatalogError, Catalogs, ClusterRecord, Founder};

use self::decision::{InBucket, Step, decide};
use super::{Meeting, Met, NodeFile};
use crate::StartError;

/// How long the bucket may take to say what was founded.
const BUCKET_PATIENCE: Duration = Duration::from_secs(5);
/// How long it is waited between two looks around.
const PAUSE: Duration = Duration::from_secs(1);

/// What a node needs to come to be of a cluster.
pub struct FoundingParts<'a> {
    /// Where the node is remembered.
    pub data_dir: PathBuf,
    /// The node, as it was remembered.
    pub node: NodeFile,
    /// What it says of itself to others, who can ask it already.
    pub this: Met,
    /// How the others are found.
    pub meeting: &'a dyn Meeting,
    /// How many replicas a shard is to have.
    pub replication_factor: usize,
    /// How many shards a cluster of so many founders is to have.
    pub shards: &'a (dyn Fn(usize) -> u32 + Send + Sync),
    /// How long a cluster is waited for.
    pub patience: Duration,
    /// The bucket's catalogs.
    pub catalogs: Arc<Catalogs>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub ids: Ids,
    /// Where the data directory is written to.
    pub offload: Offload,
}

impl std::fmt::Debug for FoundingParts<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FoundingParts").field("this", &self.this).finish_non_exhaustive()
    }
}

/// The node as one of a cluster: of the one that it remembers, or of the bucket's, or of the one that it founds with others.
/// What is found is remembered before this returns. A node that remembers one needs nobody for this.
///
/// # Errors
/// [`StartError::NoCluster`] when there is none in time; [`StartError::DataDir`] when the bucket has another cluster than the
/// data directory.
pub async fn find_cluster(parts: FoundingParts<'_>) -> Result<NodeFile, StartError> {
    if let Some(founding) = &parts.node.founding {
        parts.compare(founding).await?;
        return Ok(parts.node);
    }
    let begun = parts.clock.elapsed();
    let mut said = String::new();
    loop {
        let reason = match parts.look().await {
            Ok(Step::Adopt(founding)) => {
                tracing::info!(cluster = %founding.cluster, "the node is of this cluster");
                let (node, dir) = (parts.node.clone(), parts.data_dir.clone());
                return parts.offload.run(move || node.of_cluster(&dir, founding)).await?;
            }
            Ok(Step::Wait(reason)) => reason,
            // It stands now, or another does: the next look finds it.
            Ok(Step::Found(founders)) => match parts.found(founders).await {
                Ok(()) => continue,
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == ErrorKind::Unavailable => error.to_string(),
            Err(error) => return Err(StartError::Founding(error)),
        };
        if reason != said {
            tracing::info!(reason, "waits for a cluster");
            said.clone_from(&reason);
        }
        let waited = parts.clock.elapsed().saturating_sub(begun);
        if waited >= parts.patience {
            return Err(StartError::NoCluster { waited_seconds: waited.as_secs(), reason });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl FoundingParts<'_> {
    /// First the nodes, then the bucket: what a node is of is in the bucket then.
    async fn look(&self) -> Result<Step, CatalogError> {
        let met = self.meeting.meet().await;
        let bucket = match self.in_bucket().await {
            Some(found) => found?.map_or(InBucket::Nothing, InBucket::Founded),
            None => InBucket::NoAnswer,
        };
        Ok(decide(&self.this, &met, bucket))
    }

    async fn in_bucket(&self) -> Option<Result<Option<ClusterRecord>, CatalogError>> {
        let found = tokio::time::timeout(BUCKET_PATIENCE, self.catalogs.cluster()).await.ok()?;
        Some(found).filter(|found| !matches!(found, Err(error) if error.kind() == ErrorKind::Unavailable))
    }

    async fn found(&self, founders: Vec<Founder>) -> Result<(), CatalogError> {
        let cluster = self.ids.next();
        let shards = self.catalogs.claim_shards(cluster, (self.shards)(founders.len())).await?;
        let record = ClusterRecord {
            cluster,
            replication_factor: self.replication_factor,
            shards,
            founders,
            at_ms: self.clock.now_ms(),
        };
        let founded = self.catalogs.found_cluster(&record).await?;
        tracing::info!(cluster = %founded.cluster, own = founded == record, "a cluster is founded");
        Ok(())
    }

    /// A data directory is of one bucket alone. One that does not answer keeps nobody from starting.
    async fn compare(&self, founding: &ClusterRecord) -> Result<(), StartError> {
        let problem = match self.in_bucket().await {
            None => {
                tracing::warn!(
                    "whether the cluster is the bucket's is not compared: the bucket does not answer"
                );
                return Ok(());
            }
            Some(Ok(Some(found))) if found.cluster == founding.cluster => return Ok(()),
            Some(Ok(Some(found))) => format!("the bucket has cluster {}", found.cluster),
            Some(Ok(None)) => "the bucket has none".to_owned(),
            Some(Err(error)) => return Err(StartError::Founding(error)),
        };
        let message =
            format!("it is a node's of cluster {}, and {problem}: it is another bucket's", founding.cluster);
        Err(StartError::DataDir { path: self.data_dir.display().to_string(), message })
    }
}

#[cfg(test)]
mod tests;
