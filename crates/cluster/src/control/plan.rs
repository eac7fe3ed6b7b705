//! What is to be done about the cluster next: pure.

use std::collections::BTreeSet;

use super::{ClusterView, ControlCommand, MemberStatus};
use crate::{Placement, lead, place};

/// What is to be done next; nothing when all is as it should be. Nodes that are `away` have not been heard of for so long
/// that their shards are to be whole elsewhere. Asked again after each change.
#[must_use]
pub fn next_step(view: &ClusterView, away: &BTreeSet<u64>) -> Option<ControlCommand> {
    if !view.is_founded() {
        return None;
    }
    let mut sites = view.sites();
    sites.retain(|site| !away.contains(&site.node));
    if sites.is_empty() {
        return None;
    }
    let before: Placement = view.shards.iter().map(|shard| shard.replicas.clone()).collect();
    let placement = place(&before, &sites, view.replication_factor);
    let led: Vec<Option<u64>> = view.shards.iter().map(|shard| shard.leader).collect();
    let leaders = lead(&placement, &led, &view.low_on_disk());
    if placement != before || leaders != led {
        return Some(ControlCommand::Place { based_on: view.generation, placement, leaders });
    }
    let goes = |node: &u64, status: MemberStatus| status == MemberStatus::Draining || away.contains(node);
    let mut gone = view.members.iter().filter(|(node, member)| goes(node, member.status));
    let node = gone.find(|(node, _)| view.shards_of(**node) == 0).map(|(node, _)| *node)?;
    Some(ControlCommand::Forget { node })
}

/// The nodes that are to vote in the control group: as many as a shard has replicas. `now` are those that do; the others
/// follow.
#[must_use]
pub fn control_voters(view: &ClusterView, now: &[u64], away: &BTreeSet<u64>) -> Vec<u64> {
    let mut sites = view.sites();
    sites.retain(|site| !away.contains(&site.node));
    if sites.is_empty() {
        return now.to_vec();
    }
    place(&[now.to_vec()], &sites, view.replication_factor).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use latewood_base::Ulid;
    use proptest::prelude::*;

    use super::super::{ControlState, Member, ShardView};
    use super::*;
    use crate::{Position, ReplicatedState};

    fn member(node: u64) -> Member {
        Member::new(format!("node-{node}"), format!("zone-{}", node % 3))
    }

    /// A cluster of so many nodes and shards, and what applies changes to it.
    struct World {
        state: ControlState,
        view: tokio::sync::watch::Receiver<super::super::Known>,
    }

    impl World {
        fn new(nodes: u64, shards: u32) -> Self {
            let (state, view) = ControlState::new();
            let mut world = Self { state, view };
            let members = (0..nodes).map(|node| (node, member(node))).collect();
            let (cluster, shards) = (Ulid::from_parts(1, 1), (100..100 + shards).collect());
            world.apply(&ControlCommand::Found { cluster, replication_factor: 3, shards, members }).unwrap();
            world
        }

        fn apply(&mut self, command: &ControlCommand) -> Result<u64, String> {
            self.state.apply(Position::default(), command)
        }

        fn view(&self) -> ClusterView {
            ClusterView::clone(&self.view.borrow().view)
        }

        /// Does all there is to do; leaders change the voters of their shards as they are told.
        fn settle(&mut self, away: &BTreeSet<u64>) {
            for _ in 0..1_000 {
                let behind = |shard: &ShardView| shard.voters != shard.replicas;
                let view = self.view();
                if let Some(command) = next_step(&view, away) {
                    self.apply(&command).unwrap();
                } else if let Some(shard) = view.shards.iter().position(behind) {
                    let voters = view.shards[shard].replicas.clone();
                    let at = view.shards[shard].voters_at + 1;
                    self.apply(&ControlCommand::Changed { shard, voters, at }).unwrap();
                } else {
                    return;
                }
            }
            panic!("it does not settle: {:#?}", self.view());
        }
    }

    #[test]
    fn a_cluster_is_founded_once_and_refuses_what_makes_no_sense() {
        let mut world = World::new(3, 4);
        let again = ControlCommand::Found {
            cluster: Ulid::from_parts(2, 2),
            replication_factor: 3,
            shards: vec![1],
            members: Vec::new(),
        };
        assert!(world.apply(&again).unwrap_err().contains("founded already"));
        assert!(world.apply(&ControlCommand::Drain { node: 9 }).unwrap_err().contains("no member"));
        let placed = next_step(&world.view(), &BTreeSet::new()).unwrap();
        world.apply(&ControlCommand::Join { node: 5, member: member(5) }).unwrap();
        assert!(world.apply(&placed).unwrap_err().contains("planned for generation 1"), "it is planned anew");
        world.settle(&BTreeSet::new());
        assert!(world.apply(&ControlCommand::Forget { node: 0 }).unwrap_err().contains("still has"));
        let late = ControlCommand::Changed { shard: 0, voters: vec![9], at: 0 };
        assert!(world.apply(&late).unwrap_err().contains("known already"), "a report that was overtaken");
        let (mut state, _) = ControlState::new();
        let early = state.apply(Position::default(), &ControlCommand::Drain { node: 1 });
        assert!(early.unwrap_err().contains("not founded"));
    }

    #[test]
    fn a_node_that_lost_its_disk_is_replaced_by_who_is_at_its_address_now() {
        let mut world = World::new(3, 4);
        world.settle(&BTreeSet::new());
        world.apply(&ControlCommand::Join { node: 7, member: member(1) }).unwrap();
        world.settle(&BTreeSet::new());
        let view = world.view();
        assert_eq!(view.members.keys().copied().collect::<Vec<_>>(), [0, 2, 7]);
        assert!(view.shards.iter().all(|shard| shard.voters.contains(&7) && shard.voters.len() == 3));
    }

    #[test]
    fn a_node_that_is_low_on_disk_leads_nothing_that_another_can() {
        let mut world = World::new(3, 6);
        world.settle(&BTreeSet::new());
        let leads = |world: &World, node: u64| {
            let view = world.view();
            view.shards.iter().filter(|shard| shard.leader == Some(node)).count()
        };
        let room = |world: &mut World, node: u64, low_on_disk: bool| {
            world.apply(&ControlCommand::Room { node, low_on_disk }).unwrap();
            world.settle(&BTreeSet::new());
        };
        room(&mut world, 1, true);
        assert_eq!([0, 1, 2].map(|node| leads(&world, node)), [3, 0, 3]);
        assert!(world.view().shards.iter().all(|shard| shard.voters.contains(&1)), "it keeps its replicas");
        world.apply(&ControlCommand::Join { node: 1, member: member(1) }).unwrap();
        assert_eq!(next_step(&world.view(), &BTreeSet::new()), None, "a restart makes no room");
        room(&mut world, 0, true);
        assert_eq!([0, 1, 2].map(|node| leads(&world, node)), [0, 0, 6]);
        room(&mut world, 2, true);
        assert_eq!([0, 1, 2].map(|node| leads(&world, node)), [0, 0, 6], "nobody else has room");
        room(&mut world, 0, false);
        assert_eq!([0, 1, 2].map(|node| leads(&world, node)), [6, 0, 0]);
        (1..3).for_each(|node| room(&mut world, node, false));
        assert_eq!([0, 1, 2].map(|node| leads(&world, node)), [2, 2, 2]);
        assert!(world.apply(&ControlCommand::Room { node: 9, low_on_disk: true }).is_err());
    }

    #[test]
    fn a_checkpoint_is_the_view() {
        let mut world = World::new(4, 8);
        world.settle(&BTreeSet::new());
        let (mut state, view) = ControlState::new();
        state.restore(&ControlState::checkpoint(&world.view()), Position::default());
        assert_eq!(*view.borrow().view, world.view());
    }

    #[test]
    fn founders_stay_whoever_comes_and_control_is_given_to_other_zones() {
        let mut world = World::new(3, 2);
        world.settle(&BTreeSet::new());
        let founders = world.view().shards[0].founders.clone();
        assert_eq!(founders.len(), 3);
        world.apply(&ControlCommand::Join { node: 3, member: member(3) }).unwrap();
        let away = BTreeSet::from([0]);
        assert_eq!(
            control_voters(&world.view(), &[0, 1, 2], &away),
            [1, 2, 3],
            "node 3 is in the zone of node 0"
        );
        assert_eq!(control_voters(&world.view(), &[0, 1, 2], &BTreeSet::new()), [0, 1, 2]);
        assert_eq!(
            control_voters(&world.view(), &[0], &(0..9).collect()),
            [0],
            "nobody is left to give it to"
        );
        world.settle(&away);
        let shard = &world.view().shards[0];
        assert_eq!((&shard.founders, shard.voters.contains(&0)), (&founders, false));
    }

    #[test]
    fn founders_have_a_shard_until_its_group_has_told_its_voters() {
        let (mut world, nobody) = (World::new(3, 4), BTreeSet::new());
        for node in [3, 4] {
            while let Some(step) = next_step(&world.view(), &nobody) {
                world.apply(&step).unwrap();
            }
            world.apply(&ControlCommand::Join { node, member: member(node) }).unwrap();
        }
        while let Some(step) = next_step(&world.view(), &nobody) {
            world.apply(&step).unwrap();
        }
        let has = |view: &ClusterView, place: usize| {
            view.shards[place].founders.iter().filter(|node| view.has(place, **node)).count()
        };
        let view = world.view();
        let moved = |shard: &ShardView| shard.founders.iter().any(|node| !shard.replicas.contains(node));
        let place = view.shards.iter().position(moved).expect("one was moved before its group was formed");
        assert_eq!(has(&view, place), 3);
        world.settle(&nobody);
        assert!(has(&world.view(), place) < 3);
    }

    proptest! {
        #[test]
        fn nodes_come_go_and_die_and_all_shards_are_whole(
            steps in prop::collection::vec((0_u8..4, 0_u64..9), 0..30), shards in 1_u32..12,
        ) {
            let mut world = World::new(3, shards);
            let mut away = BTreeSet::new();
            world.settle(&away);
            for (step, node) in steps {
                let view = world.view();
                let left = view.sites().iter().filter(|site| !away.contains(&site.node)).count();
                match step {
                    0 | 1 => {
                        away.remove(&node);
                        world.apply(&ControlCommand::Join { node, member: member(node) }).unwrap();
                    }
                    2 if left > 1 => drop(world.apply(&ControlCommand::Drain { node })),
                    3 if left > 1 => drop(away.insert(node)),
                    _ => {}
                }
                world.settle(&away);
                let view = world.view();
                let sites: Vec<u64> = view.sites().into_iter().map(|site| site.node).collect();
                let mut led: BTreeMap<u64, usize> = BTreeMap::new();
                for shard in &view.shards {
                    prop_assert_eq!(shard.voters.len(), 3.min(sites.len()));
                    prop_assert!(shard.voters.iter().all(|node| sites.contains(node) && !away.contains(node)));
                    *led.entry(shard.leader.unwrap()).or_default() += 1;
                }
                prop_assert!(led.values().max() <= Some(&view.shards.len().div_ceil(sites.len().min(3)).max(1)));
                prop_assert!(view.members.keys().all(|node| sites.contains(node)), "who is gone is forgotten");
            }
        }
    }
}
