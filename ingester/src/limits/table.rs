//! The limits of each tenant.

use std::collections::HashMap;

use latewood_model::TenantId;

use super::{LimitsConfig, TenantLimits};

/// The limits that hold for a tenant; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) series: u64,
    pub(crate) series_per_metric: u64,
    /// Samples a second.
    pub(crate) rate: f64,
    /// Samples at once.
    pub(crate) burst: u64,
}

/// How long a burst is that nobody has set, in seconds of the rate: the ratio of Mimir's defaults.
const BURST_SECONDS: f64 = 20.0;

impl Held {
    fn of(all: &LimitsConfig, own: &TenantLimits) -> Self {
        let rate = own.ingestion_rate.unwrap_or(all.ingestion_rate);
        let burst = match own.ingestion_burst_size.unwrap_or(all.ingestion_burst_size) {
            0 => (rate * BURST_SECONDS).ceil().max(1.0) as u64,
            burst => burst,
        };
        Self {
            series: own.max_global_series_per_user.unwrap_or(all.max_global_series_per_user),
            series_per_metric: own.max_global_series_per_metric.unwrap_or(all.max_global_series_per_metric),
            rate,
            burst,
        }
    }

    pub(super) fn limits_series(&self) -> bool {
        self.series > 0 || self.series_per_metric > 0
    }

    fn limits_rate(&self) -> bool {
        self.rate > 0.0
    }
}

/// The limits of each tenant. Most have none of their own: then nothing is looked up.
#[derive(Debug)]
pub struct Limits {
    all: Held,
    own: HashMap<TenantId, Held>,
    limits_series: bool,
    limits_rate: bool,
}

impl Limits {
    /// As the settings say, which are valid.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let all = Held::of(config, &TenantLimits::default());
        let own = config.overrides.iter().filter_map(|(tenant, own)| {
            // A name that cannot be was refused with the settings.
            Some((TenantId::new(tenant).ok()?, Held::of(config, own)))
        });
        let own: HashMap<_, _> = own.collect();
        let any = |limits: fn(&Held) -> bool| limits(&all) || own.values().any(limits);
        let (limits_series, limits_rate) = (any(Held::limits_series), any(Held::limits_rate));
        Self { all, own, limits_series, limits_rate }
    }

    /// Whether the series of any tenant are limited.
    pub(super) fn limits_series(&self) -> bool {
        self.limits_series
    }

    /// What holds for a tenant; `None` where its series are not limited.
    pub(super) fn of_series(&self, tenant: &TenantId) -> Option<Held> {
        self.limits_series.then(|| self.of(tenant)).filter(Held::limits_series)
    }

    /// What holds for a tenant; `None` where its rate is not limited.
    pub(super) fn of_rate(&self, tenant: &TenantId) -> Option<Held> {
        self.limits_rate.then(|| self.of(tenant)).filter(Held::limits_rate)
    }

    fn of(&self, tenant: &TenantId) -> Held {
        if self.own.is_empty() { self.all } else { self.own.get(tenant).copied().unwrap_or(self.all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_own_limits_and_else_those_of_all() {
        let config = r#"{"max_global_series_per_user":10,"ingestion_rate":5,
            "overrides":{"big":{"max_global_series_per_user":0},"fast":{"ingestion_rate":0.5,"ingestion_burst_size":7}}}"#;
        let limits = Limits::new(&serde_json::from_str(config).unwrap());
        let of = |name: &str| {
            let tenant = TenantId::new(name).unwrap();
            let rate = limits.of_rate(&tenant).map(|held| (held.rate, held.burst));
            (limits.of_series(&tenant).map(|held| held.series), rate)
        };
        assert_eq!(of("any"), (Some(10), Some((5.0, 100))));
        assert_eq!(of("big"), (None, Some((5.0, 100))));
        assert_eq!(of("fast"), (Some(10), Some((0.5, 7))));
        let none = Limits::new(&LimitsConfig::default());
        let tenant = TenantId::anonymous();
        assert!(
            none.of_series(&tenant).is_none() && none.of_rate(&tenant).is_none() && !none.limits_series()
        );
    }
}
