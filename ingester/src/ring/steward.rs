//! What the leader of a shard does so that the shard becomes what the view wants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::Shutdown;
use latewood_cluster::{ControlCommand, GroupStatus, ShardView};
use tokio::time::Instant;

use super::{Control, ControlGroup};
use crate::Shard;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a change of voters may take before it is begun anew: a new one has to catch up.
const CHANGE_WAIT: Duration = Duration::from_secs(120);
/// A leader keeps the lead for so long: one that stops gives it away, is still there for a moment, and must not get it back.
const SETTLED: Duration = Duration::from_secs(5);
/// The lead is handed over to whoever lacks no more than so many entries.
const NEARLY_ALL: u64 = 64;

/// What is to be done about a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Its voters are to be these, and nobody follows beside them.
    Voters(Vec<u64>),
    /// The view is to know its voters, and the entry that made them so.
    Report(Vec<u64>, u64),
    /// Another node is to lead.
    HandOver(u64),
}

/// What the node that has led a shard for so long is to do next, where these nodes are low on disk. Pure.
fn step(
    wanted: &ShardView,
    status: &GroupStatus,
    (leader, led_for): (u64, Duration),
    low: &BTreeSet<u64>,
) -> Option<Step> {
    let voters: BTreeSet<u64> = status.voters.iter().map(|peer| peer.id).collect();
    if !wanted.replicas.is_empty()
        && (voters != wanted.replicas.iter().copied().collect() || !status.learners.is_empty())
    {
        return Some(Step::Voters(wanted.replicas.clone()));
    }
    let at = status.members_at.unwrap_or(0);
    if !wanted.voters.iter().copied().eq(voters.iter().copied()) && at >= wanted.voters_at {
        return Some(Step::Report(voters.into_iter().collect(), at));
    }
    let next = wanted.leader.filter(|next| *next != leader && voters.contains(next) && led_for >= SETTLED)?;
    if low.contains(&next) {
        // It tells so sooner than the plan is another.
        return None;
    }
    let has = status.replicated.get(&next).copied().flatten()?;
    let lacks = status.last.unwrap_or(0).saturating_sub(has);
    // One that has all of it and was not heard of since is no leader.
    let is_there = status.heard.get(&next).copied().flatten().is_some_and(|ago| ago < 2 * INTERVAL);
    (lacks <= NEARLY_ALL && is_there).then_some(Step::HandOver(next))
}

/// Looks after a shard of this node while it leads it.
pub(super) async fn run(shard: Arc<Shard>, control: ControlGroup, shutdown: Shutdown) {
    let mut led: Option<(u64, Instant)> = None;
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let since = |term| led.filter(|(led, _)| *led == term).unwrap_or_else(|| (term, Instant::now()));
        led = shard.group().leader_term().map(since);
        let Some(led_for) = led.map(|(_, since)| since.elapsed()) else { continue };
        let done = tokio::select! {
            () = shutdown.begun() => return,
            done = Box::pin(look(&shard, &control, led_for)) => done,
        };
        if let Err(problem) = done {
            tracing::warn!(shard = shard.place(), problem, "a step for a shard is tried again");
        }
    }
}

async fn look(shard: &Shard, control: &ControlGroup, led_for: Duration) -> Result<(), String> {
    let view = control.view();
    let Some(wanted) = view.shards.get(shard.place() as usize) else {
        return Ok(());
    };
    let group = shard.group();
    match step(wanted, &group.status(), (control.node(), led_for), &view.low_on_disk()) {
        None => Ok(()),
        Some(Step::Voters(nodes)) => {
            let peers = control.peers(&nodes);
            let changed = tokio::time::timeout(CHANGE_WAIT, group.change_voters(&peers)).await;
            let changed = changed.map_err(|_| "its new replicas do not catch up".to_owned())?;
            changed.map_err(|error| error.to_string())
        }
        Some(Step::Report(voters, at)) => {
            let change = ControlCommand::Changed { shard: shard.place() as usize, voters, at };
            control.change_anywhere(&change).await.map(drop).map_err(|error| error.to_string())
        }
        Some(Step::HandOver(to)) => group.hand_over(to).await.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use latewood_cluster::{Peer, Role};

    use super::*;

    /// Node 1, which has led for long enough.
    const LONG: (u64, Duration) = (1, SETTLED);

    fn next(wanted: &ShardView, status: &GroupStatus, led: (u64, Duration)) -> Option<Step> {
        step(wanted, status, led, &BTreeSet::new())
    }

    fn peers(nodes: &[u64]) -> Vec<Peer> {
        nodes.iter().map(|&id| Peer { id, address: String::new() }).collect()
    }

    fn status(voters: &[u64]) -> GroupStatus {
        GroupStatus {
            id: 1,
            role: Role::Leader,
            term: 3,
            leader: Some(1),
            voters: peers(voters),
            members_at: Some(7),
            learners: Vec::new(),
            last: Some(100),
            committed: Some(100),
            applied: Some(100),
            replicated: voters.iter().map(|node| (*node, Some(100))).collect(),
            heard: voters.iter().map(|node| (*node, Some(Duration::ZERO))).collect(),
        }
    }

    fn wanted(replicas: &[u64], voters: &[u64], leader: u64) -> ShardView {
        let (replicas, voters) = (replicas.to_vec(), voters.to_vec());
        ShardView { replicas, voters, voters_at: 5, leader: Some(leader), ..ShardView::new(1024) }
    }

    #[test]
    fn first_the_voters_then_the_report_then_the_lead() {
        let (three, four) = (&[1, 2, 3][..], &[1, 2, 4][..]);
        assert_eq!(next(&wanted(three, three, 1), &status(three), LONG), None);
        assert_eq!(next(&wanted(four, three, 1), &status(three), LONG), Some(Step::Voters(four.to_vec())));
        assert_eq!(next(&wanted(four, three, 2), &status(four), LONG), Some(Step::Report(four.to_vec(), 7)));
        assert_eq!(next(&wanted(four, four, 2), &status(four), LONG), Some(Step::HandOver(2)));
        let follows = GroupStatus { learners: peers(&[9]), ..status(four) };
        assert_eq!(next(&wanted(four, four, 1), &follows, LONG), Some(Step::Voters(four.to_vec())));
        assert_eq!(next(&wanted(&[], &[], 1), &status(three), LONG), Some(Step::Report(three.to_vec(), 7)));
        let newer = ShardView { voters_at: 8, ..wanted(four, three, 1) };
        assert_eq!(next(&newer, &status(four), LONG), None, "the view knows more than this leader");
    }

    #[test]
    fn the_lead_goes_to_whoever_is_there_and_has_nearly_all() {
        let three = &[1, 2, 3][..];
        let to_2 = wanted(three, three, 2);
        let mut behind = status(three);
        behind.replicated.insert(2, Some(35));
        assert_eq!(next(&to_2, &behind, LONG), None);
        behind.replicated.insert(2, Some(36));
        assert_eq!(next(&to_2, &behind, LONG), Some(Step::HandOver(2)));
        assert_eq!(next(&to_2, &behind, (1, SETTLED / 2)), None, "it may be the one that gave the lead away");
        behind.heard.insert(2, Some(Duration::from_secs(1)));
        assert_eq!(next(&to_2, &behind, LONG), None);
        behind.heard.insert(2, None);
        assert_eq!(next(&to_2, &behind, LONG), None);
        assert_eq!(next(&wanted(three, three, 9), &status(three), LONG), None, "no voter");
        assert_eq!(step(&to_2, &status(three), LONG, &[2].into()), None, "it has no room");
        assert_eq!(step(&to_2, &status(three), LONG, &[1, 3].into()), Some(Step::HandOver(2)));
    }
}
