//! Limits on series, against heads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latewood_base::{Clock, ManualClock};
use latewood_cluster::Position;
use latewood_model::{Labels, Sample, TenantId};

use super::*;
use crate::Cause;
use crate::distributor::{RefusedRow, ShardMap};
use crate::head::Head;
use crate::journal::{Built, EntryBuilder};
use crate::{BatchBuilder, WriteBatch};

/// A node with some shards of a cluster.
struct Node {
    shards: Vec<(Head, ShardLimits, Arc<AtomicBool>)>,
    limits: Arc<SeriesLimits>,
    hand: ManualClock,
}

impl Node {
    fn new(settings: &str, shards: u32, of: u32) -> Self {
        let (clock, hand) = Clock::manual(0);
        let table = Limits::new(&serde_json::from_str(settings).unwrap());
        let limits = SeriesLimits::new(Arc::new(table), ShardMap::new(of), clock);
        let shard = |place| {
            let (head, leads) = (Head::new([].into()), Arc::new(AtomicBool::new(true)));
            assert!(head.freeze(0, 1, Position::default()));
            let at = limits.at(place, head.clone());
            let led = Arc::clone(&leads);
            at.enter_led(Box::new(move || led.load(Ordering::Relaxed).then_some(1)));
            (head, at, leads)
        };
        Self { shards: (0..shards).map(shard).collect(), limits, hand }
    }

    /// What is refused of an entry, which is not applied yet.
    fn build(&self, shard: usize, term: u64, batch: &WriteBatch) -> (Built, Admission) {
        let (head, limits, _) = &self.shards[shard];
        let generation = head.open();
        if limits.is_behind(&generation) {
            limits.catch_up();
        }
        let mut admission = limits.admission(&generation, term).unwrap();
        let mut builder = EntryBuilder::new(&generation, 1);
        batch.rows().for_each(|row| builder.push(batch.tenant(), row));
        (builder.build_admitted(Some(&mut admission)), admission)
    }

    /// Writes series `range` of a metric; returns how many were refused.
    fn write(&self, shard: usize, tenant: &str, metric: &str, range: std::ops::Range<u32>) -> usize {
        let batch = batch(tenant, metric, range);
        let (built, _admission) = self.build(shard, 1, &batch);
        assert!(self.shards[shard].0.write(&built.entry).is_some());
        built.refused.len()
    }

    fn freeze(&self, shard: usize) {
        let head = &self.shards[shard].0;
        let open = head.open().number();
        assert!(head.freeze(open, open + 1, Position::default()));
    }

    /// What the shards have of a tenant in their open generations.
    fn stored(&self, tenant: &str) -> usize {
        let tenant = TenantId::new(tenant).unwrap();
        let of = |head: &Head| head.open().tenant(&tenant).map_or(0, |head| head.series());
        self.shards.iter().map(|(head, ..)| of(head)).sum()
    }
}

fn batch(tenant: &str, metric: &str, range: std::ops::Range<u32>) -> WriteBatch {
    let mut builder = BatchBuilder::new(TenantId::new(tenant).unwrap(), &[]);
    for number in range {
        let labels = Labels::from_pairs([("__name__", metric), ("n", &number.to_string())]);
        builder.push(&labels, &[Sample { timestamp: 1, value: 1.0 }]);
    }
    builder.build()
}

const TEN: &str = r#"{"max_global_series_per_user":10}"#;

#[test]
fn new_series_above_the_limit_are_refused_and_known_ones_go_on() {
    let node = Node::new(TEN, 1, 1);
    assert_eq!(node.write(0, "t", "up", 0..8), 0);
    let batch = batch("t", "up", 5..13);
    let (Built { entry, refused }, admission) = node.build(0, 1, &batch);
    let rows: Vec<u32> = refused.iter().map(|(_, refused)| refused.row).collect();
    assert_eq!(rows, [5, 6, 7], "three are known, two have room");
    let RefusedRow { cause, message, .. } = &refused[0].1;
    assert_eq!(*cause, Cause::SeriesLimit);
    for word in ["tenant t ", "10 active series", "max_global_series_per_user", "limits.overrides.t"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(message.len() <= 300, "it would be cut: {message}");
    node.shards[0].0.write(&entry).unwrap();
    drop(admission);
    assert_eq!((node.write(0, "t", "up", 0..10), node.stored("t")), (0, 10));
    assert_eq!((node.write(0, "other", "up", 0..10), node.stored("other")), (0, 10), "each has its own");
}

#[test]
fn all_shards_of_a_node_count_together_and_one_of_a_cluster_has_its_part() {
    let alone = Node::new(TEN, 2, 2);
    assert_eq!([alone.write(0, "t", "up", 0..9), alone.write(1, "t", "up", 9..14)], [0, 4]);
    // Of 1,000 on four shards: 250, and what chance may add.
    let one = Node::new(r#"{"max_global_series_per_user":1000}"#, 1, 4);
    assert_eq!((one.write(0, "t", "up", 0..1_000), one.stored("t")), (695, 305));
    // A shard that another node leads is counted there.
    let two = Node::new(r#"{"max_global_series_per_user":1000}"#, 2, 4);
    two.shards[1].2.store(false, Ordering::Relaxed);
    two.write(1, "t", "up", 0..200);
    assert_eq!(two.write(0, "t", "up", 0..1_000), 695);
}

#[test]
fn a_metric_has_a_limit_of_its_own() {
    let node = Node::new(
        r#"{"max_global_series_per_metric":3,"overrides":{"free":{"max_global_series_per_metric":0}}}"#,
        1,
        1,
    );
    assert_eq!([node.write(0, "t", "up", 0..5), node.write(0, "t", "down", 0..3)], [2, 0]);
    assert_eq!(node.write(0, "free", "up", 0..50), 0);
    node.freeze(0);
    let (Built { refused, .. }, _admission) = node.build(0, 1, &batch("t", "up", 1..6));
    let rows: Vec<_> = refused.iter().map(|(_, one)| (one.row, one.cause)).collect();
    let limit = Cause::MetricSeriesLimit;
    assert_eq!(rows, [(2, limit), (3, limit), (4, limit)]);
    assert!(refused[0].1.message.contains(r#"metric "up""#), "{}", refused[0].1.message);
}

#[test]
fn a_freeze_makes_no_room_and_refuses_nobody_who_goes_on() {
    let node = Node::new(TEN, 1, 1);
    node.write(0, "t", "up", 0..10);
    for _ in 0..3 {
        node.freeze(0);
        assert_eq!(node.write(0, "t", "up", 10..15), 5, "others instead");
        assert_eq!(node.write(0, "t", "up", 0..10), 0, "the same");
    }
    // Two freezes with little between them are no way around it.
    node.freeze(0);
    node.write(0, "t", "up", 0..1);
    node.freeze(0);
    assert_eq!(node.write(0, "t", "up", 10..15), 5);
    node.hand.advance(Duration::from_mins(20));
    assert_eq!(node.write(0, "t", "up", 10..25), 5, "those that ended have made room");
    node.freeze(0);
    node.shards[0].1.catch_up();
    node.hand.advance(Duration::from_mins(20));
    node.write(0, "other", "up", 0..1);
    node.freeze(0);
    node.shards[0].1.catch_up();
    assert_eq!(node.limits.known_tenants(), 1, "who writes no more is forgotten");
}

#[test]
fn what_is_under_way_counts_until_it_is_applied_or_is_not() {
    let node = Node::new(TEN, 2, 2);
    let (first, second) = (batch("t", "up", 0..8), batch("t", "up", 6..12));
    let (built, admission) = node.build(0, 1, &first);
    let (again, again_admitted) = node.build(0, 1, &second);
    assert_eq!(again.refused.len(), 2, "two stand in both entries");
    assert_eq!(node.write(1, "t", "up", 20..21), 1, "other shards know");
    // The first is applied, the second is not, and neither has been told.
    node.shards[0].0.write(&built.entry).unwrap();
    let (third, third_admitted) = node.build(0, 1, &batch("t", "up", 8..10));
    assert!(third.refused.is_empty(), "they are under way");
    drop((admission, again_admitted, third_admitted));
    assert_eq!(node.write(1, "t", "up", 20..30), 8, "those that were not applied left their room");
}

#[test]
fn who_comes_to_lead_counts_what_came_back_under_another() {
    let node = Node::new(TEN, 1, 1);
    node.write(0, "t", "up", 0..6);
    node.freeze(0);
    node.shards[0].1.catch_up();
    // Another node admits these, and this one applies them.
    let batch_of_old = batch("t", "up", 0..6);
    let open = node.shards[0].0.open();
    let mut builder = EntryBuilder::new(&open, 1);
    batch_of_old.rows().for_each(|row| builder.push(batch_of_old.tenant(), row));
    node.shards[0].0.write(&builder.build()).unwrap();
    let (built, _admission) = node.build(0, 2, &batch("t", "up", 0..12));
    assert_eq!(built.refused.len(), 2);
}

#[test]
fn an_entry_has_nothing_of_a_tenant_of_whom_all_is_refused() {
    let node = Node::new(TEN, 1, 1);
    node.write(0, "t", "up", 0..10);
    let (built, _admission) = node.build(0, 1, &batch("t", "up", 10..12));
    assert_eq!((built.entry.tenants.len(), built.refused.len()), (0, 2));
}

#[test]
fn where_nobody_is_limited_nothing_is_kept() {
    let node = Node::new("{}", 1, 1);
    let (head, limits, _) = &node.shards[0];
    assert!(!limits.is_behind(&head.open()) && limits.admission(&head.open(), 1).is_none());
    node.freeze(0);
    limits.catch_up();
    assert_eq!(node.limits.known_tenants(), 0);
}
