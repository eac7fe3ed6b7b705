//! Telling the other nodes when this one's disk has little room, so that it leads nothing that another can.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Shutdown};
use latewood_cluster::ControlCommand;

use super::{Control, ControlGroup};
use crate::flush::DiskBudget;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// For so long there must have been well more room than is needed before it counts: leads would go to and fro otherwise.
const ROOMY: Duration = Duration::from_secs(10);

/// Whether a node counts as one with little room.
#[derive(Debug, Default)]
struct Mark {
    /// Since when there is well more than is needed.
    roomy: Option<Duration>,
}

impl Mark {
    /// Whether it does from now on, after it did or did not. Pure but for what it remembers.
    fn look(&mut self, now: Duration, was_low: bool, (is_short, is_roomy): (bool, bool)) -> bool {
        self.roomy = is_roomy.then(|| self.roomy.unwrap_or(now));
        let is_over = self.roomy.is_some_and(|since| now.saturating_sub(since) >= ROOMY);
        is_short || was_low && !is_over
    }
}

/// Tells what the disk has, and takes note of what others tell, until the shutdown.
pub(super) async fn run(budget: Arc<DiskBudget>, control: ControlGroup, clock: Clock, shutdown: Shutdown) {
    let mut mark = Mark::default();
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let (view, node) = (control.view(), control.node());
        budget.note_low(view.low_on_disk());
        let Some(was_low) = view.members.get(&node).map(|member| member.low_on_disk) else { continue };
        let low_on_disk = mark.look(clock.elapsed(), was_low, (budget.is_short(), budget.is_roomy()));
        if low_on_disk == was_low || !control.is_fresh() {
            continue;
        }
        tracing::warn!(low_on_disk, "the room on the data directory's disk has changed");
        let room = ControlCommand::Room { node, low_on_disk };
        let told = tokio::select! {
            () = shutdown.begun() => return,
            told = Box::pin(control.change_anywhere(&room)) => told,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the others do not know yet how much room there is on the disk");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: (bool, bool) = (true, false);
    const BETWEEN: (bool, bool) = (false, false);
    const ROOM: (bool, bool) = (false, true);

    #[test]
    fn little_room_counts_at_once_and_well_more_after_a_while() {
        let (mut mark, mut low) = (Mark::default(), false);
        let mut at = |second: u64, disk| {
            low = mark.look(Duration::from_secs(second), low, disk);
            low
        };
        assert!(!at(0, ROOM) && !at(1, BETWEEN));
        assert!(
            at(2, SHORT) && at(3, BETWEEN) && at(60, BETWEEN),
            "it is not back before there is well more"
        );
        assert!(at(61, ROOM) && at(70, ROOM) && !at(71, ROOM) && !at(72, BETWEEN));
        assert!(at(80, SHORT) && at(81, ROOM) && at(86, BETWEEN) && at(92, ROOM), "it must last");
        assert!(!at(102, ROOM));
    }

    #[test]
    fn a_node_that_starts_again_is_what_it_was_until_there_was_room_for_a_while() {
        let mut mark = Mark::default();
        assert!(mark.look(Duration::ZERO, true, ROOM) && !mark.look(ROOMY, true, ROOM));
    }
}
