//! When a generation is frozen: pure.

use std::time::Duration;

/// What the decision looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The open generation's number: about the milliseconds of the clock when it was opened.
    pub(super) generation: u64,
    /// The clock.
    pub(super) now_ms: i64,
    /// For how long it was seen open by this process; counts when the number lies in the future.
    pub(super) seen: Duration,
    /// The open generation's memory.
    pub(super) bytes: u64,
    /// This shard's share of the memory budget.
    pub(super) share: u64,
    /// The age at which it is frozen at the latest.
    pub(super) max_age: Duration,
    /// The shard's place on this node, and how many there are: they take turns, so that not all are encoded at once.
    pub(super) phase: (u32, u32),
    /// Whether an earlier generation is still in memory.
    pub(super) encoding: bool,
    /// Whether the disk has no room: the journal lets go of a generation only when it is flushed.
    pub(super) disk_full: bool,
}

/// Whether the open generation should be frozen now. An empty one never is; a full one not while the one
/// before it is still in memory, which would hold three.
pub(super) fn should_freeze(standing: &Standing) -> bool {
    if standing.bytes == 0 || standing.encoding {
        return false;
    }
    let opened = i64::try_from(standing.generation).unwrap_or(i64::MAX);
    let turn = next_turn(opened, standing.max_age, standing.phase);
    // Generation 0 only stands before the first freeze of a journal and has no time.
    let aged = standing.generation > 0 && standing.now_ms >= turn || standing.seen >= standing.max_age;
    aged || standing.disk_full || standing.bytes >= standing.share
}

/// When a shard's turn comes first after a time: once every `max_age`, the shards' turns evenly spread. It
/// goes by the clock alone, so that shards stay apart whatever memory and restarts make of their ages.
fn next_turn(after_ms: i64, max_age: Duration, (shard, shards): (u32, u32)) -> i64 {
    let period = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX).max(1);
    let phase = i128::from(period) * i128::from(shard) / i128::from(shards.max(1));
    let past = (i128::from(after_ms) - phase).rem_euclid(i128::from(period));
    after_ms.saturating_add(period - i64::try_from(past).unwrap_or(0))
}

/// The number of the generation that follows.
pub(super) fn next_generation(open: u64, now_ms: i64) -> u64 {
    u64::try_from(now_ms).unwrap_or(0).max(open.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_memory_freeze_but_never_an_empty_generation() {
        let standing = Standing {
            generation: 1_020_000,
            now_ms: 1_020_000,
            seen: Duration::ZERO,
            bytes: 10,
            share: 100,
            max_age: Duration::from_secs(60),
            phase: (0, 4),
            encoding: false,
            disk_full: false,
        };
        let later = |ms: i64| Standing { now_ms: 1_020_000 + ms, ..standing };
        assert!(!should_freeze(&standing) && !should_freeze(&later(59_999)) && should_freeze(&later(60_000)));
        assert!(!should_freeze(&Standing { bytes: 0, ..later(90_000) }));
        assert!(should_freeze(&Standing { bytes: 100, ..standing }));
        assert!(!should_freeze(&Standing { bytes: 100, encoding: true, ..standing }));
        assert!(should_freeze(&Standing { disk_full: true, ..standing }));
        assert!(!should_freeze(&Standing { disk_full: true, encoding: true, ..standing }));
        let ahead = Standing { now_ms: 5, seen: Duration::from_secs(60), ..standing };
        assert!(should_freeze(&ahead), "a clock that was set back does not keep a generation open");
        assert_eq!((next_generation(7, 5), next_generation(7, 500), next_generation(0, -4)), (8, 500, 1));
    }

    #[test]
    fn shards_take_turns_however_old_their_generations_are() {
        let minute = Duration::from_secs(60);
        for shard in 0..4 {
            let turn = i64::from(shard) * 15_000;
            for opened in [0, 1, 14_999, 15_000, 59_999, 1_700_000_000_000] {
                let due = next_turn(opened, minute, (shard, 4));
                assert_eq!(due.rem_euclid(60_000), turn);
                assert!((opened + 1..=opened + 60_000).contains(&due), "{due} after {opened}");
            }
        }
        assert_eq!(next_turn(i64::MAX, Duration::MAX, (u32::MAX, 0)), i64::MAX);
    }
}
