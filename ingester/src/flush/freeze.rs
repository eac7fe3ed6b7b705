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
    /// The age at which it is frozen.
    pub(super) max_age: Duration,
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
    let by_clock = u64::try_from(standing.now_ms.saturating_sub(opened)).unwrap_or(0);
    let age = Duration::from_millis(by_clock).max(standing.seen);
    // Generation 0 only stands before the first freeze of a journal and has no time.
    let aged = standing.generation > 0 && age >= standing.max_age || standing.seen >= standing.max_age;
    aged || standing.disk_full || standing.bytes >= standing.share
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
            generation: 1_000_000,
            now_ms: 1_000_000,
            seen: Duration::ZERO,
            bytes: 10,
            share: 100,
            max_age: Duration::from_secs(60),
            encoding: false,
            disk_full: false,
        };
        let later = |ms: i64| Standing { now_ms: 1_000_000 + ms, ..standing };
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
}
