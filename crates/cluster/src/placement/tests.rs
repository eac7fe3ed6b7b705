//! What every placement keeps, and how much a change moves.

use proptest::prelude::*;

use super::*;

fn sites(zones: &[usize]) -> Vec<Site> {
    let of_zone = zones.iter().enumerate().flat_map(|(zone, nodes)| {
        (0..*nodes).map(move |node| Site { node: (zone * 100 + node) as u64, zone: format!("zone-{zone}") })
    });
    of_zone.collect()
}

fn load(placement: &Placement, sites: &[Site]) -> Vec<usize> {
    let of = |site: &Site| placement.iter().filter(|nodes| nodes.contains(&site.node)).count();
    sites.iter().map(of).collect()
}

/// Replicas that are where none was.
fn moved(before: &Placement, after: &Placement) -> usize {
    let new =
        |(before, after): (&Vec<u64>, &Vec<u64>)| after.iter().filter(|node| !before.contains(node)).count();
    before.iter().zip(after).map(new).sum()
}

fn check(placement: &Placement, sites: &[Site], replicas: usize) {
    let zones: BTreeMap<u64, &str> = sites.iter().map(|site| (site.node, site.zone.as_str())).collect();
    let all: BTreeSet<&str> = zones.values().copied().collect();
    for nodes in placement {
        let distinct: BTreeSet<&u64> = nodes.iter().collect();
        assert_eq!((nodes.len(), distinct.len()), (replicas.min(sites.len()), nodes.len()), "{nodes:?}");
        let used: BTreeSet<&str> = nodes.iter().map(|node| zones[node]).collect();
        assert_eq!(used.len(), replicas.min(all.len()).min(nodes.len()), "{nodes:?} of {sites:?}");
    }
}

#[test]
fn three_nodes_have_all_and_lead_a_third_each() {
    let sites = sites(&[1, 1, 1]);
    let placement = place(&vec![Vec::new(); 12], &sites, 3);
    check(&placement, &sites, 3);
    let leaders = lead(&placement, &[None; 12], &BTreeSet::new());
    for site in &sites {
        assert_eq!(leaders.iter().filter(|leader| **leader == Some(site.node)).count(), 4);
    }
    assert_eq!(lead(&placement, &leaders, &BTreeSet::new()), leaders, "nothing to do");
}

#[test]
fn a_leader_that_has_too_much_gives_away_no_more_than_that() {
    let placement = vec![vec![1, 2, 3]; 9];
    let leaders = lead(&placement, &[Some(1); 9], &BTreeSet::new());
    assert_eq!(leaders.iter().filter(|leader| **leader == Some(1)).count(), 3);
    assert_eq!(
        lead(&placement, &[Some(7); 9], &BTreeSet::new()).iter().flatten().count(),
        9,
        "one that is no replica leads nothing"
    );
}

#[test]
fn without_sites_there_are_no_replicas() {
    assert_eq!(place(&[vec![1, 2]], &[], 3), [Vec::<u64>::new()]);
    assert_eq!(lead(&[Vec::new()], &[Some(1)], &BTreeSet::new()), [None]);
}

proptest! {
    #[test]
    fn replicas_are_there_in_as_many_zones_as_can_be_and_evenly(
        zones in prop::collection::vec(1_usize..5, 1..5), shards in 1_usize..40, replicas in 1_usize..5,
    ) {
        let sites = sites(&zones);
        let placement = place(&vec![Vec::new(); shards], &sites, replicas);
        check(&placement, &sites, replicas);
        prop_assert_eq!(&place(&placement, &sites, replicas), &placement, "a placement stays");
        if zones.iter().all(|nodes| *nodes == zones[0]) {
            let load = load(&placement, &sites);
            let (most, least) = (load.iter().max().unwrap(), load.iter().min().unwrap());
            prop_assert!(most - least <= 1, "{load:?}");
        }
    }

    #[test]
    fn a_node_that_goes_moves_what_it_had_and_one_that_comes_takes_its_share(
        zones in 3_usize..4, each in 2_usize..5, shards in 1_usize..40, goes in any::<prop::sample::Index>(),
    ) {
        let sites = sites(&vec![each; zones]);
        let placement = place(&vec![Vec::new(); shards], &sites, 3);
        let gone = goes.get(&sites).clone();
        let left: Vec<Site> = sites.iter().filter(|site| **site != gone).cloned().collect();
        let without = place(&placement, &left, 3);
        check(&without, &left, 3);
        let had = placement.iter().filter(|nodes| nodes.contains(&gone.node)).count();
        prop_assert!(moved(&placement, &without) <= had + zones, "{} for {had}", moved(&placement, &without));
        let back = place(&without, &sites, 3);
        check(&back, &sites, 3);
        let share = (3 * shards).div_ceil(sites.len());
        prop_assert!(moved(&without, &back) <= share, "{} for a share of {share}", moved(&without, &back));
    }

    #[test]
    fn whatever_was_before_is_mended(
        before in prop::collection::vec(prop::collection::vec(0_u64..6, 0..6), 1..20),
        zones in prop::collection::vec(1_usize..4, 1..4), replicas in 1_usize..4,
    ) {
        let sites = sites(&zones);
        let placement = place(&before, &sites, replicas);
        check(&placement, &sites, replicas);
        prop_assert_eq!(&place(&placement, &sites, replicas), &placement);
        let leaders = lead(&placement, &[], &BTreeSet::new());
        prop_assert!(leaders.iter().zip(&placement).all(|(leader, nodes)| nodes.contains(&leader.unwrap())));
    }
    #[test]
    fn only_where_all_are_low_one_that_is_low_leads(
        zones in prop::collection::vec(1_usize..4, 1..4), shards in 1_usize..20, replicas in 1_usize..4,
        low in prop::collection::btree_set(0_usize..12, 0..6),
    ) {
        let sites = sites(&zones);
        let placement = place(&vec![Vec::new(); shards], &sites, replicas);
        let low: BTreeSet<u64> = low.iter().filter_map(|place| sites.get(*place)).map(|site| site.node).collect();
        let before = lead(&placement, &[], &BTreeSet::new());
        let leaders = lead(&placement, &before, &low);
        prop_assert_eq!(&lead(&placement, &leaders, &low), &leaders, "it stays so");
        for ((nodes, leader), before) in placement.iter().zip(&leaders).zip(&before) {
            let leader = leader.unwrap();
            prop_assert!(nodes.contains(&leader));
            let able = nodes.iter().filter(|node| !low.contains(node));
            let led = |node: u64| leaders.iter().filter(|leader| **leader == Some(node)).count();
            prop_assert!(able.clone().all(|node| led(*node) + 1 >= led(leader)) || low.contains(&leader));
            if nodes.iter().all(|node| low.contains(node)) {
                prop_assert_eq!(Some(leader), *before, "nobody has room");
            } else {
                prop_assert!(!low.contains(&leader));
            }
        }
    }
}
