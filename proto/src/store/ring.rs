//! What an ingester tells of its cluster, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latewood_base::{ErrorKind, Ulid};

use super::StoreError;
use super::wire::{LeaderlessShard, LedShard, RingResponse};

/// The most shards of a cluster, and of a request.
const MAX_SHARDS: usize = 16_384;

/// The most shards that a text names one by one.
const MAX_LISTED: usize = 16;

/// What an ingester tells of its cluster. One that stands alone is a cluster of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The cluster, or the journal of one that stands alone; nil if that has none.
    pub cluster: Ulid,
    /// The node within the cluster.
    pub node: u64,
    /// How many nodes the cluster has; at least 1.
    pub members: u32,
    /// The numbers of all shards of the cluster.
    pub shards: BTreeSet<u32>,
    /// Those that the node leads, each with the term that it leads in.
    pub led: BTreeMap<u32, u64>,
    /// Those that it has a replica of and hears nobody lead.
    pub leaderless: BTreeMap<u32, Leaderless>,
}

/// A replica that hears no leader: of several the greatest has the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaderless {
    /// The term of the newest entry that it has applied.
    pub term: u64,
    /// The entry's index.
    pub index: u64,
    /// How long ago it heard a leader last; none if it did not since its start.
    pub silent: Option<Duration>,
}

impl Ring {
    /// Whether nobody else could lead its shards.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.members == 1
    }

    /// As it was sent.
    ///
    /// # Errors
    /// `Corrupt` if the cluster's id is none, it has no node, there are too many shards, one is named twice, or one is led
    /// that is not the cluster's.
    pub fn from_wire(sent: &RingResponse) -> Result<Self, StoreError> {
        let broken = |problem: &dyn ToString| {
            let text =
                format!("what an ingester tells of its cluster makes no sense: {}", problem.to_string());
            StoreError::new(ErrorKind::Corrupt, text)
        };
        let cluster = Ulid::from_string(&sent.cluster).map_err(|error| broken(&error))?;
        if sent.members == 0 {
            return Err(broken(&"it has no nodes"));
        }
        let shards = distinct_shards(&sent.shards).map_err(|error| broken(&error))?;
        let led: BTreeMap<u32, u64> = sent.led.iter().map(|led| (led.shard, led.term)).collect();
        if led.len() < sent.led.len() || !led.keys().all(|shard| shards.contains(shard)) {
            return Err(broken(&"a shard is led twice, or is none of the cluster"));
        }
        let leaderless: BTreeMap<u32, Leaderless> =
            sent.leaderless.iter().map(leaderless_from_wire).collect();
        if leaderless.len() < sent.leaderless.len() || !leaderless.keys().all(|shard| shards.contains(shard))
        {
            return Err(broken(&"a shard without a leader is named twice, or is none of the cluster"));
        }
        Ok(Self { cluster, node: sent.node, members: sent.members, shards, led, leaderless })
    }

    /// As it is sent.
    #[must_use]
    pub fn to_wire(&self) -> RingResponse {
        RingResponse {
            cluster: self.cluster.to_string(),
            node: self.node,
            members: self.members,
            shards: self.shards.iter().copied().collect(),
            led: self.led.iter().map(|(&shard, &term)| LedShard { shard, term }).collect(),
            leaderless: self.leaderless.iter().map(leaderless_to_wire).collect(),
        }
    }
}

fn leaderless_from_wire(sent: &LeaderlessShard) -> (u32, Leaderless) {
    let LeaderlessShard { shard, term, index, silent_ms } = *sent;
    (shard, Leaderless { term, index, silent: silent_ms.map(Duration::from_millis) })
}

fn leaderless_to_wire((&shard, one): (&u32, &Leaderless)) -> LeaderlessShard {
    let Leaderless { term, index, silent } = *one;
    let silent_ms = silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX));
    LeaderlessShard { shard, term, index, silent_ms }
}

/// Shards as a request names them.
///
/// # Errors
/// `TooLarge` if there are too many, `Invalid` if one is named twice.
pub fn distinct_shards(sent: &[u32]) -> Result<BTreeSet<u32>, StoreError> {
    if sent.len() > MAX_SHARDS {
        let text = format!("{} shards; at most {MAX_SHARDS} are allowed", sent.len());
        return Err(StoreError::new(ErrorKind::TooLarge, text));
    }
    let shards: BTreeSet<u32> = sent.iter().copied().collect();
    if shards.len() < sent.len() {
        return Err(StoreError::new(ErrorKind::Invalid, "a shard is named twice"));
    }
    Ok(shards)
}

/// Shards as people write them; of many the first ones.
#[must_use]
pub fn listed_shards(shards: &[u32]) -> String {
    let named: Vec<String> = shards.iter().take(MAX_LISTED).map(u32::to_string).collect();
    let more = shards.len() - named.len();
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

#[cfg(test)]
mod tests {
    use latewood_base::Kinded;

    use super::*;

    fn sent() -> RingResponse {
        let led = vec![LedShard { shard: 1025, term: 7 }];
        let cluster = Ulid(9).to_string();
        let leaderless = vec![LeaderlessShard { shard: 1024, term: 5, index: 70, silent_ms: Some(1500) }];
        RingResponse { cluster, node: u64::MAX, members: 3, shards: vec![1024, 1025], led, leaderless }
    }

    #[test]
    fn a_ring_comes_back_as_it_was_sent() {
        let ring = Ring::from_wire(&sent()).unwrap();
        assert_eq!((ring.cluster, ring.members, ring.led[&1025]), (Ulid(9), 3, 7));
        let silent = Some(Duration::from_millis(1500));
        assert_eq!(ring.leaderless, [(1024, Leaderless { term: 5, index: 70, silent })].into());
        assert_eq!(ring.to_wire(), sent());
        assert!(!ring.stands_alone() && Ring { members: 1, ..ring }.stands_alone());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let twice = |shard| vec![LedShard { shard, term: 1 }, LedShard { shard, term: 2 }];
        let many = u32::try_from(MAX_SHARDS).unwrap() + 1;
        for broken in [
            RingResponse { cluster: String::new(), ..sent() },
            RingResponse { members: 0, ..sent() },
            RingResponse { shards: vec![1025, 1025], ..sent() },
            RingResponse { shards: (0..many).collect(), led: Vec::new(), ..sent() },
            RingResponse { leaderless: vec![LeaderlessShard { shard: 1, ..sent().leaderless[0] }], ..sent() },
            RingResponse { leaderless: vec![sent().leaderless[0]; 2], ..sent() },
            RingResponse { led: twice(1025), ..sent() },
            RingResponse { led: vec![LedShard { shard: 1, term: 1 }], ..sent() },
        ] {
            let told = format!("{broken:.80?}");
            assert_eq!(Ring::from_wire(&broken).unwrap_err().kind(), ErrorKind::Corrupt, "{told}");
        }
    }

    #[test]
    fn shards_of_a_request_are_distinct_and_not_too_many() {
        let many: Vec<u32> = (0..=u32::try_from(MAX_SHARDS).unwrap()).collect();
        assert_eq!(distinct_shards(&many).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(distinct_shards(&[1, 2, 1]).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(distinct_shards(&[2, 1]).unwrap(), [1, 2].into());
    }

    #[test]
    fn of_many_shards_the_first_are_listed() {
        assert_eq!(listed_shards(&[1, 2]), "1, 2");
        let many: Vec<u32> = (0..20).collect();
        assert!(listed_shards(&many).ends_with("14, 15 and 4 more"));
    }
}
