//! The founding of a cluster of ingesters: once in the life of a bucket, by whoever comes first.

use bytes::Bytes;
use latewood_base::Ulid;
use latewood_model::TimestampMs;
use latewood_objstore::BucketError;
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::{CatalogError, Catalogs, keys};

/// The most bytes of the record's object.
const MAX_BYTES: u64 = 1 << 20;

/// A cluster of ingesters, as it was founded. It never changes; what came of it, the nodes agree on among themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRecord {
    /// Its id; its shard numbers are claimed for it.
    pub cluster: Ulid,
    /// How many replicas a shard is to have.
    pub replication_factor: usize,
    /// The numbers of its shards, by place.
    pub shards: Vec<u32>,
    /// Its first nodes.
    pub founders: Vec<Founder>,
    /// The founder's clock, for people.
    pub at_ms: TimestampMs,
}

/// One of the first nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// The node's number.
    #[serde(with = "hex_u64")]
    pub node: u64,
    /// `host:port` at which other nodes reached it.
    pub address: String,
    /// What may fail as a whole.
    pub zone: String,
}

impl Catalogs {
    /// The cluster that was founded in this bucket, if one was.
    ///
    /// # Errors
    /// [`CatalogError`] when the bucket does not answer, or the record cannot be read.
    pub async fn cluster(&self) -> Result<Option<ClusterRecord>, CatalogError> {
        let key = keys::cluster();
        let object = match self.shared().bucket.get(&key, MAX_BYTES).await {
            Err(BucketError::NotFound { .. }) => return Ok(None),
            object => object?,
        };
        envelope::decode(Kind::Cluster, &key, &object).map(Some)
    }

    /// Founds a cluster, unless one was founded already: answers the one that stands. That it is the same one when the reply
    /// was lost shows when it is read.
    ///
    /// # Errors
    /// [`CatalogError`] when the bucket does not answer for longer than a commit may take, or another record stands and
    /// cannot be read.
    pub async fn found_cluster(&self, record: &ClusterRecord) -> Result<ClusterRecord, CatalogError> {
        let key = keys::cluster();
        let object = envelope::encode(Kind::Cluster, record)
            .map_err(|message| CatalogError::Corrupt { key: key.clone(), message })?;
        if object.len() as u64 > MAX_BYTES {
            let (size, max) = (object.len() as u64, MAX_BYTES);
            return Err(CatalogError::TooLarge { tenant: keys::OURS.to_owned(), size, max });
        }
        self.patiently("the founding of the cluster", || self.found(&key, object.clone(), record)).await
    }

    async fn found(
        &self,
        key: &str,
        object: Bytes,
        record: &ClusterRecord,
    ) -> Result<ClusterRecord, CatalogError> {
        let error = match self.shared().bucket.create(key, object).await {
            Ok(()) => return Ok(record.clone()),
            Err(error @ (BucketError::AlreadyExists { .. } | BucketError::Unavailable { .. })) => error,
            Err(error) => return Err(error.into()),
        };
        self.cluster().await?.ok_or_else(|| error.into())
    }
}

/// Numbers of 64 bits as 16 hexadecimal digits: many readers of JSON know 53 bits alone.
pub mod hex_u64 {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// The digits.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    /// The number of exactly 16 digits.
    ///
    /// # Errors
    /// It is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        number.ok_or_else(|| D::Error::custom(format!("{text:?} is not 16 hexadecimal digits")))
    }
}
