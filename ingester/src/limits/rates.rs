//! How much each tenant has sent of late.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use latewood_base::Clock;
use latewood_model::TenantId;
use parking_lot::Mutex;

use super::Limits;
use super::bucket::{Short, TokenBucket};
use super::table::Held;
use crate::IngestError;

/// Says how many nodes share the writes.
type Nodes = Box<dyn Fn() -> usize + Send + Sync>;

/// With more tenants than this, those that have sent nothing for long are forgotten.
const TENANTS: usize = 1_000;

/// Counts the samples of each tenant that has a rate against this node's part of it.
pub struct RateLimits {
    limits: Arc<Limits>,
    nodes: Nodes,
    clock: Clock,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    of: HashMap<TenantId, TokenBucket>,
    /// At so many tenants it is looked for those that need not be remembered.
    tidied_at: usize,
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RateLimits").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl RateLimits {
    /// All tenants may begin with a burst. `nodes` share what senders send evenly.
    #[must_use]
    pub fn new(limits: Arc<Limits>, nodes: impl Fn() -> usize + Send + Sync + 'static, clock: Clock) -> Self {
        let buckets = Mutex::new(Buckets { of: HashMap::new(), tidied_at: TENANTS });
        Self { limits, nodes: Box::new(nodes), clock, buckets }
    }

    /// Counts the samples of a request, all of them or, when there are too many, none. Returns how many it counted: none
    /// of a tenant without a limit, for whom nothing is looked at.
    ///
    /// # Errors
    /// [`IngestError::RateLimited`] says when to come again.
    pub(crate) fn take(&self, tenant: &TenantId, samples: impl FnOnce() -> u64) -> Result<u64, IngestError> {
        let Some(held) = self.limits.of_rate(tenant) else { return Ok(0) };
        let (samples, rate, now) = (samples(), self.part(held), self.clock.elapsed());
        let mut buckets = self.buckets.lock();
        let full = || TokenBucket::full(held.burst, now);
        let bucket = buckets.of.entry(tenant.clone()).or_insert_with(full);
        let taken = bucket.take(samples, rate, held.burst, now);
        if buckets.of.len() > buckets.tidied_at {
            buckets.of.retain(|tenant, bucket| {
                let held = self.limits.of_rate(tenant);
                held.is_some_and(|held| !bucket.is_full(self.part(held), held.burst, now))
            });
            buckets.tidied_at = TENANTS.max(buckets.of.len() * 2);
        }
        drop(buckets);
        match taken {
            Ok(()) => Ok(samples),
            Err(short) => Err(self.refusal(tenant, samples, held, short)),
        }
    }

    /// Takes back what [`RateLimits::take`] counted of a request that is to be sent again.
    pub(crate) fn give_back(&self, tenant: &TenantId, counted: u64) {
        if counted == 0 {
            return;
        }
        if let Some(held) = self.limits.of_rate(tenant)
            && let Some(bucket) = self.buckets.lock().of.get_mut(tenant)
        {
            bucket.give_back(counted, held.burst);
        }
    }

    /// This node's part of a rate.
    fn part(&self, held: Held) -> f64 {
        held.rate / (self.nodes)().max(1) as f64
    }

    fn refusal(&self, tenant: &TenantId, samples: u64, held: Held, short: Short) -> IngestError {
        let Held { rate, burst, .. } = held;
        let (wait, advice) = match short {
            Short::For(wait) => {
                let part = self.part(held);
                let advice = format!("this node takes {part:.1} a second of it: send it again later");
                (Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)), advice)
            }
            Short::Ever => (None, "which no later try changes: send smaller requests".to_owned()),
        };
        IngestError::RateLimited {
            samples,
            retry_after_seconds: wait.map(|seconds| seconds.max(1)),
            message: format!(
                "tenant {tenant} may send {rate} samples a second (ingestion_rate), {burst} at once \
                 (ingestion_burst_size), and a request of {samples} is above that; {advice}, or have the limit raised \
                 (ingester.limits.overrides.{tenant})"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(json: &str) -> Arc<Limits> {
        Arc::new(Limits::new(&serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn each_node_takes_its_part_and_tenants_without_a_limit_are_not_counted() {
        let (clock, hand) = Clock::manual(0);
        let limits = limits(
            r#"{"ingestion_rate":40,"ingestion_burst_size":100,"overrides":{"free":{"ingestion_rate":0}}}"#,
        );
        let rates = RateLimits::new(limits, || 4, clock);
        let (tenant, free) = (TenantId::new("t").unwrap(), TenantId::new("free").unwrap());
        assert_eq!(rates.take(&free, || panic!("counted")).unwrap(), 0);
        assert_eq!(rates.take(&tenant, || 100).unwrap(), 100);
        let refused = rates.take(&tenant, || 25).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(
            refused,
            IngestError::RateLimited { retry_after_seconds: Some(3), samples: 25, .. }
        ));
        assert!(
            text.contains("tenant t") && text.contains("ingestion_rate") && text.contains("10.0"),
            "{text}"
        );
        hand.advance(Duration::from_millis(2_500));
        assert_eq!(rates.take(&tenant, || 25).unwrap(), 25);
        rates.give_back(&tenant, 25);
        assert_eq!(rates.take(&tenant, || 25).unwrap(), 25);
        let never = rates.take(&tenant, || 101).unwrap_err();
        assert!(matches!(never, IngestError::RateLimited { retry_after_seconds: None, .. }), "{never}");
    }

    #[test]
    fn tenants_that_send_no_more_are_forgotten() {
        let (clock, hand) = Clock::manual(0);
        let rates = RateLimits::new(limits(r#"{"ingestion_rate":1,"ingestion_burst_size":10}"#), || 1, clock);
        for number in 0..10 * TENANTS {
            hand.advance(Duration::from_secs(1));
            rates.take(&TenantId::new(&number.to_string()).unwrap(), || 10).unwrap();
        }
        assert!(rates.buckets.lock().of.len() <= TENANTS + 1);
    }
}
