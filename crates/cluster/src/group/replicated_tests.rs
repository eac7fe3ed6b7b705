//! Groups of several nodes, of which some die or are cut off.

use std::time::Duration;

use latewood_base::Rng;
use latewood_wal::testing::{Loss, MemoryFiles};

use super::testing::{From, Sentence, Wires, Word, journal, word};
use super::*;
use crate::retire;

mod full_disk;
mod members;

const GROUP: GroupId = 3;

/// A node of a test: its disk, and what runs on it.
struct Node {
    id: u64,
    files: MemoryFiles,
    running: Option<(Journal, Group<Sentence>, Sentence)>,
}

/// Nodes that have a group, and the wires between them.
struct Nodes {
    wires: Wires,
    nodes: Vec<Node>,
}

fn peer(id: u64) -> Peer {
    Peer { id, address: format!("node-{id}:9095") }
}

fn peers(ids: &[u64]) -> Vec<Peer> {
    ids.iter().copied().map(peer).collect()
}

impl Nodes {
    /// So many nodes, numbered from 1; the first ones form the group.
    async fn new(count: u64, voters: &[u64]) -> Self {
        let node = |id| Node { id, files: MemoryFiles::new(), running: None };
        let mut nodes = Self { wires: Wires::default(), nodes: (1..=count).map(node).collect() };
        for id in 1..=count {
            nodes.start(id).await;
        }
        for id in voters {
            nodes.group(*id).form(&peers(voters)).await.unwrap();
        }
        nodes
    }

    async fn start(&mut self, id: u64) {
        let wires = self.wires.clone();
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        let (journal, state) = (journal(&node.files), Sentence::default());
        let config =
            GroupConfig { node_id: id, heartbeat_ms: 50, election_timeout_ms: 400, ..GroupConfig::default() };
        let transport = Arc::new(From(id, wires.clone()));
        let group = Group::start(GROUP, config, journal.clone(), transport, Offload::new(1), state.clone())
            .await
            .unwrap();
        wires.connect(id, group.clone());
        node.running = Some((journal, group, state));
    }

    /// Ends a node as a power cut does: what was not synced may be lost.
    async fn kill(&mut self, id: u64, loss: Loss) {
        self.wires.disconnect(id);
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        let (journal, group, _) = node.running.take().unwrap();
        node.files.crash(loss, &Rng::seeded(id));
        group.shutdown().await;
        drop(journal);
    }

    fn running(&self, id: u64) -> &(Journal, Group<Sentence>, Sentence) {
        self.nodes.iter().find(|node| node.id == id).and_then(|node| node.running.as_ref()).unwrap()
    }

    fn group(&self, id: u64) -> Group<Sentence> {
        self.running(id).1.clone()
    }

    fn applied(&self, id: u64) -> Vec<(Position, Word)> {
        self.running(id).2.0.lock().applied.clone()
    }

    fn ids(&self) -> Vec<u64> {
        self.nodes.iter().filter(|node| node.running.is_some()).map(|node| node.id).collect()
    }

    /// The node that leads, among these.
    async fn leader(&self, among: &[u64]) -> u64 {
        for _ in 0..3_000 {
            let led = among.iter().filter(|id| self.group(**id).leader_term().is_some());
            if let Some(id) = led.max_by_key(|id| self.group(**id).leader_term()) {
                return *id;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "none of {among:?} came to lead: {:?}",
            among.iter().map(|id| self.group(*id).status()).collect::<Vec<_>>()
        );
    }

    /// Proposes where it is possible until it was acknowledged.
    async fn write(&self, among: &[u64], text: &str) -> Position {
        loop {
            let leader = self.leader(among).await;
            match self.group(leader).propose(word(text)).await {
                Ok((position, _)) => return position,
                Err(error) => assert_eq!(
                    latewood_base::Kinded::kind(&error),
                    latewood_base::ErrorKind::Unavailable,
                    "{error}"
                ),
            }
        }
    }

    /// Waits until a node has applied all up to a position.
    async fn reached(&self, id: u64, position: Position) {
        for _ in 0..3_000 {
            if self.group(id).applied() >= Some(position) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("node {id} did not come to {position}: {:?}", self.group(id).status());
    }
}

fn words(applied: &[(Position, Word)]) -> Vec<&str> {
    applied.iter().map(|(_, word)| &*word.0).collect()
}

#[tokio::test]
async fn what_one_writes_all_apply_in_the_same_order() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    let all = nodes.ids();
    let mut last = Position::default();
    for number in 0..20 {
        last = nodes.write(&all, &number.to_string()).await;
    }
    for id in all {
        nodes.reached(id, last).await;
        assert_eq!(nodes.applied(id), nodes.applied(1), "node {id}");
    }
    assert_eq!(nodes.applied(1).len(), 20);
    let leader = nodes.leader(&[1, 2, 3]).await;
    let status = nodes.group(leader).status();
    assert_eq!(
        (status.role, status.leader, &status.voters),
        (Role::Leader, Some(leader), &peers(&[1, 2, 3]))
    );
    assert!(status.replicated.values().all(|matched| *matched == Some(last.index)), "{status:?}");
    nodes.group(leader).read_barrier().await.unwrap();
    let follower = nodes.group(if leader == 1 { 2 } else { 1 });
    let error = follower.propose(word("elsewhere")).await.unwrap_err();
    assert!(
        matches!(error, ClusterError::NotLeader { leader: Some(known), .. } if known == leader),
        "{error}"
    );
    assert!(follower.read_barrier().await.is_err());
}

#[tokio::test]
async fn a_leader_dies_and_what_it_acknowledged_is_there_when_writes_go_on() {
    let mut nodes = Nodes::new(3, &[1, 2, 3]).await;
    let mut written = Vec::new();
    for round in 0..4 {
        let all = nodes.ids();
        for number in 0..5 {
            let text = format!("{round}-{number}");
            nodes.write(&all, &text).await;
            written.push(text);
        }
        let leader = nodes.leader(&all).await;
        let died = tokio::time::Instant::now();
        nodes.kill(leader, Loss::All).await;
        let others: Vec<u64> = all.into_iter().filter(|id| *id != leader).collect();
        nodes.write(&others, &format!("{round} goes on")).await;
        written.push(format!("{round} goes on"));
        assert!(died.elapsed() < Duration::from_secs(3), "writes went on after {:?}", died.elapsed());
        nodes.start(leader).await;
    }
    let last = nodes.write(&[1, 2, 3], "the end").await;
    written.push("the end".to_owned());
    for id in [1, 2, 3] {
        nodes.reached(id, last).await;
        assert_eq!(words(&nodes.applied(id)), written, "node {id}");
    }
}

#[tokio::test]
async fn a_leader_that_is_cut_off_acknowledges_nothing_and_reads_nothing() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "before").await;
    let old = nodes.leader(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    nodes.wires.part(&[old], &others);
    let lost = tokio::spawn({
        let group = nodes.group(old);
        async move { group.propose(word("lost")).await }
    });
    nodes.write(&others, "meanwhile").await;
    let read = tokio::time::timeout(Duration::from_secs(1), nodes.group(old).read_barrier()).await;
    assert!(!matches!(read, Ok(Ok(()))), "a leader that was deposed reads");
    assert!(!lost.is_finished(), "nobody can have acknowledged it");
    nodes.wires.heal();
    let last = nodes.write(&[1, 2, 3], "after").await;
    assert!(lost.await.unwrap().is_err());
    for id in [1, 2, 3] {
        nodes.reached(id, last).await;
        assert_eq!(words(&nodes.applied(id)), ["before", "meanwhile", "after"], "node {id}");
    }
}

/// Nobody sends its log to a node that the group has let go: what it proposed in its last moments is neither applied nor taken
/// back.
#[tokio::test]
async fn what_a_leader_proposed_that_was_let_go_ends_with_its_part_in_the_group() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "before").await;
    let old = nodes.leader(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != old).collect();
    nodes.wires.part(&[old], &others);
    let group = nodes.group(old);
    let lost = tokio::spawn(async move { group.propose(word("lost")).await });
    let new = nodes.leader(&others).await;
    nodes.group(new).change_voters(&peers(&others)).await.unwrap();
    nodes.wires.heal();
    nodes.write(&others, "after").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!lost.is_finished(), "it is not known what became of it");
    nodes.group(old).shutdown().await;
    let ended = tokio::time::timeout(Duration::from_secs(5), lost).await;
    assert!(ended.expect("it ends with the group").unwrap().is_err());
}

#[tokio::test]
async fn a_follower_that_was_cut_off_does_not_disturb_the_leader_when_it_is_back() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "before").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let term = nodes.group(leader).leader_term();
    let away = if leader == 1 { 2 } else { 1 };
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != away).collect();
    nodes.wires.part(&[away], &others);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let last = nodes.write(&others, "meanwhile").await;
    nodes.wires.heal();
    nodes.reached(away, last).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(nodes.group(leader).leader_term(), term);
}

/// A node dies, and fifty words are written without it: they, and its number.
async fn without_one() -> (Nodes, u64, Vec<u64>, Position) {
    let mut nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "first").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let away = if leader == 1 { 2 } else { 1 };
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != away).collect();
    nodes.kill(away, Loss::Nothing).await;
    let mut at = Position::default();
    for number in 0..50 {
        at = nodes.write(&others, &number.to_string()).await;
    }
    (nodes, away, others, at)
}

#[tokio::test]
async fn a_replica_that_was_away_catches_up_from_the_log() {
    let (mut nodes, away, others, at) = without_one().await;
    for id in &others {
        nodes.reached(*id, at).await;
        nodes.group(*id).checkpoint(at, "fifty".into()).await.unwrap();
    }
    // A leader keeps the log for a voter that lacks it.
    let last = nodes.write(&others, "last").await;
    nodes.start(away).await;
    nodes.reached(away, last).await;
    let state = nodes.running(away).2.0.lock().clone();
    assert_eq!((state.restored, state.applied.len()), (None, 52));
}

#[tokio::test]
async fn the_log_goes_when_a_dead_voter_is_let_go_and_it_comes_back_by_the_checkpoint() {
    let (mut nodes, away, others, at) = without_one().await;
    let leader = nodes.leader(&others).await;
    nodes.group(leader).change_voters(&peers(&others)).await.unwrap();
    for id in &others {
        nodes.reached(*id, at).await;
        nodes.group(*id).checkpoint(at, "fifty".into()).await.unwrap();
    }
    let last = nodes.write(&others, "last").await;
    for id in others {
        while nodes.running(id).0.bounds(GROUP).first <= Some(at.index) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    nodes.start(away).await;
    nodes.group(leader).change_voters(&peers(&[1, 2, 3])).await.unwrap();
    nodes.reached(away, last).await;
    let state = nodes.running(away).2.0.lock().clone();
    assert_eq!(state.restored, Some((b"fifty".to_vec(), at)));
    assert_eq!(words(&state.applied), ["last"]);
}

#[tokio::test]
async fn lost_requests_and_answers_cost_time_and_nothing_else() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.wires.lose_one_of(5);
    let mut last = Position::default();
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for text in &texts {
        last = nodes.write(&[1, 2, 3], text).await;
    }
    nodes.wires.lose_one_of(0);
    for id in [1, 2, 3] {
        nodes.reached(id, last).await;
        assert_eq!(nodes.applied(id), nodes.applied(1), "node {id}");
    }
    // A proposal that failed may have been appended all the same, and was made again.
    let mut seen = nodes.applied(1);
    let mut once: Vec<&str> = words(&seen);
    once.dedup();
    assert_eq!(once, texts);
    seen.dedup_by_key(|(position, _)| *position);
    assert_eq!(seen.len(), nodes.applied(1).len(), "no position is given twice");
}

#[tokio::test]
async fn a_leader_sends_on_what_its_own_disk_has_not_written_yet() {
    let mut nodes = Nodes::new(5, &[1, 2, 3, 4, 5]).await;
    nodes.write(&[1, 2, 3, 4, 5], "before").await;
    let leader = nodes.leader(&[1, 2, 3, 4, 5]).await;
    let away = if leader == 5 { 4 } else { 5 };
    nodes.kill(away, Loss::Nothing).await;
    let files = nodes.nodes.iter().find(|node| node.id == leader).unwrap().files.clone();
    files.hold_syncs();
    // The first one is being synced, the others wait behind it; a majority has them all the same.
    let mut last = Position::default();
    for number in 0..5 {
        last = nodes.write(&[leader], &number.to_string()).await;
    }
    nodes.start(away).await;
    nodes.reached(away, last).await;
    assert_eq!(words(&nodes.applied(away)), ["before", "0", "1", "2", "3", "4"]);
    files.release_syncs();
}

#[tokio::test]
async fn a_replica_knows_for_how_long_it_has_heard_no_leader() {
    let mut nodes = Nodes::new(3, &[1, 2, 3]).await;
    let last = nodes.write(&[1, 2, 3], "heard").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let [left, gone] = [leader % 3 + 1, (leader + 1) % 3 + 1];
    nodes.reached(left, last).await;
    assert!([left, leader].iter().all(|id| !nodes.group(*id).is_leaderless()));
    nodes.kill(gone, Loss::Nothing).await;
    nodes.wires.part(&[left], &[leader]);
    // The one that led believes in itself, and has everything.
    for id in [left, leader] {
        while !nodes.group(id).is_leaderless() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let silence = nodes.group(id).silence().unwrap();
        assert!(silence > Duration::from_millis(800) && silence < Duration::from_secs(60), "{silence:?}");
    }
    nodes.kill(left, Loss::Nothing).await;
    nodes.start(left).await;
    assert_eq!(nodes.group(left).silence(), None);
    nodes.wires.heal();
    let last = nodes.write(&[leader, left], "again").await;
    nodes.reached(left, last).await;
    assert!(!nodes.group(left).is_leaderless() && nodes.group(left).silence().is_some());
}
