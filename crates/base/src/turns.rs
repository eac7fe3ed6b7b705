//! Turns: leave for long work to use a core, so that however much of it there is, cores are left for short work.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How often those that wait look whether they may still.
const LOOK: Duration = Duration::from_millis(20);

/// A number of turns, given in order of asking.
#[derive(Debug)]
pub struct Turns {
    queue: Mutex<Queue>,
    given_back: Condvar,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    tickets: u64,
    /// The tickets of those that wait, first come first.
    waiting: VecDeque<u64>,
}

impl Turns {
    /// So many at once.
    #[must_use]
    pub fn new(free: usize) -> Self {
        let queue = Queue { free, tickets: 0, waiting: VecDeque::new() };
        Self { queue: Mutex::new(queue), given_back: Condvar::new() }
    }

    /// One for every other core.
    #[must_use]
    pub fn for_half_of_the_cores() -> Self {
        Self::new(available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2))
    }

    /// Blocks until it is the caller's turn, or `look` fails, which is asked from time to time.
    ///
    /// # Errors
    /// What `look` fails with.
    pub fn take<E>(&self, look: impl Fn() -> Result<(), E>) -> Result<(), E> {
        let mut queue = self.queue.lock();
        let ticket = queue.tickets;
        queue.tickets += 1;
        queue.waiting.push_back(ticket);
        let outcome = loop {
            if queue.free > 0 && queue.waiting.front() == Some(&ticket) {
                queue.free -= 1;
                break Ok(());
            }
            self.given_back.wait_for(&mut queue, LOOK);
            if let Err(error) = look() {
                break Err(error);
            }
        };
        queue.waiting.retain(|other| *other != ticket);
        outcome
    }

    /// Does a short piece of long work when its turn comes.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _ = self.take(|| Ok::<_, Infallible>(()));
        let outcome = work();
        self.give();
        outcome
    }

    /// Whether anybody waits for a turn.
    #[must_use]
    pub fn somebody_waits(&self) -> bool {
        !self.queue.lock().waiting.is_empty()
    }

    /// Ends a turn.
    pub fn give(&self) {
        self.queue.lock().free += 1;
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
        let turns = Arc::new(Turns::new(1));
        turns.take(|| Ok::<_, ()>(())).unwrap();
        assert!(!turns.somebody_waits());
        assert_eq!(turns.take(|| Err("late")), Err("late"));
        let (told, heard) = mpsc::channel();
        let other = std::thread::spawn({
            let turns = Arc::clone(&turns);
            move || {
                let outcome = turns.take(|| told.send("waiting"));
                let _ = told.send("turn");
                outcome.unwrap();
                turns.give();
            }
        });
        assert_eq!(heard.recv(), Ok("waiting"));
        assert!(turns.somebody_waits());
        turns.give();
        assert!(heard.iter().any(|said| said == "turn"));
        other.join().unwrap();
        assert_eq!(turns.queue.lock().free, 1);
    }
}
