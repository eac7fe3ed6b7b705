//! Groups over a disk that crashes and fails.

use std::time::Duration;

use bytes::Bytes;
use latewood_base::{Kinded, Rng};
use latewood_wal::testing::{Loss, MemoryFiles};

use super::testing::{Sentence, Words, journal, word};
use super::*;

async fn open(id: GroupId, journal: &Journal) -> (Group<Sentence>, Sentence) {
    let state = Sentence::default();
    let config = GroupConfig { replay_chunk_bytes: 1 << 16, ..GroupConfig::default() };
    let group = Group::open(id, config, journal.clone(), state.clone()).await.unwrap();
    (group, state)
}

async fn propose_all(group: &Group<Sentence>, range: std::ops::Range<u32>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in range {
        positions.push(group.propose(word(&format!("{number:0200}"))).await.unwrap().0);
    }
    positions
}

#[tokio::test]
async fn proposals_are_applied_in_order_and_answered() {
    let journal = journal(&MemoryFiles::new());
    let (group, state) = open(1, &journal).await;
    let first_term = group.leader_term().unwrap();
    let (first, count) = group.propose(word("a")).await.unwrap();
    assert_eq!((first.term, count), (first_term, 1));
    let (second, count) = group.propose(word("b")).await.unwrap();
    assert_eq!((second, count), (Position { index: first.index + 1, ..first }, 2));
    group.read_barrier().await.unwrap();
    assert_eq!(group.applied(), Some(second));
    assert_eq!(state.0.lock().applied, [(first, word("a")), (second, word("b"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_resolved_is_there_after_a_crash_in_order_and_once() {
    for (seed, loss) in [(1, Loss::All), (2, Loss::Torn), (3, Loss::Sectors), (4, Loss::Nothing)] {
        let files = MemoryFiles::new();
        let mut resolved = Vec::new();
        for round in 0..3_u32 {
            let journal = journal(&files);
            let (group, state) = open(5, &journal).await;
            let replayed = state.0.lock().applied.clone();
            for expected in &resolved {
                assert!(replayed.contains(expected), "{loss:?}: {expected:?} is lost");
            }
            assert!(replayed.is_sorted_by(|left, right| left.0.index < right.0.index), "{loss:?}");
            resolved = replayed;
            let ask = |number: u32| {
                let (group, text) = (group.clone(), word(&format!("{round}-{number}")));
                tokio::spawn(async move { (group.propose(text.clone()).await.unwrap().0, text) })
            };
            let tasks: Vec<_> = (0..40).map(ask).collect();
            for task in tasks {
                resolved.push(task.await.unwrap());
            }
            // Some more that nobody waits for.
            for number in 40..50 {
                drop(ask(number));
            }
            files.crash(loss, &Rng::seeded(seed + u64::from(round)));
            drop((group, journal));
        }
    }
}

#[tokio::test]
async fn many_proposals_are_under_way_and_share_syncs() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state) = open(1, &journal).await;
    let logged = || group.0.raft.metrics().borrow_watched().last_log_index.unwrap();
    let (before, first) = (files.syncs(), logged());
    files.hold_syncs();
    let asked = (0..200).map(|number| {
        let (group, text) = (group.clone(), word(&number.to_string()));
        tokio::spawn(async move { group.propose(text).await.unwrap() })
    });
    let asked: Vec<_> = asked.collect();
    while logged() < first + 200 {
        tokio::task::yield_now().await;
    }
    assert!(state.0.lock().applied.is_empty(), "nothing is applied that is not durable");
    files.release_syncs();
    for task in asked {
        task.await.unwrap();
    }
    let syncs = files.syncs() - before;
    assert!(syncs < 50, "{syncs} syncs for 200 proposals");
}

#[tokio::test]
async fn nothing_is_applied_or_answered_before_the_sync() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state) = open(1, &journal).await;
    let last = journal.bounds(1).last;
    files.hold_syncs();
    let asked = tokio::spawn({
        let group = group.clone();
        async move { group.propose(word("held")).await }
    });
    while journal.bounds(1).last == last {
        tokio::task::yield_now().await;
    }
    // It is written, and the raft core has long seen it as appended.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished() && state.0.lock().applied.is_empty());
    files.release_syncs();
    asked.await.unwrap().unwrap();
    assert_eq!(state.0.lock().applied.len(), 1);
}

#[tokio::test]
async fn a_failed_sync_fails_proposals_and_never_acknowledges() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state) = open(1, &journal).await;
    group.propose(word("good")).await.unwrap();
    files.fail_next_sync();
    for text in ["lost", "late"] {
        let error = group.propose(word(text)).await.unwrap_err();
        assert!(matches!(&error, ClusterError::Journal(latewood_wal::WalError::Poisoned { .. })), "{error}");
        assert_eq!(error.kind(), latewood_base::ErrorKind::Internal);
    }
    assert_eq!(state.0.lock().applied.len(), 1, "what is not durable is not applied");
    assert_eq!(group.leader_term(), None);
    // What was acknowledged before is still read: all of it was durable and applied.
    group.read_barrier().await.unwrap();
    assert_eq!(state.0.lock().applied.len(), 1);
    assert!(matches!(group.failure(), Some(ClusterError::Journal(latewood_wal::WalError::Poisoned { .. }))));
    files.crash(Loss::All, &Rng::seeded(1));
    let journal = self::journal(&files);
    let (_group, state) = open(1, &journal).await;
    assert_eq!(state.0.lock().applied.len(), 1);
}

#[tokio::test]
async fn a_group_waits_for_room_on_a_full_disk_and_is_read_meanwhile() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state) = open(1, &journal).await;
    propose_all(&group, 0..5).await;
    files.set_capacity(Some(files.sizes().values().sum::<usize>() + 20));
    let (asked, proposed) = (group.clone(), word("no room"));
    let waiting = tokio::spawn(async move { asked.propose(proposed).await });
    while !journal.is_full() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    group.read_barrier().await.unwrap();
    assert_eq!((state.0.lock().applied.len(), group.failure().is_none()), (5, true));
    files.set_capacity(None);
    waiting.await.unwrap().unwrap();
    propose_all(&group, 5..8).await;
    assert_eq!(state.0.lock().applied.len(), 9);
}

#[tokio::test]
async fn a_group_that_a_full_disk_stopped_is_opened_again_when_there_is_space() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state_before) = open(1, &journal).await;
    propose_all(&group, 0..5).await;
    journal.fail_when_full();
    files.set_capacity(Some(files.sizes().values().sum::<usize>() + 20));
    let error = group.propose(word("no room")).await.unwrap_err();
    assert_eq!(error.kind(), latewood_base::ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("cannot write"), "{error}");
    // What was acknowledged can still be read, and it shows that the group has stopped.
    while group.failure().is_none() {
        tokio::task::yield_now().await;
    }
    group.read_barrier().await.unwrap();
    assert_eq!(state_before.0.lock().applied.len(), 5);
    files.set_capacity(None);
    group.shutdown().await;
    let (group, state) = open(1, &journal).await;
    propose_all(&group, 5..8).await;
    assert_eq!(state.0.lock().applied.len(), 8);
}

#[tokio::test]
async fn a_restart_after_a_checkpoint_replays_only_what_follows() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    let (group, state) = open(1, &journal).await;
    let positions = propose_all(&group, 0..60).await;
    let (at, segments) = (positions[49], files.sizes().len());
    group.checkpoint(at, Bytes::from_static(b"fifty")).await.unwrap();
    group.checkpoint(at, Bytes::from_static(b"again")).await.unwrap();
    let more = propose_all(&group, 60..65).await;
    let applied = state.0.lock().applied.clone();
    assert!(files.sizes().len() < segments, "segments are deleted: {:?}", files.sizes());
    let first_term = group.leader_term();
    files.crash(Loss::All, &Rng::seeded(1));
    drop((group, journal));

    let journal = self::journal(&files);
    let (group, state) = open(1, &journal).await;
    let words = state.0.lock().clone();
    assert_eq!(words.restored, Some((b"fifty".to_vec(), at)));
    assert_eq!(words.applied, applied[50..]);
    assert_eq!(words.applied.last().map(|(position, _)| *position), more.last().copied());
    assert!(group.leader_term() > first_term, "a restart begins a new term");

    // And again, with a later one.
    let last = propose_all(&group, 65..66).await[0];
    group.checkpoint(last, Bytes::from_static(b"all")).await.unwrap();
    drop(group);
    files.crash(Loss::All, &Rng::seeded(1));
    let (_group, state) = open(1, &self::journal(&files)).await;
    assert_eq!(*state.0.lock(), Words { restored: Some((b"all".to_vec(), last)), applied: Vec::new() });
}

#[tokio::test]
async fn a_checkpoint_where_there_can_be_none_is_refused() {
    let journal = journal(&MemoryFiles::new());
    let (group, _) = open(1, &journal).await;
    let positions = propose_all(&group, 0..5).await;
    let refused = |at: Position| {
        let group = group.clone();
        async move {
            let error = group.checkpoint(at, Bytes::new()).await.unwrap_err();
            assert!(matches!(error, ClusterError::Checkpoint { .. }), "{error}");
            error.to_string()
        }
    };
    let (last, beyond) = (positions[4], Position { index: positions[4].index + 1, ..positions[4] });
    assert!(refused(beyond).await.contains("no such entry"));
    assert!(refused(Position { term: last.term + 1, ..last }).await.contains("the entry there is at"));
    group.checkpoint(positions[3], Bytes::new()).await.unwrap();
    assert!(refused(positions[2]).await.contains("the last checkpoint is later"));
    group.checkpoint(last, Bytes::new()).await.unwrap();
}

#[tokio::test]
async fn groups_share_a_journal_and_do_not_see_each_other() {
    let files = MemoryFiles::new();
    let journal = journal(&files);
    for id in 1..4 {
        let (group, state) = open(id, &journal).await;
        propose_all(&group, 0..10).await;
        assert_eq!(state.0.lock().applied.len(), 10);
        group.shutdown().await;
        assert!(matches!(group.propose(word("late")).await, Err(ClusterError::Stopped { .. })));
    }
    for id in 1..4 {
        let (_group, state) = open(id, &journal).await;
        assert_eq!(state.0.lock().applied.len(), 10);
    }
}

#[tokio::test]
async fn limits_are_named() {
    let journal = journal(&MemoryFiles::new());
    let (group, _) = open(1, &journal).await;
    let long = "x".repeat(GroupConfig::default().max_command_bytes + 1);
    let error = group.propose(word(&long)).await.unwrap_err();
    assert!(matches!(error, ClusterError::TooLarge { .. }), "{error}");
    let config = GroupConfig { heartbeat_ms: 1000, ..GroupConfig::default() };
    let error = Group::open(2, config, journal, Sentence::default()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Config { field: "election_timeout_ms", .. }), "{error}");
}
