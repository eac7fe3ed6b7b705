//! What the queries of a process share: memory, and turns for those that run long.
//!
//! A query that has run for a while goes on by turns with the others that have, so that however many they are,
//! there are cores for the short ones.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long a query runs before it goes on by turns only.
pub(crate) const LONG: Duration = Duration::from_millis(200);

/// How long a turn lasts where others wait.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// How often those that wait look at their deadline.
const LOOK: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub(crate) struct Commons {
    max_bytes: u64,
    bytes: AtomicU64,
    turns: Mutex<Turns>,
    given_back: Condvar,
}

#[derive(Debug)]
struct Turns {
    free: usize,
    tickets: u64,
    /// The tickets of those that wait, first come first.
    waiting: VecDeque<u64>,
}

impl Commons {
    /// With so many bytes for all queries; half of the cores are for long ones.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_turns(max_bytes, cores.div_ceil(2))
    }

    pub(crate) fn with_turns(max_bytes: u64, free: usize) -> Self {
        let turns = Turns { free, tickets: 0, waiting: VecDeque::new() };
        let (turns, given_back) = (Mutex::new(turns), Condvar::new());
        Self { max_bytes, bytes: AtomicU64::new(0), turns, given_back }
    }

    /// How many bytes all queries may hold.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Takes bytes from what all may hold; whether there were so many left.
    pub(crate) fn take_bytes(&self, bytes: u64) -> bool {
        let within = |now: u64| now.checked_add(bytes).filter(|&sum| sum <= self.max_bytes);
        self.bytes.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    /// Gives bytes back.
    pub(crate) fn give_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Blocks until it is the caller's turn, or `look` fails, which is asked from time to time.
    pub(crate) fn take_turn<E>(&self, look: impl Fn() -> Result<(), E>) -> Result<(), E> {
        let mut turns = self.turns.lock();
        let ticket = turns.tickets;
        turns.tickets += 1;
        turns.waiting.push_back(ticket);
        let outcome = loop {
            if turns.free > 0 && turns.waiting.front() == Some(&ticket) {
                turns.free -= 1;
                break Ok(());
            }
            self.given_back.wait_for(&mut turns, LOOK);
            if let Err(error) = look() {
                break Err(error);
            }
        };
        turns.waiting.retain(|other| *other != ticket);
        outcome
    }

    /// Whether anybody waits for a turn.
    pub(crate) fn somebody_waits(&self) -> bool {
        !self.turns.lock().waiting.is_empty()
    }

    /// Ends a turn.
    pub(crate) fn give_turn(&self) {
        self.turns.lock().free += 1;
        self.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn turns_go_round_and_who_gives_up_does_not_hold_the_others() {
        let commons = Arc::new(Commons::with_turns(0, 1));
        commons.take_turn(|| Ok::<_, ()>(())).unwrap();
        assert!(!commons.somebody_waits());
        assert_eq!(commons.take_turn(|| Err("late")), Err("late"));
        let (told, heard) = mpsc::channel();
        let other = std::thread::spawn({
            let commons = Arc::clone(&commons);
            move || {
                let outcome = commons.take_turn(|| told.send("waiting"));
                let _ = told.send("turn");
                outcome.unwrap();
                commons.give_turn();
            }
        });
        assert_eq!(heard.recv(), Ok("waiting"));
        assert!(commons.somebody_waits());
        commons.give_turn();
        assert!(heard.iter().any(|said| said == "turn"));
        other.join().unwrap();
        assert_eq!(commons.turns.lock().free, 1);
    }

    #[test]
    fn bytes_are_shared() {
        let commons = Commons::with_turns(100, 1);
        assert!(commons.take_bytes(60) && !commons.take_bytes(60));
        commons.give_bytes(60);
        assert!(commons.take_bytes(100) && !commons.take_bytes(u64::MAX));
    }
}
