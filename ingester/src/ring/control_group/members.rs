//! Who is to vote in the control group, and who only follows: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latewood_cluster::{ClusterView, GroupStatus, Peer, control_voters};

/// The nodes that were not heard of for as long as the limit by a leader that has led for so long. Pure.
pub(super) fn away(heard: &BTreeMap<u64, Option<Duration>>, led: Duration, limit: Duration) -> BTreeSet<u64> {
    let silent = heard.iter().filter(|(_, ago)| ago.unwrap_or(led).min(led) >= limit);
    silent.map(|(node, _)| *node).collect()
}

/// The voters and the learners that the control group is to have, if it has others. Who is no member any more is let go of
/// once the view is `settled`. Pure.
pub(super) fn members(
    view: &ClusterView,
    status: &GroupStatus,
    away: &BTreeSet<u64>,
    settled: bool,
) -> Option<(Vec<u64>, Vec<u64>)> {
    let ids = |peers: &[Peer]| peers.iter().map(|peer| peer.id).collect::<BTreeSet<u64>>();
    let (vote, follow) = (ids(&status.voters), ids(&status.learners));
    let now: Vec<u64> = vote.iter().copied().collect();
    let voters: BTreeSet<u64> = control_voters(view, &now, away).into_iter().collect();
    let old = vote.union(&follow).copied().filter(|_| !settled);
    let learners: BTreeSet<u64> =
        view.members.keys().copied().chain(old).filter(|node| !voters.contains(node)).collect();
    let changed = (&voters, &learners) != (&vote, &follow);
    changed.then(|| (voters.into_iter().collect(), learners.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use latewood_cluster::{Member, Role};

    use super::*;

    #[test]
    fn all_members_follow_and_those_that_went_hear_of_it() {
        let member = Member::new("", "");
        let view = |nodes: &[u64]| ClusterView {
            generation: 3,
            replication_factor: 2,
            members: nodes.iter().map(|node| (*node, member.clone())).collect(),
            ..ClusterView::default()
        };
        let peers = |nodes: &[u64]| nodes.iter().map(|&id| Peer { id, address: String::new() }).collect();
        let status = |voters: &[u64], learners: &[u64]| GroupStatus {
            id: 0,
            role: Role::Leader,
            term: 1,
            leader: Some(1),
            voters: peers(voters),
            members_at: None,
            learners: peers(learners),
            last: None,
            committed: None,
            applied: None,
            replicated: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        let none = BTreeSet::new();
        assert_eq!(members(&view(&[1, 2, 3]), &status(&[1, 2], &[3]), &none, true), None);
        assert_eq!(
            members(&view(&[1, 2, 3, 4]), &status(&[1, 2], &[3]), &none, false),
            Some((vec![1, 2], vec![3, 4]))
        );
        assert_eq!(
            members(&view(&[1, 2]), &status(&[1, 2], &[3]), &none, false),
            None,
            "it is not known there yet"
        );
        assert_eq!(members(&view(&[1, 2]), &status(&[1, 2], &[3]), &none, true), Some((vec![1, 2], vec![])));
        let (voters, learners) =
            members(&view(&[1, 2, 3]), &status(&[1, 2], &[3]), &[2].into(), true).unwrap();
        assert_eq!((voters, learners), (vec![1, 3], vec![2]), "who is away may come back");
    }

    #[test]
    fn who_was_not_heard_of_is_away_when_the_leader_has_listened_for_long_enough() {
        let seconds = Duration::from_secs;
        let heard = BTreeMap::from([(1, Some(seconds(1))), (2, Some(seconds(900))), (3, None)]);
        assert_eq!(away(&heard, seconds(900), seconds(900)), [2, 3].into());
        assert_eq!(
            away(&heard, seconds(899), seconds(900)),
            [].into(),
            "what it missed is its predecessor's affair"
        );
    }
}
