//! Where the objects of a tenant's catalog are, and those of all tenants together.

use latewood_base::Ulid;
use latewood_model::TenantId;

/// The folder of the log.
pub(crate) fn log_folder(tenant: &TenantId) -> String {
    format!("{tenant}/catalog")
}

/// A commit: 20 digits, so that names sort as numbers, and before all that begins with a letter.
pub(crate) fn commit(tenant: &TenantId, sequence: u64) -> String {
    format!("{tenant}/catalog/{sequence:020}")
}

/// The folder of the checkpoints.
pub(crate) fn checkpoint_folder(tenant: &TenantId) -> String {
    format!("{tenant}/catalog/checkpoint")
}

/// The checkpoint of a version.
pub(crate) fn checkpoint(tenant: &TenantId, version: u64) -> String {
    format!("{tenant}/catalog/checkpoint/{version:020}")
}

/// The hint which checkpoint is the newest.
pub(crate) fn hint(tenant: &TenantId) -> String {
    format!("{tenant}/catalog/hint")
}

/// A lease.
pub(crate) fn lease(tenant: &TenantId, name: &str) -> String {
    format!("{tenant}/lease/{name}")
}

/// The folder of the leases.
pub(crate) fn lease_folder(tenant: &TenantId) -> String {
    format!("{tenant}/lease")
}

/// The folder of the audit entries.
pub(crate) fn audit_folder(tenant: &TenantId) -> String {
    format!("{tenant}/audit")
}

/// An audit entry.
pub(crate) fn audit(tenant: &TenantId, id: Ulid) -> String {
    format!("{tenant}/audit/{id}")
}

/// The id of an audit entry, if the key names one.
pub(crate) fn audit_id(tenant: &TenantId, key: &str) -> Option<Ulid> {
    let name = key.strip_prefix(&audit_folder(tenant))?.strip_prefix('/')?;
    Ulid::from_string(name).ok()
}

/// The folder of what belongs to no tenant.
pub(crate) const OURS: &str = "__latewood__";

/// The folder of the claims of shard numbers.
pub(crate) fn shard_claims() -> String {
    format!("{OURS}/shards")
}

/// The claim of a shard number.
pub(crate) fn shard_claim(shard: u32) -> String {
    format!("{OURS}/shards/{shard:020}")
}

/// The founding of the cluster of ingesters.
pub(crate) fn cluster() -> String {
    format!("{OURS}/cluster")
}

/// The number of a commit, checkpoint or claim, if the key is directly in `folder` and names one.
pub(crate) fn number(folder: &str, key: &str) -> Option<u64> {
    let name = key.strip_prefix(folder)?.strip_prefix('/')?;
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_other_names_have_none() {
        let tenant = TenantId::new("t").unwrap();
        let folder = log_folder(&tenant);
        assert_eq!(commit(&tenant, 7), "t/catalog/00000000000000000007");
        for sequence in [1, 64, u64::MAX] {
            assert_eq!(number(&folder, &commit(&tenant, sequence)), Some(sequence));
        }
        for key in
            ["t/catalog/7", "t/catalog/99999999999999999999", "t/catalog", "u/catalog/00000000000000000007"]
        {
            assert_eq!(number(&folder, key), None, "{key}");
        }
        assert_eq!(number(&folder, &checkpoint(&tenant, 7)), None);
    }
}
