//! Which checkpoint was the newest when somebody last looked, so that readers need not list.
//!
//! It is overwritten without conditions: of two writers the slower may leave the older one. `load.rs` relies on nothing
//! that it says.

use latewood_model::TenantId;
use latewood_objstore::BucketError;
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::log::Log;
use crate::{CatalogError, keys};

/// The most bytes of a hint: its tenant has 150 at most.
const MAX_BYTES: u64 = 1_024;

/// The JSON of a hint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    tenant: TenantId,
    /// The version of the checkpoint.
    checkpoint: u64,
}

impl Log {
    /// The checkpoint that the hint names; none where there is no hint.
    pub(crate) async fn hinted(&self) -> Result<Option<u64>, CatalogError> {
        let key = keys::hint(&self.tenant);
        let object = match self.shared.bucket.get(&key, MAX_BYTES).await {
            Err(BucketError::NotFound { .. }) => return Ok(None),
            // More than a hint may have.
            Err(BucketError::TooLarge { .. }) => {
                let message = format!("it has more than {MAX_BYTES} bytes");
                return Err(CatalogError::Corrupt { key, message });
            }
            object => object?,
        };
        let hint: Hint = envelope::decode(Kind::Hint, &key, &object)?;
        if hint.tenant != self.tenant || hint.checkpoint == 0 {
            let message = format!("it names checkpoint {} of {}", hint.checkpoint, hint.tenant);
            return Err(CatalogError::Corrupt { key, message });
        }
        Ok(Some(hint.checkpoint))
    }

    /// Says that a checkpoint is the newest.
    pub(crate) async fn write_hint(&self, checkpoint: u64) -> Result<(), CatalogError> {
        let key = keys::hint(&self.tenant);
        let hint = Hint { tenant: self.tenant.clone(), checkpoint };
        let object = envelope::encode(Kind::Hint, &hint);
        let object = object.map_err(|message| CatalogError::Corrupt { key: key.clone(), message })?;
        Ok(self.shared.bucket.put(&key, object).await?)
    }
}
