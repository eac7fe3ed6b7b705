//! What an ingester tells of its cluster, checked.

use std::collections::{BTreeMap, BTreeSet};

use latewood_base::{ErrorKind, Ulid};

use super::StoreError;
use super::wire::{LedShard, RingResponse};

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
        Ok(Self { cluster, node: sent.node, members: sent.members, shards, led })
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
        }
    }
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
        RingResponse { cluster, node: u64::MAX, members: 3, shards: vec![1024, 1025], led }
    }

    #[test]
    fn a_ring_comes_back_as_it_was_sent() {
        let ring = Ring::from_wire(&sent()).unwrap();
        assert_eq!((ring.cluster, ring.members, ring.led[&1025]), (Ulid(9), 3, 7));
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
