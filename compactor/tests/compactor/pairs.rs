//! HA pairs when something goes wrong: what is deleted or lost while a day becomes one series, and what is damaged.

use std::time::Duration;

use bytes::Bytes;
use latewood_model::{Resolution, SeriesSamples, TenantId, TimeRange};
use latewood_objstore::ObjectClient;
use latewood_testkit::{Fault, Gate, Operation, Rule};

use crate::deduplication::{answers, assert_rollups, assert_same, labels, pair, whole, world, writes};
use crate::reader::windows;
use crate::rebuild::lose_and_rebuild;
use crate::world::{HOUR, World};

/// Holds a compactor before a commit, some commits after the next.
fn held_before_commit(world: &World, skip: usize) -> Gate {
    let gate = Gate::closed();
    let commits = Rule::new(Fault::Hold(gate.clone())).on(Operation::Create).key("catalog/0");
    world.bucket.add(commits.skip(skip).times(1));
    gate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_of_the_hour_before_meanwhile_decides_about_no_replica() {
    let mut world = world(21);
    // The first is away from before the third day until shortly after it has begun.
    let outage = Some((48 * HOUR - HOUR / 4, HOUR / 4 + 120_000));
    let series = |range: TimeRange| -> Vec<SeriesSamples> {
        [writes("a", 1_000, outage, range), writes("b", 100_000, None, range)].concat()
    };
    world.hand.set_ms(60 * HOUR);
    world.flush(series(TimeRange::new(1, 48 * HOUR))).await;
    world.compactor().compact_once().await;
    world.hand.set_ms(82 * HOUR);
    world.flush(series(TimeRange::new(48 * HOUR + 1, 72 * HOUR))).await;
    // The block has been cut along its window by then; the day is not one series yet.
    let (gate, compactor) = (held_before_commit(&world, 1), world.compactor());
    let running = tokio::spawn(async move { compactor.compact_once().await });
    gate.reached(1).await;
    let before = answers(&world, &[whole()]).await;
    world.delete("__name__", "requests_total", TimeRange::new(46 * HOUR, 48 * HOUR)).await;
    let deleted = answers(&world, &[whole()]).await;
    assert_ne!(deleted, before);
    gate.open();
    running.await.unwrap();
    assert_eq!(windows(&*world.view().await, &labels()).len(), 2, "it was planned anew");
    assert_same(&answers(&world, &[whole()]).await, &deleted, "the third day");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_catalog_has_one_of_two_days_that_were_made_of_the_same() {
    let mut world = world(22);
    let outage = (10 * HOUR, 3 * HOUR);
    let day = TimeRange::new(1, 24 * HOUR);
    world.hand.set_ms(40 * HOUR);
    world.flush([writes("a", 1_000, Some(outage), day), writes("b", 100_000, None, day)].concat()).await;
    // One that ends when its day is in the bucket, and not in the catalog.
    let (gate, compactor) = (held_before_commit(&world, 1), world.compactor());
    tokio::select! {
        biased;
        () = gate.reached(1) => {}
        () = compactor.compact_once() => panic!("it does not end by itself"),
    }
    drop(compactor);
    world.bucket.heal();
    let late = TimeRange::new(outage.0, outage.0 + outage.1);
    world.flush(writes("a", 1_000, None, late)).await;
    world.hand.advance(Duration::from_secs(30 * 3_600));
    world.compactor().compact_once().await;
    let (before, ranges) = (world.view().await, [whole(), late]);
    let answered = answers(&world, &ranges).await;
    assert_eq!(windows(&before, &labels()).len(), 1);

    assert_eq!(lose_and_rebuild(&world).await.blocks, before.blocks);
    assert_same(&answers(&world, &ranges).await, &answered, "rebuilt");
    assert_rollups(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_tail_goes_with_its_block() {
    let mut world = world(23);
    world.hand.set_ms(40 * HOUR);
    world.flush(pair(24)).await;
    world.compactor().compact_once().await;
    let view = world.view().await;
    let tail = view.blocks.values().find(|block| block.tail).unwrap();
    let file = tail.files.iter().find(|file| file.path.contains("samples")).unwrap();
    let key = format!("{}/{}", tail.folder(&TenantId::anonymous()), file.path);
    world.bucket.put(&key, Bytes::from_static(b"damaged")).await.unwrap();
    world.hand.set_ms(70 * HOUR);
    let next = pair(48).into_iter().filter_map(|series| series.split_after(24 * HOUR).1).collect();
    world.flush(next).await;
    world.compactor().compact_once().await;
    let view = world.view().await;
    assert_eq!(windows(&view, &labels()), [TimeRange::new(1, 48 * HOUR)]);
    let tails: Vec<_> = view.blocks.values().filter(|block| block.tail).map(|block| block.window).collect();
    assert_eq!(tails, [Some(TimeRange::new(1, 48 * HOUR))], "nothing would ever take it away");
    assert!(view.no_compact.is_empty() && view.overlapping(Resolution::Raw, whole()).count() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_series_of_a_day_may_be_deleted_before_it_becomes_one_series() {
    let mut world = world(24);
    world.hand.set_ms(40 * HOUR);
    world.flush(pair(24)).await;
    let (gate, compactor) = (held_before_commit(&world, 1), world.compactor());
    let running = tokio::spawn(async move { compactor.compact_once().await });
    gate.reached(1).await;
    for metric in ["shared", "temperature"] {
        world.delete("__name__", metric, TimeRange::ALL).await;
    }
    let before = answers(&world, &[whole()]).await;
    gate.open();
    running.await.unwrap();
    assert_same(&answers(&world, &[whole()]).await, &before, "without them");
    assert_eq!(windows(&*world.view().await, &labels()).len(), 1);
    assert_rollups(&world).await;
}
