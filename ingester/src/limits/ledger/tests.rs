use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn frozen(series: &BTreeSet<u64>) -> Frozen {
    let mut frozen = Frozen::default();
    series.iter().for_each(|hash| frozen.insert(hash % 3, *hash));
    frozen
}

fn at(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

#[test]
fn frozen_series_count_once_until_they_are_idle() {
    let mut ledger = Ledger::default();
    ledger.freeze(frozen(&[1, 2, 3].into()), at(0));
    ledger.freeze(frozen(&[3, 4].into()), at(10));
    assert_eq!((ledger.count(), ledger.count_of(0), ledger.count_of(1)), (4, 1, 2));
    ledger.expire(at(19));
    assert_eq!(ledger.count(), 4);
    ledger.expire(at(20));
    assert_eq!((ledger.count(), ledger.count_of(0)), (2, 1), "3 was written after the first freeze");
    ledger.expire(at(30));
    assert!(ledger.is_empty());
}

#[test]
fn what_comes_back_counts_as_before_whatever_becomes_of_its_entry() {
    let mut ledger = Ledger::default();
    ledger.freeze(frozen(&[1, 2].into()), at(0));
    assert_eq!([ledger.take(1, 1), ledger.take(2, 5)], [Standing::Known, Standing::New]);
    ledger.add(2, 5);
    assert_eq!([ledger.take(2, 5), ledger.take(1, 1)], [Standing::Known, Standing::Known]);
    assert_eq!((ledger.count(), ledger.count_of(2)), (3, 2));
    // The first entries are not applied.
    ledger.release(5, false);
    ledger.release(1, false);
    assert_eq!(ledger.count(), 3);
    ledger.release(5, false);
    ledger.release(1, false);
    assert_eq!((ledger.count(), ledger.count_of(2)), (2, 1), "5 never was, 1 is frozen still");
    // Now they are: the open generation has them.
    assert_eq!(ledger.take(1, 1), Standing::Known);
    ledger.release(1, true);
    assert_eq!((ledger.count(), ledger.count_of(1)), (1, 0));
    ledger.release(1, true);
    assert_eq!(ledger.count(), 1);
}

#[test]
fn a_new_leader_holds_what_is_frozen_against_the_open_generation() {
    let mut ledger = Ledger::default();
    ledger.freeze(frozen(&[1, 2, 4].into()), at(0));
    ledger.add(0, 9);
    ledger.settle(7, |hash| hash < 3 || hash == 9);
    assert_eq!((ledger.count(), ledger.count_of(1), ledger.count_of(2)), (1, 1, 0));
}

/// What happens to a shard.
#[derive(Clone, Debug)]
enum Event {
    /// An entry of these series, and whether it is applied.
    Write(Vec<u64>, bool),
    Freeze,
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (prop::collection::vec(0_u64..40, 1..12), prop::bool::weighted(0.8))
            .prop_map(|(series, applied)| Event::Write(series, applied)),
        2 => Just(Event::Freeze),
        1 => (1_u64..15).prop_map(Event::Wait),
    ]
}

proptest! {
    /// However it is frozen, the active series are those that a plain model counts, and never more than allowed.
    #[test]
    fn freezes_neither_make_room_nor_take_it(limit in 1_u64..30, events in prop::collection::vec(event(), 1..80)) {
        let (mut ledger, mut open, mut now) = (Ledger::default(), BTreeSet::new(), 0_u64);
        // When each series was frozen last.
        let mut model: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
        for event in events {
            ledger.expire(at(now));
            model.retain(|_, frozen_at| now - *frozen_at < 20);
            match event {
                Event::Write(series, applied) => {
                    let mut under_way = Vec::new();
                    for hash in series {
                        if open.contains(&hash) {
                            continue;
                        }
                        if ledger.take(hash % 3, hash) == Standing::New {
                            prop_assert!(!model.contains_key(&hash), "a series at its limit goes on");
                            if open.len() as u64 + ledger.count() >= limit {
                                continue;
                            }
                            ledger.add(hash % 3, hash);
                        }
                        under_way.push(hash);
                    }
                    if applied {
                        open.extend(under_way.iter().copied());
                    }
                    under_way.into_iter().for_each(|hash| ledger.release(hash, applied));
                }
                Event::Freeze => {
                    ledger.freeze(frozen(&open), at(now));
                    model.extend(std::mem::take(&mut open).into_iter().map(|hash| (hash, now)));
                }
                Event::Wait(minutes) => now += minutes,
            }
            ledger.expire(at(now));
            let active: BTreeSet<u64> = open.iter().copied()
                .chain(model.iter().filter(|(_, frozen_at)| now - **frozen_at < 20).map(|(hash, _)| *hash))
                .collect();
            prop_assert_eq!(open.len() as u64 + ledger.count(), active.len() as u64);
            prop_assert!(active.len() as u64 <= limit, "{:?} of {}", active, limit);
        }
    }
}
