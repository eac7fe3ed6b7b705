//! What an object of the bucket is, by its key alone.

use latewood_base::Ulid;
use latewood_model::{Resolution, TenantId};

use crate::keys;

/// What an object of the bucket is, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file in the folder of a block.
    Block {
        /// Whose.
        tenant: TenantId,
        /// How fine its samples are.
        resolution: Resolution,
        /// Which block.
        id: Ulid,
        /// The file's path below the block's folder.
        path: String,
    },
    /// A commit, a checkpoint, the hint, a lease or an audit entry of a tenant.
    Catalog(TenantId),
    /// What belongs to no tenant: claims of shard numbers, the founding of a cluster, and what the start-up probe writes.
    Ours,
    /// Nothing that Latewood writes.
    Foreign,
}

impl Place {
    /// The place of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let Some((first, rest)) = key.split_once('/') else { return Self::Foreign };
        if first == keys::OURS {
            return ours(key, rest).unwrap_or(Self::Foreign);
        }
        let Ok(tenant) = TenantId::new(first) else { return Self::Foreign };
        if is_catalog(&tenant, key) {
            return Self::Catalog(tenant);
        }
        in_block(&tenant, rest).unwrap_or(Self::Foreign)
    }
}

fn ours(key: &str, rest: &str) -> Option<Place> {
    let is_probe = rest.strip_prefix("probe/").is_some_and(|name| !name.contains('/'));
    let is_claim = keys::number(&keys::shard_claims(), key).is_some();
    (is_probe || is_claim || key == keys::cluster()).then_some(Place::Ours)
}

fn is_catalog(tenant: &TenantId, key: &str) -> bool {
    let is_numbered = |folder: &str| keys::number(folder, key).is_some();
    let lease = key.strip_prefix(&keys::lease(tenant, ""));
    is_numbered(&keys::log_folder(tenant))
        || is_numbered(&keys::checkpoint_folder(tenant))
        || key == keys::hint(tenant)
        || keys::audit_id(tenant, key).is_some()
        || lease.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn in_block(tenant: &TenantId, rest: &str) -> Option<Place> {
    let (resolution, rest) = rest.split_once('/')?;
    let (folder, path) = rest.split_once('/')?;
    Some(Place::Block {
        tenant: tenant.clone(),
        resolution: Resolution::from_name(resolution)?,
        id: Ulid::from_string(folder.strip_prefix("block=")?).ok()?,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_of_ours_has_its_place_and_others_are_foreign() {
        let tenant = TenantId::new("t").unwrap();
        let catalog = [
            keys::commit(&tenant, 7),
            keys::checkpoint(&tenant, 64),
            keys::hint(&tenant),
            keys::lease(&tenant, "merge-1-2"),
            keys::audit(&tenant, Ulid(7)),
        ];
        for key in catalog {
            assert_eq!(Place::of(&key), Place::Catalog(tenant.clone()), "{key}");
        }
        for key in [keys::shard_claim(1024), keys::cluster(), "__latewood__/probe/x-1".to_owned()] {
            assert_eq!(Place::of(&key), Place::Ours, "{key}");
        }
        let key = format!("{}/samples/a", crate::block_folder(&tenant, Resolution::OneDay, Ulid(1)));
        let (resolution, path) = (Resolution::OneDay, "samples/a".to_owned());
        assert_eq!(Place::of(&key), Place::Block { tenant, resolution, id: Ulid(1), path });
        for key in [
            "notes.txt",
            "t/notes.txt",
            "t/catalog/7",
            "t/catalog/hint/x",
            "t/lease/a/b",
            "t/audit/x",
            "t/2m/block=x/meta.json",
            "t/raw/block=x/meta.json",
            "t/raw/meta.json",
            "__latewood__/x",
            "__latewood__/shards/7",
            "t u/catalog/hint",
        ] {
            assert_eq!(Place::of(key), Place::Foreign, "{key}");
        }
    }
}
