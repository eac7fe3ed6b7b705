//! A replica whose disk is full: the others go on without it, and it goes on when there is room, without a restart.

use super::*;

#[tokio::test]
async fn a_replica_with_a_full_disk_goes_on_when_there_is_room() {
    for leads in [false, true] {
        let nodes = Nodes::new(3, &[1, 2, 3]).await;
        let last = nodes.write(&[1, 2, 3], "before").await;
        let leader = nodes.leader(&[1, 2, 3]).await;
        let full = if leads { leader } else { leader % 3 + 1 };
        nodes.reached(full, last).await;
        let files = nodes.nodes.iter().find(|node| node.id == full).unwrap().files.clone();
        files.set_capacity(Some(files.sizes().values().sum::<usize>()));
        for text in ["while", "it", "is", "full"] {
            nodes.write(&[1, 2, 3], text).await;
        }
        while !nodes.running(full).0.is_full() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Longer than an election takes.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(nodes.group(full).failure().is_none());
        let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != full).collect();
        if !leads {
            assert_eq!(nodes.leader(&others).await, leader, "it disturbs nobody");
        }
        files.set_capacity(None);
        let last = nodes.write(&[1, 2, 3], "after").await;
        for id in 1..=3 {
            nodes.reached(id, last).await;
        }
        let words = words(&nodes.applied(full)).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words, ["before", "while", "it", "is", "full", "after"]);
    }
}
