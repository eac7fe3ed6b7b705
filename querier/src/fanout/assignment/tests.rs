use latewood_base::ErrorKind;
use proptest::prelude::*;

use super::*;

fn ring(cluster: u128, node: u64, members: u32, led: &[(u32, u64)]) -> Peer {
    let shards = (0..4).map(|shard| cluster as u32 * 100 + shard).collect();
    let led = led.iter().map(|(shard, term)| (cluster as u32 * 100 + shard, *term)).collect();
    let ring = Ring { cluster: Ulid(cluster), node, members, shards, led, leaderless: BTreeMap::new() };
    Peer { heard: Some(Heard::Ring(Arc::new(ring))), away: None }
}

fn away(peer: Peer) -> Peer {
    Peer { away: Some(StoreError::new(ErrorKind::Unavailable, "connection refused")), ..peer }
}

fn silent() -> Peer {
    away(Peer::default())
}

fn without_rings() -> Peer {
    Peer { heard: Some(Heard::NoRing), away: None }
}

#[test]
fn the_newest_term_leads_and_what_nobody_claims_is_known() {
    let peers = [ring(1, 1, 3, &[(0, 1), (1, 1)]), ring(1, 2, 3, &[(1, 2), (2, 5)]), without_rings()];
    let assignment = Assignment::of(&peers);
    let cluster = &assignment.clusters[&Ulid(1)];
    assert_eq!(cluster.leaders, [(100, 0), (101, 1), (102, 1)].into());
    assert_eq!(cluster.shards, (100..104).collect());
    assert_eq!((assignment.whole, assignment.missing, assignment.ingesters), (vec![2], vec![], 4));
}

#[test]
fn one_that_is_away_leads_nothing_unless_it_is_the_only_node() {
    let all = [(0, 9), (1, 9), (2, 9), (3, 9)];
    let assignment = Assignment::of(&[away(ring(1, 1, 3, &all)), ring(1, 2, 3, &[(0, 8)])]);
    assert_eq!(assignment.clusters[&Ulid(1)].leaders, [(100, 1)].into());
    assert!(assignment.missing.is_empty(), "its cluster is known");
    let assignment = Assignment::of(&[away(ring(1, 1, 1, &all))]);
    assert_eq!(assignment.clusters[&Ulid(1)].leaders.len(), 4);
}

#[test]
fn what_is_left_of_a_shard_is_with_the_one_that_has_the_most_and_can_be_asked() {
    let left = |peer: Peer, term: u64, index: u64| {
        let Some(Heard::Ring(ring)) = peer.heard else { return Peer::default() };
        let leaderless = [(103, Leaderless { term, index, silent: None })].into();
        Peer { heard: Some(Heard::Ring(Arc::new(Ring { leaderless, ..Ring::clone(&ring) }))), ..peer }
    };
    let of = |node: u64, term: u64, index: u64| left(ring(1, node, 4, &[(0, 1)]), term, index);
    let place = |peers: &[Peer]| {
        let assignment = Assignment::of(peers);
        assignment.clusters[&Ulid(1)].leaderless.get(&103).map(|(one, place)| (one.term, one.index, *place))
    };
    assert_eq!(place(&[of(1, 3, 9), of(2, 4, 1), of(3, 3, 100)]), Some((4, 1, 1)));
    assert_eq!(place(&[of(1, 3, 9), away(of(2, 4, 1)), of(3, 3, 100)]), Some((3, 100, 2)));
    assert_eq!(place(&[of(1, 3, 9), of(2, 3, 9)]), Some((3, 9, 0)));
    assert_eq!(place(&[away(of(1, 3, 9))]), None);
}

#[test]
fn one_node_under_two_names_is_asked_once_where_it_answers() {
    let alone = || ring(1, 1, 1, &[(0, 0), (1, 0)]);
    let assignment = Assignment::of(&[away(alone()), alone(), alone()]);
    assert_eq!(assignment.clusters[&Ulid(1)].leaders, [(100, 1), (101, 1)].into());
    assert_eq!(assignment.ingesters, 1);
}

#[test]
fn as_many_are_excused_as_nodes_were_not_heard_of() {
    let two_of_three = || vec![ring(1, 1, 3, &[]), ring(1, 2, 3, &[])];
    let missing = |more: Vec<Peer>| Assignment::of(&[two_of_three(), more].concat()).missing;
    assert_eq!(missing(vec![silent()]), [0; 0]);
    assert_eq!(missing(vec![silent(), silent()]), [2, 3]);
    assert_eq!(missing(vec![ring(1, 3, 3, &[]), silent()]), [3]);
    assert_eq!(
        Assignment::of(&[silent(), ring(1, 1, 1, &[])]).missing,
        [0],
        "it is no node of one that stands alone"
    );
    assert_eq!(Assignment::of(&[silent(), without_rings()]).missing, [0]);
    // One that is away may know of a time when there were more.
    let shrunk = [away(ring(1, 1, 4, &[])), ring(1, 2, 3, &[]), ring(1, 3, 3, &[]), silent()];
    assert_eq!(Assignment::of(&shrunk).missing, [3]);
}

/// Some ingesters of some clusters, each known as what it once told.
fn peers() -> impl Strategy<Value = Vec<Peer>> {
    let led = proptest::collection::btree_map(0..4u32, 0..6u64, 0..5);
    let of_cluster = (1..4u128, 0..4u64, led, any::<bool>()).prop_map(|(cluster, node, led, is_away)| {
        let led: Vec<(u32, u64)> = led.into_iter().collect();
        // Cluster 1 is one that stands alone.
        let members = if cluster == 1 { 1 } else { cluster as u32 + 1 };
        let peer = ring(cluster, if cluster == 1 { 0 } else { node }, members, &led);
        if is_away { away(peer) } else { peer }
    });
    let peer = prop_oneof![6 => of_cluster, 1 => Just(silent()), 1 => Just(without_rings())];
    proptest::collection::vec(peer, 0..9)
}

fn ring_of(peer: &Peer) -> Option<&Ring> {
    match &peer.heard {
        Some(Heard::Ring(ring)) => Some(ring),
        _ => None,
    }
}

proptest! {
    #[test]
    fn every_shard_has_its_newest_leader_or_none_and_everybody_is_accounted_for(peers in peers()) {
        let assignment = Assignment::of(&peers);
        let rings: Vec<&Ring> = peers.iter().filter_map(ring_of).collect();
        for ring in &rings {
            let cluster = &assignment.clusters[&ring.cluster];
            prop_assert!(ring.shards.is_subset(&cluster.shards));
            for shard in &ring.shards {
                let claims = peers.iter().filter(|peer| peer.away.is_none() || ring.members == 1);
                let claims = claims.filter_map(ring_of).filter(|other| other.cluster == ring.cluster);
                let newest = claims.filter_map(|claim| claim.led.get(shard)).max();
                let leader = cluster.leaders.get(shard).map(|place| &peers[*place]);
                prop_assert_eq!(leader.is_some(), newest.is_some());
                if let Some(leader) = leader {
                    let told = ring_of(leader).unwrap();
                    prop_assert_eq!((told.cluster, told.led.get(shard)), (ring.cluster, newest));
                    prop_assert!(leader.away.is_none() || ring.members == 1);
                }
            }
        }
        let known: BTreeSet<Ulid> = rings.iter().map(|ring| ring.cluster).collect();
        prop_assert!(assignment.clusters.keys().eq(known.iter()));
        let unseen = |cluster: &Ulid| {
            let of_it = || rings.iter().filter(|ring| ring.cluster == *cluster);
            let nodes: BTreeSet<u64> = of_it().map(|ring| ring.node).collect();
            let members = of_it().map(|ring| ring.members as usize).next().unwrap();
            if members == 1 { 0 } else { members.saturating_sub(nodes.len()) }
        };
        let unseen: usize = known.iter().map(unseen).sum();
        let of_kind = |is: fn(&Peer) -> bool| (0..peers.len()).filter(|place| is(&peers[*place])).collect::<Vec<_>>();
        let silent = of_kind(|peer| peer.heard.is_none());
        prop_assert_eq!(assignment.whole, of_kind(|peer| matches!(peer.heard, Some(Heard::NoRing))));
        prop_assert_eq!(assignment.missing, if silent.len() <= unseen { Vec::new() } else { silent });
    }
}
