//! One series of the copies that an HA pair wrote: which sample of which replica is kept.
//!
//! Replicas are the series that are equal but for their replica labels, ranked by the values of these. What is kept is
//! a pure function of the replicas' times and stale markers with a bounded look-back ([`LOOKBACK_MS`]) and no
//! look-ahead, so that any split of a range gives the same samples (DED-1). Values are never looked at. Querier and
//! compactor apply the same function, which is why it lives beside the tie rule, the other one that both share.
//!
//! ```text
//! replica 1   ●────●────●─────·                  ○────●────●────●      ● kept   ○ dropped
//! replica 2     ○────○────○────●────●────●────●────○────○────○────○     · no longer covered
//! ```
//!
//! - The interval I(s) of a replica at its sample s is the lower median of the distances between its samples in
//!   (s − 40 min, s], stale markers included, held within 1 s and 5 min. A replica without a distance there is a
//!   newcomer; its interval is 5 min.
//! - A sample covers its interval and a tenth of it, at least a second, from its time on, or up to the replica's next
//!   sample: then the next one is late, as it is for `rate`. A stale marker covers nothing.
//! - The owner of t is the first in rank of the replicas that cover t. Newcomers come behind all others, the one that
//!   came first before the later ones, so that a replica which is started again and again takes nothing over.
//! - A sample at s is kept if its replica owns s and no other replica has a sample that it owned in (s − I(s), s). So
//!   a switch is never shorter than an interval, and a scrape that took long never comes after a younger one.
//! - A stale marker at s is kept if nobody covers s and its replica owned the time right before s, or nobody did: the
//!   last of the replicas to lose a target tells that it is gone.
//!
//! A switch goes forward in time alone: a counter falls only if an exporter serves old values. When one of a pair with
//! one interval dies, samples are at most 2.1 I apart; should the first come back just for a scrape, 3 I. So a window of
//! 4 I, Grafana's `$__rate_interval`, has two (docs/adr/0008-ha-deduplication.md).

mod groups;
mod interval;
mod labels;
mod plan;
mod segments;
mod series;

pub use groups::{Group, Groups};
pub use labels::ReplicaLabels;
pub use segments::{Segment, Stock};
pub use series::{Deduplicator, Tally};

use interval::Interval;

use crate::TimestampMs;

/// How far before a range samples must be known for what is kept in the range to be exact: 5 minutes to a sample that
/// was owned, 5.5 to one that covers it, 40 to the distances that say how long it does.
pub const LOOKBACK_MS: i64 = 3_600_000;

/// How long a sample covers.
fn covered_ms(interval_ms: i64) -> i64 {
    interval_ms + (interval_ms / 10).max(1_000)
}

/// A sample of a replica that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrival {
    /// Its rank.
    replica: usize,
    /// Whether it is a stale marker.
    is_stale: bool,
}

/// The function, fed with all samples in ascending order of time.
#[derive(Debug)]
struct Election(Vec<Replica>);

impl Election {
    /// Of so many replicas, of which nothing is known.
    fn new(replicas: usize) -> Self {
        Self(std::iter::repeat_with(Replica::default).take(replicas).collect())
    }

    /// Takes all samples of a time later than those before, in the order of rank; which replica's is kept.
    fn take(&mut self, at: TimestampMs, arrivals: &[Arrival]) -> Option<usize> {
        let any_stale = arrivals.iter().any(|arrival| arrival.is_stale);
        let owner_before = if any_stale { self.owner(at.saturating_sub(1)) } else { None };
        for arrival in arrivals {
            if let Some(replica) = self.0.get_mut(arrival.replica) {
                replica.take(at, arrival.is_stale);
            }
        }
        match self.owner(at) {
            Some(owner) => self.owned(at, owner, arrivals),
            // All are stale markers: a sample covers itself.
            None => {
                let mut ended = arrivals.iter().map(|arrival| arrival.replica);
                ended.find(|&replica| owner_before.is_none_or(|owner| owner == replica))
            }
        }
    }

    /// The owner, if a sample of it has come and is to be kept.
    fn owned(&mut self, at: TimestampMs, owner: usize, arrivals: &[Arrival]) -> Option<usize> {
        arrivals.iter().find(|arrival| arrival.replica == owner)?;
        let replica = self.0.get_mut(owner)?;
        let since = at.saturating_sub(replica.interval_ms);
        replica.last_owned = Some(at);
        let mut others = self.0.iter().enumerate().filter(|(rank, _)| *rank != owner);
        let too_close = others.any(|(_, other)| other.last_owned.is_some_and(|owned| owned > since));
        (!too_close).then_some(owner)
    }

    fn owner(&self, at: TimestampMs) -> Option<usize> {
        let covering = self.0.iter().enumerate().filter(|(_, replica)| at < replica.covered_until);
        let place = |(rank, replica): (usize, &Replica)| (replica.newcomer_since, rank);
        covering.map(place).min().map(|(_, rank)| rank)
    }
}

/// What is known of a replica.
#[derive(Debug)]
struct Replica {
    interval: Interval,
    interval_ms: i64,
    /// The end of what its newest sample covers; that time is not covered any more.
    covered_until: TimestampMs,
    /// Its only sample, while it is a newcomer.
    newcomer_since: Option<TimestampMs>,
    last_owned: Option<TimestampMs>,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            interval: Interval::default(),
            interval_ms: interval::MAX_MS,
            covered_until: TimestampMs::MIN,
            newcomer_since: None,
            last_owned: None,
        }
    }
}

impl Replica {
    fn take(&mut self, at: TimestampMs, is_stale: bool) {
        let interval = self.interval.push(at);
        self.newcomer_since = interval.is_none().then_some(at);
        self.interval_ms = interval.unwrap_or(interval::MAX_MS);
        let until = at.saturating_add(covered_ms(self.interval_ms));
        self.covered_until = if is_stale { TimestampMs::MIN } else { until };
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
