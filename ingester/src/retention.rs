//! How long samples are kept: older ones are not taken.

use std::collections::BTreeMap;

use latewood_model::{TenantId, TimestampMs};

/// How long raw samples are kept, in seconds; 0 is for ever. The compactor's setting, by which it lets blocks go: what came
/// when its rollups are made, and the samples beside it gone, would be in none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRetention {
    /// Of all tenants but those that are named.
    pub seconds: u64,
    /// Of single tenants.
    pub tenants: BTreeMap<String, u64>,
}

/// So much earlier than they go, samples are not taken any more: they are to be in a block, and that in its rollups, before.
const DAY_MS: i64 = 86_400_000;

impl RawRetention {
    /// The oldest time that is taken of a tenant's samples: a day less than they are kept, or half of that where it is more.
    pub(crate) fn oldest(&self, tenant: &TenantId, now_ms: TimestampMs) -> Option<TimestampMs> {
        let seconds = self.tenants.get(tenant.as_str()).copied().unwrap_or(self.seconds);
        let kept_ms = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let taken_ms = kept_ms.saturating_sub(DAY_MS).max(kept_ms / 2);
        (seconds > 0).then(|| now_ms.saturating_sub(taken_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_taken_for_a_day_less_than_they_are_kept() {
        let day = |days: i64| days * DAY_MS;
        let tenants = [("brief".to_owned(), 86_400), ("ever".to_owned(), 0)].into();
        let retention = RawRetention { seconds: 15 * 86_400, tenants };
        let oldest = |tenant: &str| retention.oldest(&TenantId::new(tenant).unwrap(), day(100));
        assert_eq!((oldest("any"), oldest("ever")), (Some(day(86)), None));
        assert_eq!(oldest("brief"), Some(day(100) - DAY_MS / 2));
        assert_eq!(RawRetention::default().oldest(&TenantId::anonymous(), 0), None);
    }
}
