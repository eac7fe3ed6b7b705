//! Members come and go, and the lead with them.

use super::*;

#[tokio::test]
async fn voters_come_and_go_and_the_log_goes_on() {
    let mut nodes = Nodes::new(5, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "three").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    nodes.group(leader).change_voters(&peers(&[1, 2, 3, 4, 5])).await.unwrap();
    let five = nodes.write(&[1, 2, 3, 4, 5], "five").await;
    for id in 1..=5 {
        nodes.reached(id, five).await;
        assert_eq!(words(&nodes.applied(id)), ["three", "five"]);
    }
    // Two of five may die.
    nodes.kill(1, Loss::All).await;
    nodes.kill(2, Loss::All).await;
    nodes.write(&[3, 4, 5], "two away").await;
    let leader = nodes.leader(&[3, 4, 5]).await;
    nodes.group(leader).change_voters(&peers(&[3, 4, 5])).await.unwrap();
    let status = nodes.group(leader).status();
    assert_eq!((&status.voters, &status.learners), (&peers(&[3, 4, 5]), &Vec::new()));
    let last = nodes.write(&[3, 4, 5], "three again").await;
    for id in [3, 4, 5] {
        nodes.reached(id, last).await;
        assert_eq!(words(&nodes.applied(id)), ["three", "five", "two away", "three again"]);
    }
}

#[tokio::test]
async fn the_lead_is_handed_over_without_an_election() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "before").await;
    for to in [2, 3, 1, 2] {
        let leader = nodes.leader(&[1, 2, 3]).await;
        if leader == to {
            continue;
        }
        let asked = tokio::time::Instant::now();
        nodes.group(leader).hand_over(to).await.unwrap();
        nodes.write(&[to], "by the new one").await;
        assert!(asked.elapsed() < Duration::from_millis(500), "it took {:?}", asked.elapsed());
    }
    assert!(nodes.group(1).hand_over(3).await.is_err(), "only a leader has a lead to hand over");
}

#[tokio::test]
async fn a_lead_that_nobody_takes_is_kept() {
    let mut nodes = Nodes::new(3, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "before").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let dead = if leader == 1 { 2 } else { 1 };
    nodes.kill(dead, Loss::Nothing).await;
    assert!(nodes.group(leader).hand_over(dead).await.is_err());
    let alive = nodes.ids();
    let last = nodes.write(&alive, "after").await;
    for id in alive {
        nodes.reached(id, last).await;
        assert_eq!(words(&nodes.applied(id)), ["before", "after"]);
    }
}

#[tokio::test]
async fn learners_follow_without_a_vote_and_are_let_go() {
    let nodes = Nodes::new(4, &[1, 2, 3]).await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let group = nodes.group(leader);
    group.change_members(&peers(&[1, 2, 3]), &peers(&[4])).await.unwrap();
    let last = nodes.write(&[1, 2, 3], "heard").await;
    nodes.reached(4, last).await;
    let status = nodes.group(4).status();
    assert_eq!((status.role, status.learners), (Role::Learner, peers(&[4])));
    while !group.status().heard.get(&4).is_some_and(Option::is_some) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The learner votes now, and one of the voters follows.
    let other = if leader == 3 { 2 } else { 3 };
    let voters: Vec<u64> = [1, 2, 3, 4].into_iter().filter(|id| *id != other).collect();
    group.change_members(&peers(&voters), &peers(&[other])).await.unwrap();
    let status = group.status();
    assert_eq!((status.voters, status.learners), (peers(&voters), peers(&[other])));
    group.change_members(&peers(&voters), &[]).await.unwrap();
    assert_eq!(group.status().learners, []);
}

#[tokio::test]
async fn a_leader_that_is_no_member_any_more_changes_nothing_and_hands_over() {
    let nodes = Nodes::new(3, &[1, 2, 3]).await;
    let first = nodes.leader(&[1, 2, 3]).await;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != first).collect();
    nodes.group(first).change_voters(&peers(&others)).await.unwrap();
    let again = nodes.group(first).change_voters(&peers(&[1, 2, 3])).await;
    assert!(matches!(again, Err(ClusterError::NotLeader { .. })), "{again:?}");
    nodes.leader(&others).await;
    let last = nodes.write(&others, "without it").await;
    for id in others {
        nodes.reached(id, last).await;
    }
}

#[tokio::test]
async fn a_node_that_gave_a_group_away_gets_it_back_from_the_beginning() {
    let mut nodes = Nodes::new(4, &[1, 2, 3]).await;
    nodes.write(&[1, 2, 3], "first").await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let gone = if leader == 1 { 2 } else { 1 };
    let others: Vec<u64> = [1, 2, 3, 4].into_iter().filter(|id| *id != gone).collect();
    for round in 0_usize..2 {
        let checkpoint = nodes.write(&[1, 2, 3, 4], "checkpoint").await;
        let members = nodes.group(nodes.leader(&[1, 2, 3, 4]).await).status().voters;
        for id in members.into_iter().map(|peer| peer.id) {
            nodes.reached(id, checkpoint).await;
            nodes.group(id).checkpoint(checkpoint, format!("{round}").into()).await.unwrap();
        }
        let leader = nodes.leader(&others).await;
        nodes.group(leader).change_voters(&peers(&others)).await.unwrap();
        let (journal, group, _) = nodes.running(gone).clone();
        group.shutdown().await;
        retire(&journal, GROUP).await.unwrap();
        retire(&journal, GROUP).await.unwrap();
        assert_eq!(journal.bounds(GROUP).last, None);
        // What the old log purged is behind what the new one begins with.
        nodes.kill(gone, Loss::Nothing).await;
        nodes.start(gone).await;
        assert_eq!(nodes.group(gone).status().last, None);
        let leader = nodes.leader(&others).await;
        nodes.group(leader).change_voters(&peers(&[1, 2, 3, 4])).await.unwrap();
        let last = nodes.write(&[1, 2, 3, 4], "back").await;
        nodes.reached(gone, last).await;
        assert_eq!(words(&nodes.applied(gone)).last(), Some(&"back"));
        let restored = nodes.running(gone).2.0.lock().restored.clone().map(|(payload, _)| payload);
        assert_eq!(restored, Some(format!("{round}").into_bytes()));
    }
}
