//! How often the same is logged.

use std::collections::HashMap;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::TenantId;
use parking_lot::Mutex;

/// What is logged once is held back for so long.
const INTERVAL: Duration = Duration::from_secs(30);
/// The most tenants and causes that are told apart; strangers can make tenants up.
const MAX_KEYS: usize = 4_096;

/// Lets one log line through for a tenant, a cause and an interval: what clients do wrong they do often, and one
/// tenant's noise must not hide another's trouble.
#[derive(Debug)]
pub struct LogLimit {
    clock: Clock,
    seen: Mutex<HashMap<(Option<TenantId>, &'static str), Seen>>,
}

#[derive(Debug)]
struct Seen {
    logged: Duration,
    held_back: u64,
}

impl LogLimit {
    /// Nothing was logged yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// Whether to log now: how many lines were held back since the last one, or `None` to hold this one back.
    pub fn pass(&self, tenant: Option<&TenantId>, cause: &'static str) -> Option<u64> {
        let now = self.clock.elapsed();
        let is_recent = |seen: &Seen| now.saturating_sub(seen.logged) < INTERVAL;
        let key = (tenant.cloned(), cause);
        let mut all = self.seen.lock();
        if let Some(seen) = all.get_mut(&key) {
            if is_recent(seen) {
                seen.held_back += 1;
                return None;
            }
            seen.logged = now;
            return Some(std::mem::take(&mut seen.held_back));
        }
        if all.len() >= MAX_KEYS {
            all.retain(|_, seen| is_recent(seen));
        }
        if all.len() >= MAX_KEYS {
            return None;
        }
        all.insert(key, Seen { logged: now, held_back: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_tenant_and_cause_and_interval() {
        let (clock, hand) = Clock::manual(0);
        let limit = LogLimit::new(clock);
        let tenants = ["a", "b"].map(|name| TenantId::new(name).unwrap());
        let pass = |tenant: usize, cause| limit.pass(tenants.get(tenant), cause);
        assert_eq!(pass(0, "too_old"), Some(0));
        assert_eq!((pass(0, "too_old"), pass(0, "too_old")), (None, None));
        assert_eq!(
            (pass(1, "too_old"), pass(0, "series_limit"), pass(2, "too_old")),
            (Some(0), Some(0), Some(0))
        );
        hand.advance(INTERVAL);
        assert_eq!((pass(0, "too_old"), pass(1, "too_old")), (Some(2), Some(0)));
    }

    #[test]
    fn made_up_tenants_take_so_much_memory_and_no_more() {
        let (clock, hand) = Clock::manual(0);
        let limit = LogLimit::new(clock);
        let made_up = |n: usize| TenantId::new(&format!("t{n}")).unwrap();
        let passed = (0..2 * MAX_KEYS).filter(|n| limit.pass(Some(&made_up(*n)), "too_old").is_some());
        assert_eq!(passed.count(), MAX_KEYS);
        hand.advance(INTERVAL);
        assert_eq!(limit.pass(Some(&made_up(3 * MAX_KEYS)), "too_old"), Some(0));
        assert_eq!(limit.seen.lock().len(), 1);
    }
}
