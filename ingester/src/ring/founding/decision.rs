//! What a node without a cluster does next: pure.

use std::collections::{BTreeMap, BTreeSet};

use latewood_catalog::{ClusterRecord, Founder};

use crate::ring::Met;

/// What the bucket says was founded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InBucket {
    /// This.
    Founded(ClusterRecord),
    /// Nothing yet.
    Nothing,
    /// It says nothing.
    NoAnswer,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The node is of this cluster.
    Adopt(ClusterRecord),
    /// It is for this node to found one, of these.
    Found(Vec<Founder>),
    /// To look again, and why.
    Wait(String),
}

/// What a node without a cluster does next, after it has met these others, and looked into the bucket afterwards.
pub(crate) fn decide(this: &Met, met: &[Met], bucket: InBucket) -> Step {
    let of_cluster = |met: &Met| met.founding.as_ref().map(|founding| (founding.cluster, met.clone()));
    let clusters: BTreeMap<_, Met> = met.iter().filter_map(of_cluster).collect();
    let first = clusters.values().next();
    match bucket {
        InBucket::Founded(founding) => Step::Adopt(founding),
        InBucket::NoAnswer => match first.and_then(|met| met.founding.clone()) {
            Some(founding) if clusters.len() == 1 => Step::Adopt(founding),
            Some(_) => Step::Wait("the nodes that answer are of several clusters".to_owned()),
            None => Step::Wait("the bucket does not answer".to_owned()),
        },
        InBucket::Nothing => match first {
            Some(Met { node, address, founding: Some(founding), .. }) => Step::Wait(format!(
                "node {node:016x} at {address} is of cluster {}, of which this bucket knows nothing: it is another \
                 bucket's",
                founding.cluster
            )),
            _ => found(this, met),
        },
    }
}

/// Nobody is of a cluster.
fn found(this: &Met, met: &[Met]) -> Step {
    let all: BTreeSet<(u64, &str)> =
        met.iter().chain([this]).map(|met| (met.node, met.address.as_str())).collect();
    let nodes: BTreeMap<u64, &Met> = met.iter().chain([this]).map(|met| (met.node, met)).collect();
    let mut pairs = all.iter().zip(all.iter().skip(1));
    if let Some(((node, one), (_, other))) = pairs.find(|(one, other)| one.0 == other.0) {
        return Step::Wait(format!(
            "node {node:016x} answers at {one} and at {other}: one has a copy of the other's data directory, and must be \
             given an empty one"
        ));
    }
    // All wait for as many as any does.
    let wanted = nodes.values().map(|met| met.founders).max().unwrap_or(1).max(1);
    if nodes.len() < wanted {
        return Step::Wait(format!("{} of {wanted} founders have found each other", nodes.len()));
    }
    let lowest = nodes.values().next().copied().unwrap_or(this);
    if lowest.node != this.node {
        return Step::Wait(format!(
            "node {:016x} at {} is to found the cluster",
            lowest.node, lowest.address
        ));
    }
    let founder =
        |met: &&Met| Founder { node: met.node, address: met.address.clone(), zone: met.zone.clone() };
    Step::Found(nodes.values().take(wanted).map(founder).collect())
}

#[cfg(test)]
mod tests {
    use latewood_base::Ulid;

    use super::*;

    fn met(node: u64, founders: usize) -> Met {
        let (address, zone) = (format!("node-{node}:9095"), format!("zone-{node}"));
        Met { node, address, zone, founders, founding: None }
    }

    fn founding(number: u128) -> ClusterRecord {
        ClusterRecord {
            cluster: Ulid::from_parts(1, number),
            replication_factor: 3,
            shards: vec![1024],
            founders: Vec::new(),
            at_ms: 0,
        }
    }

    fn of(node: u64, number: u128) -> Met {
        Met { founding: Some(founding(number)), ..met(node, 3) }
    }

    fn waits(step: Step) -> String {
        match step {
            Step::Wait(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lowest_founds_when_there_are_enough() {
        let others = [met(7, 3), met(5, 3), met(9, 3)];
        let Step::Found(founders) = decide(&met(3, 3), &others, InBucket::Nothing) else { panic!() };
        assert_eq!(founders.iter().map(|founder| founder.node).collect::<Vec<_>>(), [3, 5, 7]);
        assert_eq!((founders[1].address.as_str(), founders[1].zone.as_str()), ("node-5:9095", "zone-5"));
        assert!(waits(decide(&met(6, 3), &others, InBucket::Nothing)).contains("0000000000000005 at node-5"));
        assert!(waits(decide(&met(3, 3), &others[..1], InBucket::Nothing)).contains("2 of 3"));
        // It finds itself, too.
        assert!(waits(decide(&met(3, 3), &[met(3, 3), met(5, 3)], InBucket::Nothing)).contains("2 of 3"));
        assert!(waits(decide(&met(3, 2), &[met(5, 4)], InBucket::Nothing)).contains("2 of 4"), "the most");
        assert!(matches!(decide(&met(3, 1), &[], InBucket::Nothing), Step::Found(alone) if alone.len() == 1));
    }

    #[test]
    fn what_was_founded_is_adopted_and_the_bucket_knows_best() {
        let bucket = |number| InBucket::Founded(founding(number));
        assert_eq!(decide(&met(3, 3), &[], bucket(1)), Step::Adopt(founding(1)));
        assert_eq!(decide(&met(3, 3), &[of(5, 2)], bucket(1)), Step::Adopt(founding(1)));
        assert_eq!(decide(&met(3, 3), &[met(4, 3), of(5, 2)], InBucket::NoAnswer), Step::Adopt(founding(2)));
        let several = decide(&met(3, 3), &[of(4, 1), of(5, 2)], InBucket::NoAnswer);
        assert!(waits(several).contains("several clusters"));
        assert!(waits(decide(&met(3, 1), &[], InBucket::NoAnswer)).contains("does not answer"));
        assert!(waits(decide(&met(3, 1), &[of(5, 2)], InBucket::Nothing)).contains("another bucket's"));
    }

    #[test]
    fn copies_of_a_data_directory_found_nothing() {
        let copy = Met { address: "elsewhere:1".to_owned(), ..met(3, 1) };
        assert!(waits(decide(&met(3, 1), &[copy], InBucket::Nothing)).contains("a copy"));
        let copy = Met { address: "elsewhere:1".to_owned(), ..met(5, 1) };
        assert!(waits(decide(&met(3, 1), &[met(5, 1), copy], InBucket::Nothing)).contains("a copy"));
    }
}
